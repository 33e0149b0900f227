//! Endpoints for service clients.

use std::sync::Arc;

use actix_web::{delete, get, patch, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::{Client, ClientWithSecret};
use super::service::{self, ClientPatch, NewClient};
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::IdempotentRequest;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, IdempotencyKey, IfMatch, Json, Page, PageQuery, PagedList, Query, Reply,
};
use crate::platform::ids::ClientId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_clients)
        .service(create_client)
        .service(get_client)
        .service(update_client)
        .service(delete_client)
        .service(rotate_client_secret);
}

/// List service clients.
///
/// Needs `clients.read`. The newest first.
#[utoipa::path(
    operation_id = "listClients", tag = "clients", params(PageQuery),
    responses((status = 200, description = "A page of clients.", body = Page<Client>))
)]
#[get("/api/v1/clients")]
async fn list_clients(
    _caller: Can<needs::ReadClients>,
    app: State,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let list = PagedList::new(&app.cursors, "clients".to_owned(), query.into_inner());
    let (after, limit, count) = (list.after()?, list.query_limit(), list.count());
    let found = app
        .db
        .read(move |tx| service::list(tx, after, limit, count))
        .await?;
    list.reply(found, |last: &Client| last.id)
}

/// Create a service client.
///
/// Needs `clients.manage`, a higher rank than the client (unless its rank is 0), and all of its permissions. The secret is
/// shown once. The client remains when its creator is deleted.
#[utoipa::path(
    operation_id = "createClient", tag = "clients", request_body = NewClient,
    responses((status = 201, description = "Created. The secret is not shown again.", body = Data<ClientWithSecret>))
)]
#[post("/api/v1/clients")]
async fn create_client(
    caller: Can<needs::ManageClients>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewClient>,
) -> Result<Reply, AppError> {
    let request = IdempotentRequest::new(&app.vault, "createClient", key, &body.raw);
    let draft = Arc::new(body.into_inner().check()?);
    let authorized = Arc::clone(&draft);
    let authorize = move |tx: &mut Tx<'_>, caller: &Can<_>| {
        service::authorize_creation(tx, caller, &authorized).map(drop)
    };
    request
        .run_with_secret(&app.db, caller, authorize, move |tx, caller| {
            let created = service::create(tx, caller, &draft)?;
            let id = created.client.id;
            let reply = Reply::created(format!("/api/v1/clients/{id}"), &created)?;
            Ok((reply, Some(id.0)))
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
    _caller: Can<needs::ReadClients>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    let client = app.db.read(move |tx| service::show(tx, id)).await?;
    Reply::resource(&client)
}

/// Change a service client.
///
/// Needs `clients.manage` and a higher rank than the client. A client cannot change itself. The body is a merge patch:
/// absent members stay, a value sets. The change takes effect at the client's next request. Disabling the client ends its
/// access tokens permanently. More permissions or a higher rank: 409 `client_secret_known` unless the secret was shown to this
/// caller: the same user in a session, with the password unchanged since, the same personal access token, or the same client with
/// an unchanged secret. Otherwise rotate the secret first.
#[utoipa::path(
    operation_id = "updateClient", tag = "clients", params(("id" = ClientId, Path)), request_body = ClientPatch,
    responses((status = 200, description = "The client after the change.", body = Data<Client>))
)]
#[patch("/api/v1/clients/{id}")]
async fn update_client(
    caller: Can<needs::ManageClients>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Json<ClientPatch>,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    let change = body.into_inner().check()?;
    let client = app
        .db
        .write(move |tx| service::update(tx, &caller, id, &change, &if_match))
        .await?;
    Reply::resource(&client)
}

/// Delete a service client.
///
/// Needs `clients.manage` and a higher rank than the client. Its access tokens end at once.
#[utoipa::path(
    operation_id = "deleteClient", tag = "clients", params(("id" = ClientId, Path)),
    responses((status = 204, description = "The client has been deleted."))
)]
#[delete("/api/v1/clients/{id}")]
async fn delete_client(
    caller: Can<needs::ManageClients>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    app.db
        .write(move |tx| service::delete(tx, &caller, id, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// Rotate the secret of a service client.
///
/// Needs `clients.manage`, a higher rank than the client, and all of its permissions. The old secret and the access tokens
/// that were issued with it end at once. The new secret is shown once.
#[utoipa::path(
    operation_id = "rotateClientSecret", tag = "clients", params(("id" = ClientId, Path)),
    responses((status = 200, description = "The client with its new secret.", body = Data<ClientWithSecret>))
)]
#[post("/api/v1/clients/{id}/rotate-secret")]
async fn rotate_client_secret(
    caller: Can<needs::ManageClients>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = ClientId::from_path(&id);
    let client = app
        .db
        .write(move |tx| service::rotate_secret(tx, &caller, id, &if_match))
        .await?;
    Reply::ok(&client)
}
