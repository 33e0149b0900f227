//! The password hash of a new account.

use crate::access::passwords::{Password, PasswordHash};
use crate::accounts::users::ValidatedUser;
use crate::app_state::AppState;
use crate::platform::error::AppError;

/// Validates the password of a new account and hashes it. `None`: the account gets no password.
///
/// # Errors
/// When the password does not meet the policy, at `/password`; when too many hashes are waiting.
pub async fn hash_initial_password(
    app: &AppState,
    draft: &ValidatedUser,
    password: Option<Password>,
) -> Result<Option<PasswordHash>, AppError> {
    let Some(password) = password else {
        return Ok(None);
    };
    app.passwords
        .validate_and_hash(&app.db, draft.password_owner(), password, "/password")
        .await
        .map(Some)
}
