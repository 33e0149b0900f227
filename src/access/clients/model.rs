//! Service clients as the API shows them. The secret is only shown when it is created.

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
    /// The client's id.
    pub id: ClientId,
    /// The same id under its OAuth name. The `sub` claim of access tokens is `client:` and this id.
    pub client_id: ClientId,
    /// The name.
    #[schema(example = "media server")]
    pub name: String,
    /// The permissions, sorted.
    pub permissions: Vec<String>,
    /// The rank. The client can manage accounts that rank below it or have rank 0.
    pub rank: i32,
    /// Whether the client is enabled. Disabling it ends its access tokens, and it cannot get new ones.
    pub is_active: bool,
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at_utc: DateTime<Utc>,
    /// When its current secret was created.
    pub secret_made_at_utc: DateTime<Utc>,
    /// When it was last used, with a resolution of one minute.
    pub last_used_at_utc: Option<DateTime<Utc>>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

/// A service client with a secret that was just created. The secret is not shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedClient)]
pub struct ClientWithSecret {
    /// The secret, for authentication at `/oauth/token`.
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
