//! The HTTP endpoint of the revocation feed.

use actix_web::get;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::Revocation;
use super::service;
use crate::access::authentication::AuthenticatedCaller;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, InvalidQuery, Page, PageLimit, Query, QueryReader, Reply};

/// Identifies the cursors of this list.
const CURSOR_CONTEXT: &str = "revocations";

/// Registers the routes and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_revocations);
}

/// The position in the feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct FeedQuery {
    /// `page.next` of the previous response. If absent, the feed starts with the oldest entry.
    after: Option<String>,
    /// The maximum number of entries.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: PageLimit,
}

impl FromQuery for FeedQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            after: params.take("after"),
            limit: PageLimit::take(params),
        })
    }
}

/// List revoked access tokens.
///
/// For every authenticated caller, in particular service clients that verify access tokens offline. Reject a token that has
/// the `sid`, `sub` or `role` of an entry and an `iat` less than its `notBefore`, and a token whose header has the `kid` of an
/// entry. Poll every few seconds with `page.next`, which is never `null`. Fewer entries than `limit` means that there are no
/// more at present. No entry is skipped, and an entry can be repeated while a transaction that began before it is open. The
/// reader knows every revocation that was answered before `page.completeUntilUtc`. If an open transaction prevents progress,
/// the response is 503. Entries are kept for longer than the lifetime of an access token.
#[utoipa::path(
    operation_id = "listRevocations", tag = "auth", params(FeedQuery),
    responses((status = 200, description = "The entries after the position.", body = Page<Revocation>))
)]
#[get("/api/v1/auth/revocations")]
async fn list_revocations(
    _caller: AuthenticatedCaller,
    app: State,
    query: Query<FeedQuery>,
) -> Result<Reply, AppError> {
    let FeedQuery { after, limit } = query.into_inner();
    let decode = |cursor: String| app.cursors.decode_at("?after", CURSOR_CONTEXT, &cursor);
    let position = after.map(decode).transpose()?.unwrap_or_default();
    let read = app
        .db
        .read(move |tx| service::list_after(tx, position, limit.get()));
    let feed = read.await?;
    let next = app.cursors.encode(CURSOR_CONTEXT, &feed.next)?;
    let page = Page::unbounded(feed.entries, limit, next);
    Reply::page(&page.with_complete_until(feed.complete_until))
}
