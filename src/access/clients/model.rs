//! A service client as callers see it. Its secret is shown when it is made, and never again.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::ClientRow;
use crate::platform::http::Versioned;
use crate::platform::ids::ClientId;

/// A service client.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The same, as OAuth calls it: `client_id`. In access tokens `sub` is `client:` and this.
    pub client_id: ClientId,
    /// What it is called.
    #[schema(example = "media server")]
    pub name: String,
    /// What it may, sorted.
    pub permissions: Vec<String>,
    /// Whom it may manage: accounts that rank below it, and those of rank 0.
    pub rank: i32,
    /// Whether it can act.
    pub is_active: bool,
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at_utc: DateTime<Utc>,
    /// Since when it has its secret.
    pub secret_made_at_utc: DateTime<Utc>,
    /// When it was last active, to the minute.
    pub last_used_at_utc: Option<DateTime<Utc>>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

/// A client with a secret that was just made: it is shown here and nowhere else.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientWithSecret {
    /// What it authenticates with at `/oauth/token`.
    #[schema(example = "rst_cs_6f1VqGkY0uXbJ3mN8wQ2sT5zR7cL9dH4eA1iO6pBvCxWyE3kTn")]
    pub client_secret: String,
    /// The client.
    #[serde(flatten)]
    pub client: Client,
}

impl Versioned for Client {
    fn version(&self) -> i64 {
        self.version
    }
}

impl From<ClientRow> for Client {
    fn from(row: ClientRow) -> Self {
        Self {
            id: row.id,
            client_id: row.id,
            name: row.name,
            permissions: row.permissions,
            rank: row.rank,
            is_active: row.is_active,
            created_at_utc: row.created_at,
            updated_at_utc: row.updated_at,
            secret_made_at_utc: row.secret_created_at,
            last_used_at_utc: row.last_used_at,
            version: row.version,
        }
    }
}
