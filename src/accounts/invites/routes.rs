//! Endpoints for invites. GET and HEAD never use up an invite, so that link scanners do no harm.

use actix_web::{delete, get, post, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::NewInvite;
use super::model::{Invite, InviteWithToken};
use super::service;
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::{self, IdempotentRequest};
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, InvalidQuery, Json, Page, PageLimit, Query,
    QueryReader, Reply,
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
/// invalid when its creator loses this authority, or is disabled or deleted. Token and URL are shown once.
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
    let request = IdempotentRequest::new(&app.vault, "createInvite", key.0, &body.raw);
    let draft = body.into_inner().check()?;
    let (vault, invite_url) = (app.vault.clone(), app.invite_url.clone());
    app.db
        .write(move |tx| {
            idempotency::run_once(tx, &vault, &caller, &request, |tx| {
                let created = service::create(tx, &caller, &invite_url, &draft)?;
                let location = format!("/api/v1/invites/{}", created.invite.id);
                Ok((Reply::created(location, &created)?, None))
            })
        })
        .await
}

/// The query parameters of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListInvitesParams {
    /// The maximum number of items per page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: PageLimit,
    /// `page.next` of the previous page.
    cursor: Option<String>,
    /// Whether to return `page.total`.
    #[param(required = false, default = false)]
    count: bool,
}

impl FromQuery for ListInvitesParams {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            limit: PageLimit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List invites.
///
/// Newest first. Needs `invites.read`. Includes revoked, expired and exhausted invites for 90 days after their expiry.
#[utoipa::path(
    operation_id = "listInvites", tag = "invites", params(ListInvitesParams),
    responses((status = 200, description = "One page of invites.", body = Page<Invite>))
)]
#[get("/api/v1/invites")]
async fn list_invites(
    _caller: Can<needs::ReadInvites>,
    app: State,
    query: Query<ListInvitesParams>,
) -> Result<Reply, AppError> {
    const CURSOR_CONTEXT: &str = "invites";
    let ListInvitesParams {
        limit,
        cursor,
        count,
    } = query.into_inner();
    let after = cursor
        .map(|cursor| app.cursors.decode(CURSOR_CONTEXT, &cursor))
        .transpose()?;
    let (invites, total) = app
        .db
        .read(move |tx| service::list(tx, after, limit.query_limit(), count))
        .await?;
    let cursor = |last: &Invite| app.cursors.encode(CURSOR_CONTEXT, &last.id);
    Reply::page(&Page::from_rows(invites, limit, cursor)?.with_total(total))
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
