//! The validation of a new account, and the hash of its password.

use crate::access::passwords::{Password, PasswordHash};
use crate::accounts::users::{self, NewUser, ValidatedUser};
use crate::app_state::AppState;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// Validates a new account and hashes its password.
///
/// # Errors
/// When a field, the password, the role or a permission is invalid, with all errors; when too many hashes are waiting.
pub async fn validate_new_user(
    app: &AppState,
    request: NewUser,
) -> Result<(ValidatedUser, Option<PasswordHash>), AppError> {
    let (role, permissions) = (request.role.clone(), request.permissions.clone());
    let names = (&*request.username, request.email.as_deref());
    let policy_result = match &request.password {
        Some(password) => app.passwords.check_policy(names, password, "/password"),
        None => Ok(()),
    };
    match AppError::both(request.check(), policy_result) {
        Ok(((draft, password), ())) => {
            let hash = hash_initial_password(app, &draft, password).await?;
            Ok((draft, hash))
        }
        Err(error) => {
            let check_names =
                move |tx: &mut Tx<'_>| users::service::check_names(tx, &role, &permissions);
            let names_result = app.db.read(check_names).await;
            AppError::both(Err(error), names_result).map(|(valid, _)| valid)
        }
    }
}

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
