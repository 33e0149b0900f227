//! Lists of accounts over HTTP.

use actix_web::get;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::policy::{Filter, Sort};
use super::service;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::User;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, Limit, Noted, Page, Params, Query, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_users);
}

/// Which accounts, in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; ListRequest reads them")]
struct ListParams {
    /// Part of the username, display name or email address.
    query: Option<String>,
    /// This username.
    username: Option<String>,
    /// This email address, without regard to case.
    email: Option<String>,
    /// An email address in this domain, without regard to case.
    #[param(rename = "emailDomain")]
    email_domain: Option<String>,
    /// This role.
    role: Option<String>,
    /// This active state.
    #[param(rename = "isActive")]
    is_active: Option<bool>,
    /// This tag.
    tag: Option<String>,
    /// This permission, directly or through the role.
    permission: Option<String>,
    /// Only deleted accounts; without it only those that are not.
    deleted: Option<bool>,
    /// `createdAtUtc`, `username` or `lastLoginAtUtc`; a `-` before it: descending.
    #[param(
        default = "-createdAtUtc",
        pattern = "^-?(createdAtUtc|username|lastLoginAtUtc)$"
    )]
    sort: Option<String>,
    /// How many on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `page.next` of the page before.
    cursor: Option<String>,
    /// Whether `page.total` is wanted.
    count: Option<bool>,
}

struct ListRequest {
    filter: Filter,
    limit: Limit,
    cursor: Option<String>,
    count: bool,
}

impl FromQuery for ListRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        let sort = params.take_with("sort", |text| {
            Sort::parse(text).ok_or(("invalid_value", "is no order known here"))
        });
        Ok(Self {
            filter: Filter {
                query: params
                    .take("query")
                    .filter(|part: &String| !part.is_empty()),
                username: params.take("username"),
                email: params.take("email"),
                email_domain: params.take("emailDomain"),
                role: params.take("role"),
                is_active: params.take("isActive"),
                tag: params.take("tag"),
                permission: params.take("permission"),
                deleted: params.take("deleted").unwrap_or_default(),
                attributes: params.take_prefixed("attr."),
                sort: sort.unwrap_or_default(),
            },
            limit: Limit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List accounts.
///
/// Needs `users.read`. A parameter `attr.<name>` asks for accounts whose attribute has that value.
#[utoipa::path(
    operation_id = "listUsers", tag = "users", params(ListParams),
    responses((status = 200, description = "One page.", body = Page<User>))
)]
#[get("/api/v1/users")]
async fn list_users(
    by: Can<needs::ReadUsers>,
    app: State,
    query: Query<ListRequest>,
) -> Result<Reply, AppError> {
    let ListRequest {
        filter,
        limit,
        cursor,
        count,
    } = query.into_inner();
    let context = format!(
        "users {}",
        serde_json::to_string(&filter).map_err(AppError::internal)?
    );
    let after = cursor
        .map(|cursor| app.cursors.decode(&context, &cursor))
        .transpose()?;
    let sort = filter.sort;
    let (users, total) = app
        .db
        .read(move |tx| service::list(tx, &by, &filter, after.as_ref(), limit.rows(), count))
        .await?;
    let cursor = |last: &User| app.cursors.encode(&context, &sort.position(last));
    Reply::page(&Page::of(users, limit, cursor)?.counted(total))
}
