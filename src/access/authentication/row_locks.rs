//! Locks the rows that the authority of principals consists of, until the transaction ends. All operations take the locks in
//! the order that `docs/architecture.md` documents, which prevents deadlocks.

use super::read_model;
pub use super::read_model::RowLock;
use crate::access::actor::{Actor, Creator, Principal};
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// Locks the rows of these accounts and service clients: accounts first, each in the order of their ids. A principal that is
/// named twice is locked once, exclusively if that is asked for.
///
/// # Errors
/// Database errors.
pub fn lock_principals(
    tx: &mut Tx<'_>,
    principals: impl IntoIterator<Item = (Principal, RowLock)>,
) -> Result<(), AppError> {
    let mut ordered: Vec<(Principal, RowLock)> = principals.into_iter().collect();
    ordered.sort_by_key(|(principal, lock)| {
        let is_client = matches!(principal, Principal::Client(_));
        (is_client, principal.id(), *lock)
    });
    ordered.dedup_by_key(|(principal, _)| *principal);
    for (principal, lock) in ordered {
        match principal {
            Principal::User(id) => read_model::lock_account(tx.conn, id, lock)?,
            Principal::Client(id) => read_model::lock_client(tx.conn, id, lock)?,
        }
    }
    Ok(())
}

/// Locks the roles of these accounts in shared mode, for an operation without the lock on
/// [`Invariant::Authority`](crate::platform::db::advisory_lock::Invariant::Authority). The accounts are locked already.
///
/// # Errors
/// Database errors.
pub fn lock_roles_of(
    tx: &mut Tx<'_>,
    principals: impl IntoIterator<Item = Principal>,
) -> Result<(), AppError> {
    let accounts: Vec<_> = principals
        .into_iter()
        .filter_map(|principal| match principal {
            Principal::User(id) => Some(id),
            Principal::Client(_) => None,
        })
        .collect();
    if !accounts.is_empty() {
        read_model::lock_roles_of_accounts(tx.conn, &accounts)?;
    }
    Ok(())
}

/// Locks the row of the caller in shared mode.
///
/// # Errors
/// Database errors.
pub fn lock_caller(tx: &mut Tx<'_>, caller: &Actor) -> Result<(), AppError> {
    let principal = Principal::of(&caller.identity);
    lock_principals(tx, principal.map(|principal| (principal, RowLock::Shared)))
}

/// The account or service client whose authority the creator of a credential has. `None` for the owner of the credential, the
/// operator, and a token that no longer exists.
///
/// # Errors
/// Database errors.
pub fn principal_of_creator(
    tx: &mut Tx<'_>,
    creator: Creator,
) -> Result<Option<Principal>, AppError> {
    Ok(match creator {
        Creator::Owner | Creator::Withdrawn | Creator::Operator => None,
        Creator::User(id) => Some(Principal::User(id)),
        Creator::Client(id) => Some(Principal::Client(id)),
        Creator::Token(id) => {
            read_model::find_token(tx.conn, id)?.map(|(_, account, _)| Principal::User(account.id))
        }
    })
}
