//! Front ends of findings and runs: each turns the same data into its own text.

pub mod check_json;
pub mod check_text;
pub mod run_json;
pub mod run_preview;
pub mod run_report;
pub mod run_terminal;
