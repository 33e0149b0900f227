//! Proofs that a caller has a permission. A handler takes one as its first parameter and passes it to the service function,
//! so a handler that omits the check does not compile. Extracting a proof does not await anything, so 401
//! and 403 are returned before the body is read.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::audience::Audience;
use super::outcome::AuthenticationOutcome;
use super::resolve;
use crate::access::actor::{Actor, Authority, Identity};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::http::check_query;
use crate::platform::ids::{SessionId, UserId};

/// A permission that an operation requires.
pub trait Need: Send + 'static {
    /// The name in the catalogue.
    const PERMISSION: &'static str;
}

/// Permissions of which an operation requires one, depending on its body.
pub trait NeedAny: 'static {
    /// The names in the catalogue.
    const PERMISSIONS: &'static [&'static str];
}

/// One type for each built-in permission, for use in `Can<…>`.
pub mod needs {
    use super::{Need, NeedAny};

    macro_rules! needs {
        ($($name:ident = $permission:literal;)*) => {$(
            #[doc = concat!("`", $permission, "`")]
            #[derive(Debug)]
            pub struct $name;
            impl Need for $name {
                const PERMISSION: &'static str = $permission;
            }
        )*};
    }

    needs! {
        ReadUsers = "users.read";
        CreateUsers = "users.create";
        UpdateUsers = "users.update";
        DisableUsers = "users.disable";
        DeleteUsers = "users.delete";
        ManagePermissions = "users.managePermissions";
        ResetPasswords = "users.resetPassword";
        ReadSessions = "sessions.read";
        RevokeSessions = "sessions.revoke";
        ReadTokens = "tokens.read";
        ManageTokens = "tokens.manage";
        ReadRoles = "roles.read";
        ManageRoles = "roles.manage";
        ReadInvites = "invites.read";
        ManageInvites = "invites.manage";
        ReadClients = "clients.read";
        ManageClients = "clients.manage";
        ReadAudit = "audit.read";
    }

    /// The permissions for bulk operations on accounts.
    #[derive(Debug)]
    pub struct BulkUsers;

    impl NeedAny for BulkUsers {
        const PERMISSIONS: &'static [&'static str] = &[
            UpdateUsers::PERMISSION,
            DisableUsers::PERMISSION,
            DeleteUsers::PERMISSION,
            RevokeSessions::PERMISSION,
        ];
    }
}

/// Proof that the caller held the permission `N` when the request arrived.
pub struct Can<N: Need> {
    actor: Arc<Actor>,
    need: PhantomData<N>,
}

impl<N: Need> Can<N> {
    /// The proof for an actor that holds the permission. The operator and the system always do.
    ///
    /// # Errors
    /// [`Code::PermissionRequired`].
    pub fn prove(actor: Arc<Actor>) -> Result<Self, AppError> {
        if actor.authority.permissions.has(N::PERMISSION) {
            Ok(Self {
                actor,
                need: PhantomData,
            })
        } else {
            Err(AppError::new(Code::PermissionRequired)
                .with_detail(format!("This needs the permission {}.", N::PERMISSION)))
        }
    }

    /// The caller's authority *now*, in this transaction. Operations read it after taking their lock, so that a permission
    /// that was revoked while the request waited is not used.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] when the account or session has ended; [`Code::PermissionRequired`] when the permission was
    /// revoked.
    pub fn current_authority(&self, tx: &mut Tx<'_>) -> Result<Authority, AppError> {
        let authority = resolve::current_authority(tx, &self.actor)?;
        if authority.permissions.has(N::PERMISSION) {
            Ok(authority)
        } else {
            Err(Code::PermissionRequired.into())
        }
    }

    /// The actor.
    #[must_use]
    pub fn actor(&self) -> Arc<Actor> {
        Arc::clone(&self.actor)
    }
}

impl<N: Need> Clone for Can<N> {
    fn clone(&self) -> Self {
        Self {
            actor: Arc::clone(&self.actor),
            need: PhantomData,
        }
    }
}

impl<N: Need> Deref for Can<N> {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl<N: Need> FromRequest for Can<N> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let proof = caller(request).and_then(Self::prove);
        ready(proof.and_then(|proof| check_query(request).map(|()| proof)))
    }
}

/// Proof that the caller held one of several permissions when the request arrived. The one that the operation requires is
/// checked with [`Can::prove`] after the body is read.
pub struct CanAny<N: NeedAny> {
    actor: Arc<Actor>,
    needs: PhantomData<N>,
}

impl<N: NeedAny> CanAny<N> {
    /// The actor.
    #[must_use]
    pub fn actor(&self) -> Arc<Actor> {
        Arc::clone(&self.actor)
    }
}

impl<N: NeedAny> FromRequest for CanAny<N> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let holds_one = |actor: &Arc<Actor>| {
            N::PERMISSIONS
                .iter()
                .any(|name| actor.authority.permissions.has(name))
        };
        ready(caller(request).and_then(|actor| {
            if holds_one(&actor) {
                check_query(request)?;
                Ok(Self {
                    actor,
                    needs: PhantomData,
                })
            } else {
                let names = N::PERMISSIONS.join(", ");
                Err(AppError::new(Code::PermissionRequired)
                    .with_detail(format!("This needs one of the permissions {names}.")))
            }
        }))
    }
}

/// Proof that the caller has a session. For operations on the own account, which need no permission.
#[derive(Clone)]
pub struct SignedIn {
    actor: Arc<Actor>,
    /// The account.
    pub id: UserId,
    /// The session.
    pub session: SessionId,
}

impl SignedIn {
    fn prove(actor: Arc<Actor>) -> Result<Self, AppError> {
        match actor.identity {
            Identity::User { id, session } => Ok(Self { actor, id, session }),
            _ => Err(Code::AuthSessionRequired.into()),
        }
    }

    /// As [`Can::current_authority`].
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] when the account or session has ended.
    pub fn current_authority(&self, tx: &mut Tx<'_>) -> Result<Authority, AppError> {
        resolve::current_authority(tx, &self.actor)
    }
}

impl Deref for SignedIn {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl FromRequest for SignedIn {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let proof = caller(request).and_then(Self::prove);
        ready(proof.and_then(|proof| check_query(request).map(|()| proof)))
    }
}

/// Proof that the caller is authenticated: a person, a token or a service client. For operations about the caller only.
#[derive(Clone)]
pub struct AuthenticatedCaller(Arc<Actor>);

impl Deref for AuthenticatedCaller {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl FromRequest for AuthenticatedCaller {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let proof = caller(request).map(Self);
        ready(proof.and_then(|proof| check_query(request).map(|()| proof)))
    }
}

/// The holder of a valid token for any audience. Only for operations on the token itself, which neither show nor change
/// anything else; all others accept only tokens for the service.
pub struct TokenHolder {
    actor: Arc<Actor>,
    audience: Audience,
}

impl TokenHolder {
    /// The caller, if the token is for one of these audiences.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`].
    pub fn for_audience(self, accepted: &[Audience]) -> Result<AuthenticatedCaller, AppError> {
        if accepted.contains(&self.audience) {
            Ok(AuthenticatedCaller(self.actor))
        } else {
            Err(wrong_audience())
        }
    }

    /// The caller, whose token is of a session.
    ///
    /// # Errors
    /// [`Code::AuthSessionRequired`] for other tokens.
    pub fn signed_in(self) -> Result<SignedIn, AppError> {
        SignedIn::prove(self.actor)
    }
}

impl Deref for TokenHolder {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl FromRequest for TokenHolder {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let holder = token_holder(request);
        ready(holder.and_then(|holder| check_query(request).map(|()| holder)))
    }
}

fn token_holder(request: &HttpRequest) -> Result<TokenHolder, AppError> {
    let (actor, audience) = match request.extensions().get::<AuthenticationOutcome>() {
        Some(AuthenticationOutcome::Authenticated(actor)) => (Arc::clone(actor), Audience::Service),
        Some(AuthenticationOutcome::AuthenticatedForApp(actor, audience)) => {
            (Arc::clone(actor), audience.clone())
        }
        Some(AuthenticationOutcome::Rejected(code)) => return Err((*code).into()),
        None => return Err(Code::AuthRequired.into()),
    };
    Ok(TokenHolder { actor, audience })
}

/// The caller of a token for the service itself.
fn caller(request: &HttpRequest) -> Result<Arc<Actor>, AppError> {
    let caller = token_holder(request)?.for_audience(&[Audience::Service])?;
    Ok(caller.0)
}

fn wrong_audience() -> AppError {
    let detail = "The access token was issued for another audience (aud).";
    AppError::new(Code::AuthTokenInvalid).with_detail(detail)
}
