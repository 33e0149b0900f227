//! Combines the results of two checks of one input.

use super::{AppError, ErrorCategory};

impl AppError {
    /// Both values, or the errors of both, so that one response reports all of them. An error that is not about the input is
    /// returned alone.
    ///
    /// # Errors
    /// If one of the results is an error.
    pub fn both<A, B>(first: Result<A, Self>, second: Result<B, Self>) -> Result<(A, B), Self> {
        match (first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(first), Err(second)) => {
                let is_about_input =
                    |error: &Self| error.code().category() == ErrorCategory::Invalid;
                if !is_about_input(&first) {
                    return Err(first);
                }
                if !is_about_input(&second) {
                    return Err(second);
                }
                let mut errors = first.0.field_errors;
                errors.extend(second.0.field_errors);
                Err(Self::invalid_fields(errors))
            }
        }
    }
}
