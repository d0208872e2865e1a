use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # secret-in-prompt
    ///
    /// ## What it does
    /// Reports a reference to a secret in the prompt or an option of an agent step.
    ///
    /// ## Why it matters
    /// It becomes part of the command line, which every program on the machine can read and engines keep, and a prompt
    /// also goes to the model. The agent has the secret in its environment already.
    ///
    /// ## Example
    /// ```yaml
    /// secrets:
    ///   - name: TOKEN
    ///     provider: env
    ///     key: TOKEN
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Fetch the issue with the token ${env.TOKEN}
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// secrets:
    ///   - name: TOKEN
    ///     provider: env
    ///     key: TOKEN
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Fetch the issue with the token in the variable TOKEN
    /// ```
    SecretInPrompt, "secret-in-prompt", Warning, None
}

impl Rule for SecretInPrompt {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
