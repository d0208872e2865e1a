//! Parameters: what a document declares, what a caller passes, and the values that come of both.

/// The parameters that have a value, in order. A parameter without one is simply not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParamValues {
    /// Name and value. A positional parameter has its number as name.
    pub entries: Vec<(String, String)>,
    /// The text of `${params}`: compact JSON, or the JSON a caller passed. `None` when there is no value at all.
    pub payload: Option<String>,
}

impl ParamValues {
    /// The value of a named parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(entry, _)| entry == name).map(|(_, value)| value.as_str())
    }

    /// The value of `$number`.
    pub fn positional(&self, number: usize) -> Option<&str> {
        self.get(&number.to_string())
    }

    /// The entries of the environment: every parameter by its name or number.
    pub fn env(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.entries.iter().cloned()
    }
}
