//! The query parameter with which signing out everywhere also ends personal access tokens.

use utoipa::IntoParams;

use crate::access::tokens::PersonalTokens;
use crate::platform::http::{FromQuery, InvalidQuery, QueryReader};

/// The query parameters of signing out everywhere.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignOutQuery {
    /// Whether the personal access tokens of the account end too.
    #[param(required = false, default = false)]
    tokens: bool,
}

impl SignOutQuery {
    /// What happens to the personal access tokens.
    #[must_use]
    pub const fn personal_tokens(&self) -> PersonalTokens {
        PersonalTokens::end_if(self.tokens)
    }
}

impl FromQuery for SignOutQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            tokens: params.take("tokens").unwrap_or_default(),
        })
    }
}
