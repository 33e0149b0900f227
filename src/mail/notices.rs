//! Notices to owners about changes of their account. Operations record them in their transaction, also at the command line,
//! which sends no mail; the mail worker turns them into messages. Without a mail server they are deleted after a day.

use serde::{Deserialize, Serialize};

use super::store::{self, NoticeRow};
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::{MailId, UserId};

/// What an owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// A sign-in on a device and from an address that the account did not use recently.
    NewDevice,
    /// The password was changed or removed.
    PasswordChanged,
    /// A personal access token was created.
    TokenCreated,
    /// A second factor was removed.
    SecondFactorRemoved,
    /// The email address was changed or removed. Sent to the previous address.
    EmailChanged,
    /// Another email address was requested with the password. It is not confirmed yet.
    EmailChangeRequested,
}

impl Notice {
    const ALL: [Self; 6] = [
        Self::NewDevice,
        Self::PasswordChanged,
        Self::TokenCreated,
        Self::SecondFactorRemoved,
        Self::EmailChanged,
        Self::EmailChangeRequested,
    ];

    /// The stored form.
    const fn as_str(self) -> &'static str {
        match self {
            Self::NewDevice => "new_device",
            Self::PasswordChanged => "password_changed",
            Self::TokenCreated => "token_created",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::EmailChanged => "email_changed",
            Self::EmailChangeRequested => "email_change_requested",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == text)
    }
}

/// Records a notice to the confirmed address that the account has when the message is sent.
///
/// # Errors
/// Database errors.
pub fn record(tx: &mut Tx<'_>, user: UserId, notice: Notice) -> Result<(), AppError> {
    insert(tx, user, notice, None)
}

/// Records a notice to the previous address of an account.
///
/// # Errors
/// Database errors.
pub fn record_email_changed(tx: &mut Tx<'_>, user: UserId, previous: &str) -> Result<(), AppError> {
    insert(tx, user, Notice::EmailChanged, Some(previous.to_owned()))
}

fn insert(
    tx: &mut Tx<'_>,
    user_id: UserId,
    notice: Notice,
    email: Option<String>,
) -> Result<(), AppError> {
    let row = NoticeRow {
        id: MailId::new(tx.now),
        user_id,
        kind: notice.as_str().to_owned(),
        email,
        created_at: tx.now,
    };
    store::insert_notice(tx.conn, &row)?;
    Ok(())
}

/// The oldest notices, which are removed. Repeated notices to the same owner are returned once.
pub(super) fn take(tx: &mut Tx<'_>) -> Result<Vec<(UserId, Notice, Option<String>)>, AppError> {
    let mut notices = Vec::new();
    for row in store::take_notices(tx.conn)? {
        if let Some(notice) = Notice::parse(&row.kind) {
            let entry = (row.user_id, notice, row.email);
            if !notices.contains(&entry) {
                notices.push(entry);
            }
        }
    }
    Ok(notices)
}
