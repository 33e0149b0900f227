//! Service clients over HTTP.

use actix_web::{delete, get, patch, post, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::{Client, ClientWithSecret};
use super::service::{self, ClientPatch, NewClient};
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::{self, IdempotentRequest};
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, Json, PageLimit, InvalidQuery, Page, QueryParams, Query, Reply,
};
use crate::platform::ids::ClientId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_clients)
        .service(create_client)
        .service(get_client)
        .service(update_client)
        .service(delete_client)
        .service(rotate_client_secret);
}

/// Which page of the clients.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListRequest {
    /// How many on a page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: PageLimit,
    /// `page.next` of the page before.
    cursor: Option<String>,
    /// Whether `page.total` is wanted.
    #[param(required = false, default = false)]
    count: bool,
}

impl FromQuery for ListRequest {
    fn from_query(params: &mut QueryParams<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            limit: PageLimit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List the service clients, the newest first.
///
/// Needs `clients.read`.
#[utoipa::path(
    operation_id = "listClients", tag = "clients", params(ListRequest),
    responses((status = 200, description = "One page.", body = Page<Client>))
)]
#[get("/api/v1/clients")]
async fn list_clients(
    _by: Can<needs::ReadClients>,
    app: State,
    query: Query<ListRequest>,
) -> Result<Reply, AppError> {
    const CONTEXT: &str = "clients";
    let ListRequest {
        limit,
        cursor,
        count,
    } = query.into_inner();
    let after = cursor
        .map(|cursor| app.cursors.decode(CONTEXT, &cursor))
        .transpose()?;
    let (clients, total) = app
        .db
        .read(move |tx| service::list(tx, after, limit.query_limit(), count))
        .await?;
    let cursor = |last: &Client| app.cursors.encode(CONTEXT, &last.id);
    Reply::page(&Page::from_rows(clients, limit, cursor)?.with_total(total))
}

/// Make a service client.
///
/// Needs `clients.manage`. The caller holds everything that it may, and ranks above it (rank 0 is anybody's to make). The
/// secret is shown once. The client stays when the account that made it goes.
#[utoipa::path(
    operation_id = "createClient", tag = "clients", request_body = NewClient,
    responses((status = 201, description = "Made; `clientSecret` is shown once.", body = Data<ClientWithSecret>))
)]
#[post("/api/v1/clients")]
async fn create_client(
    by: Can<needs::ManageClients>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewClient>,
) -> Result<Reply, AppError> {
    let ask = IdempotentRequest::new(&app.vault, "createClient", key.0, &body.raw);
    let draft = body.into_inner().check()?;
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            idempotency::run_once(tx, &vault, &by, &ask, |tx| {
                let made = service::create(tx, &by, &draft)?;
                let id = made.client.id;
                let reply = Reply::created(format!("/api/v1/clients/{id}"), &made)?;
                Ok((reply, Some(id.0)))
            })
        })
        .await
}

/// Show a service client.
///
/// Needs `clients.read`.
#[utoipa::path(
    operation_id = "getClient", tag = "clients", params(("id" = ClientId, Path)),
    responses((status = 200, description = "The client.", body = Data<Client>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/clients/{id}")]
async fn get_client(
    _by: Can<needs::ReadClients>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    let client = app.db.read(move |tx| service::show(tx, id)).await?;
    Reply::resource(&client)
}

/// Change a service client.
///
/// Needs `clients.manage` and a rank above the client's; no client changes itself. A merge patch: absent keeps, a value sets.
/// It feels the change at its next request. Switched off, its access tokens are dead for good.
#[utoipa::path(
    operation_id = "updateClient", tag = "clients", params(("id" = ClientId, Path)), request_body = ClientPatch,
    responses((status = 200, description = "The client as it is now.", body = Data<Client>))
)]
#[patch("/api/v1/clients/{id}")]
async fn update_client(
    by: Can<needs::ManageClients>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<ClientPatch>,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    let change = body.into_inner().check()?;
    let client = app
        .db
        .write(move |tx| service::update(tx, &by, id, &change, &expected))
        .await?;
    Reply::resource(&client)
}

/// Delete a service client.
///
/// Needs `clients.manage` and a rank above the client's. Its access tokens are dead at once.
#[utoipa::path(
    operation_id = "deleteClient", tag = "clients", params(("id" = ClientId, Path)),
    responses((status = 204, description = "Gone."))
)]
#[delete("/api/v1/clients/{id}")]
async fn delete_client(
    by: Can<needs::ManageClients>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    app.db
        .write(move |tx| service::delete(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Give a service client another secret.
///
/// Needs `clients.manage`, a rank above the client's and every permission that it has. The old secret, and the access tokens
/// that were had with it, are dead at once. The new one is shown once.
#[utoipa::path(
    operation_id = "rotateClientSecret", tag = "clients", params(("id" = ClientId, Path)),
    responses((status = 200, description = "The client with its new secret.", body = Data<ClientWithSecret>))
)]
#[post("/api/v1/clients/{id}/rotate-secret")]
async fn rotate_client_secret(
    by: Can<needs::ManageClients>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    let made = app
        .db
        .write(move |tx| service::rotate_secret(tx, &by, id, &expected))
        .await?;
    Reply::ok(&made)
}
