//! Invites over HTTP. Nothing is ever used up by GET or HEAD, so a scanner that follows a link does no harm.

use actix_web::{delete, get, post, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::NewInvite;
use super::model::{Invite, InviteWithToken};
use super::service;
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::{self, Ask};
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, Json, Limit, Noted, Page, Params, Query, Reply,
};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_invite)
        .service(list_invites)
        .service(get_invite)
        .service(revoke_invite);
}

/// Make an invite.
///
/// Needs `invites.manage`, and for what it gives the same as making an account that has it. It stops being good when
/// whoever made it loses the right to give that, is disabled or deleted. Token and URL are shown once.
#[utoipa::path(
    operation_id = "createInvite", tag = "invites", request_body = NewInvite,
    responses((status = 201, description = "Made; the token is shown once.", body = Data<InviteWithToken>))
)]
#[post("/api/v1/invites")]
async fn create_invite(
    by: Can<needs::ManageInvites>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewInvite>,
) -> Result<Reply, AppError> {
    let ask = Ask::new(&app.vault, "createInvite", key.0, &body.raw);
    let draft = body.into_inner().check()?;
    let (vault, page) = (app.vault.clone(), app.invite_page.clone());
    app.db
        .write(move |tx| {
            idempotency::once(tx, &vault, &by, &ask, |tx| {
                let fresh = service::create(tx, &by, &page, &draft)?;
                let location = format!("/api/v1/invites/{}", fresh.invite.id);
                Ok((Reply::created(location, &fresh)?, None))
            })
        })
        .await
}

/// Which page of the invites.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListRequest {
    /// How many on a page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Limit,
    /// `page.next` of the page before.
    cursor: Option<String>,
    /// Whether `page.total` is wanted.
    #[param(required = false, default = false)]
    count: bool,
}

impl FromQuery for ListRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        Ok(Self {
            limit: Limit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List the invites, the newest first.
///
/// Needs `invites.read`. Revoked, expired and used up ones are among them, until three months after their end.
#[utoipa::path(
    operation_id = "listInvites", tag = "invites", params(ListRequest),
    responses((status = 200, description = "One page.", body = Page<Invite>))
)]
#[get("/api/v1/invites")]
async fn list_invites(
    _by: Can<needs::ReadInvites>,
    app: State,
    query: Query<ListRequest>,
) -> Result<Reply, AppError> {
    const CONTEXT: &str = "invites";
    let ListRequest {
        limit,
        cursor,
        count,
    } = query.into_inner();
    let after = cursor
        .map(|cursor| app.cursors.decode(CONTEXT, &cursor))
        .transpose()?;
    let (invites, total) = app
        .db
        .read(move |tx| service::list(tx, after, limit.rows(), count))
        .await?;
    let cursor = |last: &Invite| app.cursors.encode(CONTEXT, &last.id);
    Reply::page(&Page::of(invites, limit, cursor)?.counted(total))
}

/// Show an invite.
///
/// Needs `invites.read`. It is named by its id or by its token.
#[utoipa::path(
    operation_id = "getInvite", tag = "invites", params(("idOrToken" = String, Path)),
    responses((status = 200, description = "The invite.", body = Data<Invite>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/invites/{idOrToken}")]
async fn get_invite(
    _by: Can<needs::ReadInvites>,
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
/// Needs `invites.manage`. It is named by its id or by its token and stays in the list; accounts that were made with it
/// stay as they are.
#[utoipa::path(
    operation_id = "revokeInvite", tag = "invites", params(("idOrToken" = String, Path)),
    responses((status = 204, description = "It is good for nothing any more."))
)]
#[delete("/api/v1/invites/{idOrToken}")]
async fn revoke_invite(
    by: Can<needs::ManageInvites>,
    app: State,
    id_or_token: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    app.db
        .write(move |tx| service::revoke(tx, &by, &id_or_token, &expected))
        .await?;
    Ok(Reply::no_content())
}
