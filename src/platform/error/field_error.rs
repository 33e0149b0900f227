//! The invalid members of an input.

use std::borrow::Cow;

/// One invalid member, parameter or header of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body (`""` is the whole body), `?name` for a query parameter, or the name of a
    /// header.
    pub pointer: Cow<'static, str>,
    /// The stable error code in `snake_case`, such as `too_short`.
    pub code: &'static str,
    /// An explanation for people.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Creates an error at `pointer`.
    pub fn new(
        pointer: impl Into<Cow<'static, str>>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
        }
    }
}

/// Collects the errors of an input, so that one response reports all of them.
#[derive(Debug, Default)]
pub struct FieldErrors(pub(super) Vec<FieldError>);

impl FieldErrors {
    /// Adds an error.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Returns the value of a successful `result`, or records its error at `pointer`.
    pub fn check<T>(
        &mut self,
        pointer: impl Into<Cow<'static, str>>,
        result: Result<T, impl Into<(&'static str, Cow<'static, str>)>>,
    ) -> Option<T> {
        result
            .map_err(|error| {
                let (code, detail) = error.into();
                self.push(FieldError::new(pointer, code, detail));
            })
            .ok()
    }
}
