//! The result of the authentication middleware. Handlers read it through the types in `can`.

use std::sync::Arc;

use super::audience::Audience;
use crate::access::actor::Actor;
use crate::platform::error::Code;

/// The result of authenticating a request that has an `Authorization` header.
pub enum AuthenticationOutcome {
    /// The token is valid for the service itself.
    Authenticated(Arc<Actor>),
    /// The token is valid, but for an application. Only the few operations that take a `TokenHolder` accept it.
    AuthenticatedForApp(Arc<Actor>, Audience),
    /// The token is not valid. Handlers that need a caller answer with this code.
    Rejected(Code),
}
