//! The feed of revocations over HTTP.

use actix_web::get;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::Revocation;
use super::service;
use crate::access::authentication::AuthenticatedCaller;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, Limit, Noted, Page, PageInfo, Params, Query, Reply};

/// Mounts and documents it.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_revocations);
}

/// Where to go on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct FeedRequest {
    /// `page.next` of the answer before; without it the feed begins with all that an access token can still be about.
    after: Option<String>,
    /// How many at once.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Limit,
}

impl FromQuery for FeedRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        Ok(Self {
            after: params.take("after"),
            limit: Limit::take(params),
        })
    }
}

/// Read which access tokens are good no more.
///
/// For every caller whose token is good, a service client above all: an app that verifies access tokens by itself and knows
/// this feed refuses what the service refuses. Refuse a token that has the `sid`, `sub` or `role` of a line and an `iat`
/// below its `notBefore`. Ask again every few seconds with `page.next`, which is never `null`; fewer lines than `limit` means
/// that there are no more now. None is skipped: a line appears when every transaction that began before its own has ended. Each is
/// kept for longer than an access token lives.
#[utoipa::path(
    operation_id = "listRevocations", tag = "auth", params(FeedRequest),
    responses((status = 200, description = "What comes next.", body = Page<Revocation>))
)]
#[get("/api/v1/auth/revocations")]
async fn list_revocations(
    _by: AuthenticatedCaller,
    app: State,
    query: Query<FeedRequest>,
) -> Result<Reply, AppError> {
    const CONTEXT: &str = "revocations";
    let FeedRequest { after, limit } = query.into_inner();
    let position = after
        .map(|cursor| app.cursors.decode_at("?after", CONTEXT, &cursor))
        .transpose()?
        .unwrap_or_default();
    let (data, next) = app
        .db
        .read(move |tx| service::after(tx, position, limit.get()))
        .await?;
    let page = PageInfo {
        next: Some(app.cursors.encode(CONTEXT, &next)?),
        limit,
        total: None,
    };
    Reply::page(&Page { data, page })
}
