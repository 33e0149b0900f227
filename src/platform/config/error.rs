//! The error of a wrong or missing setting.

use std::borrow::Cow;

/// Why the service cannot start with these settings: one line that names the variable and contains no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    variable: String,
    problem: Cow<'static, str>,
}

impl ConfigError {
    /// `problem` is shown to the operator: one line that says what is allowed, without the value.
    pub fn new(variable: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            variable: variable.into(),
            problem: problem.into(),
        }
    }

    /// The name of the variable that is wrong or missing.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }
}
