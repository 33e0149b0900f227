//! Endpoints for invites. GET and HEAD never use up an invite, so that link scanners do no harm.

use std::sync::Arc;

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::NewInvite;
use super::model::{Invite, InviteWithToken};
use super::service;
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::IdempotentRequest;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, IdempotencyKey, IfMatch, Json, Page, PageQuery, PagedList, Query, Reply,
};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_invite)
        .service(list_invites)
        .service(get_invite)
        .service(revoke_invite);
}

/// Create an invite.
///
/// Needs `invites.manage`, and the authority to create an account with the same role and permissions. The invite becomes
/// invalid when its creator loses this authority, or is disabled or deleted. Token and URL are shown once. While registration
/// is closed, `warning` says that the invite cannot be used.
#[utoipa::path(
    operation_id = "createInvite", tag = "invites", request_body = NewInvite,
    responses((status = 201, description = "Created. The token is not shown again.", body = Data<InviteWithToken>))
)]
#[post("/api/v1/invites")]
async fn create_invite(
    caller: Can<needs::ManageInvites>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewInvite>,
) -> Result<Reply, AppError> {
    let request = IdempotentRequest::new(&app.vault, "createInvite", key, &body.raw);
    let draft = Arc::new(body.into_inner().check()?);
    let authorized = Arc::clone(&draft);
    let authorize = move |tx: &mut Tx<'_>, caller: &Can<_>| {
        service::authorize_creation(tx, caller, &authorized).map(drop)
    };
    let invite_url = app.invite_url.clone();
    let warning = service::closed_warning(app.registration.mode);
    request
        .run_with_secret(&app.db, caller, authorize, move |tx, caller| {
            let mut created = service::create(tx, caller, &invite_url, &draft)?;
            created.warning = warning;
            let location = format!("/api/v1/invites/{}", created.invite.id);
            Ok((Reply::created(location, &created)?, None))
        })
        .await
}

/// List invites.
///
/// Newest first. Needs `invites.read`. Includes revoked, expired and exhausted invites for 90 days after their expiry.
#[utoipa::path(
    operation_id = "listInvites", tag = "invites", params(PageQuery),
    responses((status = 200, description = "One page of invites.", body = Page<Invite>))
)]
#[get("/api/v1/invites")]
async fn list_invites(
    _caller: Can<needs::ReadInvites>,
    app: State,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let list = PagedList::new(&app.cursors, "invites".to_owned(), query.into_inner());
    let (after, limit, count) = (list.after()?, list.query_limit(), list.count());
    let found = app
        .db
        .read(move |tx| service::list(tx, after, limit, count))
        .await?;
    list.reply(found, |last: &Invite| last.id)
}

/// Show an invite.
///
/// Needs `invites.read`. The invite is identified by its id or its token.
#[utoipa::path(
    operation_id = "getInvite", tag = "invites", params(("idOrToken" = String, Path)),
    responses((status = 200, description = "The invite.", body = Data<Invite>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/invites/{idOrToken}")]
async fn get_invite(
    _caller: Can<needs::ReadInvites>,
    app: State,
    id_or_token: web::Path<String>,
) -> Result<Reply, AppError> {
    let invite = app
        .db
        .read(move |tx| service::show(tx, &id_or_token))
        .await?;
    Reply::resource(&invite)
}

/// Revoke an invite.
///
/// Needs `invites.manage`. The invite is identified by its id or its token, and stays in the list. Accounts that were
/// created with it are not affected.
#[utoipa::path(
    operation_id = "revokeInvite", tag = "invites", params(("idOrToken" = String, Path)),
    responses((status = 204, description = "The invite can no longer be used."))
)]
#[delete("/api/v1/invites/{idOrToken}")]
async fn revoke_invite(
    caller: Can<needs::ManageInvites>,
    app: State,
    id_or_token: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    app.db
        .write(move |tx| service::revoke(tx, &caller, &id_or_token, &if_match))
        .await?;
    Ok(Reply::no_content())
}
