//! A reset link as callers see it: whole when it is made, never again after that.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A link that was just made. The token is shown here and nowhere else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetLink {
    /// Good for one `POST /auth/reset-password`.
    #[schema(example = "rst_rst_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    pub token: String,
    /// `ROSTERD_RESET_URL` with the token in it.
    #[schema(
        example = "https://app.example.org/reset#rst_rst_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E"
    )]
    pub url: String,
    /// When it ends.
    pub expires_at_utc: DateTime<Utc>,
}

/// A link that nobody has used yet, without what would let one use it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenResetLink {
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it ends.
    pub expires_at_utc: DateTime<Utc>,
}
