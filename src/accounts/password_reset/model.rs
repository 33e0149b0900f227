//! Reset links as the API returns them. The token is returned only when the link is created.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A new reset link. The token is not shown again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetLink {
    /// Valid for one `POST /auth/reset-password`.
    #[schema(example = "rst_rst_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    pub token: String,
    /// `ROSTERD_RESET_URL` with the token.
    #[schema(
        example = "https://app.example.org/reset#rst_rst_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E"
    )]
    pub url: String,
    /// When it expires.
    pub expires_at_utc: DateTime<Utc>,
}

/// An unused reset link, without its token.
#[derive(Serialize, ToSchema)]
#[schema(as = PendingResetLink)]
#[serde(rename_all = "camelCase")]
pub struct UnusedResetLink {
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it expires.
    pub expires_at_utc: DateTime<Utc>,
}
