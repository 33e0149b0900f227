//! What an import answers, a line for each line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::error::{AppError, Code, FieldError};
use crate::platform::ids::UserId;

/// What became of one line.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportResult {
    /// Which line, from 1.
    pub line: usize,
    /// What it calls the account, where it could be read.
    pub username: Option<String>,
    /// The id that the account had elsewhere.
    pub external_id: Option<String>,
    /// What came of it.
    pub outcome: ImportOutcome,
    /// The account that was made.
    pub id: Option<UserId>,
    /// Why it was refused: the code that the single call has.
    #[schema(example = "user_username_conflict")]
    pub code: Option<&'static str>,
    /// The same for a person.
    pub detail: Option<String>,
    /// What is wrong in the line, member by member.
    pub errors: Vec<ImportFault>,
}

/// What came of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImportOutcome {
    /// The account was made.
    Created,
    /// It was refused; nothing of it was done.
    Refused,
}

/// One thing that is wrong in a line.
#[derive(Serialize, ToSchema)]
pub struct ImportFault {
    /// Where, as a JSON pointer (RFC 6901).
    #[schema(example = "/username")]
    pointer: String,
    /// What, as in the errors of the single call.
    #[schema(example = "too_short")]
    code: String,
    /// The same for a person.
    detail: String,
}

impl ImportResult {
    /// The result of a line of which nothing is known yet.
    pub const fn of(line: usize) -> Self {
        Self {
            line,
            username: None,
            external_id: None,
            outcome: ImportOutcome::Refused,
            id: None,
            code: None,
            detail: None,
            errors: Vec::new(),
        }
    }

    /// The account was made.
    pub fn created(mut self, id: UserId) -> Self {
        self.outcome = ImportOutcome::Created;
        self.id = Some(id);
        self
    }

    /// It was refused.
    pub fn refused(mut self, why: &AppError) -> Self {
        let code: Code = why.code();
        self.code = Some(code.as_str());
        let detail = why.detail().unwrap_or_else(|| code.title());
        self.detail = Some(detail.to_owned());
        self.errors = why.field_errors().iter().map(ImportFault::from).collect();
        self
    }
}

impl From<&FieldError> for ImportFault {
    fn from(fault: &FieldError) -> Self {
        Self {
            pointer: fault.pointer.to_string(),
            code: fault.code.to_string(),
            detail: fault.detail.to_string(),
        }
    }
}
