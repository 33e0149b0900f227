//! The result of one check.

use serde::Serialize;

use crate::cli::output::{Column, TableRow};

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Ok,
    Warning,
    Wrong,
}

/// One line of the output.
#[derive(Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    check: &'static str,
    detail: String,
}

impl Finding {
    pub fn new(check: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            check,
            detail: detail.into(),
        }
    }
}

impl TableRow for Finding {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("verdict", "", |finding| match finding.verdict {
            Verdict::Ok => "ok".into(),
            Verdict::Warning => "warning".into(),
            Verdict::Wrong => "WRONG".into(),
        }),
        Column::shown("check", "CHECK", |finding| finding.check.into()),
        Column::shown("detail", "FOUND", |finding| (&finding.detail).into()),
    ];
}
