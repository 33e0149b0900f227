//! The result of an import: one line for each line of the request.

use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::error::{AppError, Code, FieldError};
use crate::platform::ids::UserId;

/// The result of one line.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportResult {
    /// The line number, from 1.
    pub line: usize,
    /// The username, if the line could be parsed.
    pub username: Option<String>,
    /// The id of the account in the other system.
    pub external_id: Option<String>,
    /// The outcome.
    pub outcome: ImportOutcome,
    /// The id of the created account.
    pub id: Option<UserId>,
    /// Why the line was refused: the error code of the single request.
    #[schema(example = "user_username_conflict")]
    pub code: Option<&'static str>,
    /// Why the line was refused, as text for people.
    pub detail: Option<String>,
    /// The invalid members of the line.
    pub errors: Vec<ImportFieldError>,
}

/// The outcome of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImportOutcome {
    /// The account was created.
    Created,
    /// The line was refused. Nothing was changed.
    Failed,
}

/// An invalid member of a line.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportError)]
pub struct ImportFieldError {
    /// The member, as a JSON pointer (RFC 6901).
    #[schema(example = "/username")]
    pointer: String,
    /// The code, as in the errors of the single request.
    #[schema(example = "too_short")]
    code: String,
    /// Why the line was refused, as text for people.
    detail: String,
}

impl ImportResult {
    /// The result of a line that has not been processed.
    pub const fn new(line: usize) -> Self {
        Self {
            line,
            username: None,
            external_id: None,
            outcome: ImportOutcome::Failed,
            id: None,
            code: None,
            detail: None,
            errors: Vec::new(),
        }
    }

    /// The result after the account was created.
    pub fn created(mut self, id: UserId) -> Self {
        self.outcome = ImportOutcome::Created;
        self.id = Some(id);
        self
    }

    /// The result after the line was refused.
    pub fn failed(mut self, error: &AppError) -> Self {
        let code: Code = error.code();
        self.code = Some(code.as_str());
        let detail = error.detail().unwrap_or_else(|| code.title());
        self.detail = Some(detail.to_owned());
        self.errors = error
            .field_errors()
            .iter()
            .map(ImportFieldError::from)
            .collect();
        self
    }
}

impl From<&FieldError> for ImportFieldError {
    fn from(error: &FieldError) -> Self {
        Self {
            pointer: error.pointer.to_string(),
            code: error.code.to_string(),
            detail: error.detail.to_string(),
        }
    }
}
