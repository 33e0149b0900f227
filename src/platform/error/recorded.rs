//! Whether the audit log contains the refusal that an error reports.

use super::AppError;

impl AppError {
    /// Marks a refusal that is in the audit log, or that does not belong there.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.0.is_recorded = true;
        self
    }

    /// Whether the refusal is in the audit log or does not belong there.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.0.is_recorded
    }
}
