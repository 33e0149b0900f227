//! The endpoint that lists accounts.

use actix_web::get;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::authentication::{Can, needs};
use crate::accounts::users::service;
use crate::accounts::users::{User, UserFilter, UserSort};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{
    FromQuery, InvalidQuery, Page, PageQuery, PagedList, Query, QueryReader, Reply,
};

/// Registers the endpoint and its documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_users);
}

/// The sort order of a list of accounts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct UserSortQuery {
    /// One of `createdAtUtc`, `username`, `lastLoginAtUtc`, optionally prefixed with `-` for descending order.
    #[param(inline)]
    sort: Option<UserSort>,
}

struct UserListQuery {
    filter: UserFilter,
    sort: UserSortQuery,
    page: PageQuery,
}

impl FromQuery for UserListQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        let sort = params.take_with("sort", |text| {
            UserSort::parse(text).ok_or(("invalid_value", UserSort::ALLOWED))
        });
        Ok(Self {
            filter: UserFilter::from_query(params)?,
            sort: UserSortQuery { sort },
            page: PageQuery::from_query(params)?,
        })
    }
}

/// List users.
///
/// Needs `users.read`. The parameter `attr.<name>` matches accounts whose attribute `<name>` has that value.
#[utoipa::path(
    operation_id = "listUsers", tag = "users", params(UserFilter, UserSortQuery, PageQuery),
    responses((status = 200, description = "A page of accounts.", body = Page<User>))
)]
#[get("/api/v1/users")]
async fn list_users(
    caller: Can<needs::ReadUsers>,
    app: State,
    query: Query<UserListQuery>,
) -> Result<Reply, AppError> {
    let UserListQuery { filter, sort, page } = query.into_inner();
    let sort = sort.sort.unwrap_or_default();
    let context = serde_json::to_string(&(&filter, sort)).map_err(AppError::internal)?;
    let list = PagedList::new(&app.cursors, format!("users {context}"), page);
    let (after, limit, count) = (list.after()?, list.query_limit(), list.count());
    let found = app
        .db
        .read(move |tx| service::list(tx, &caller, &filter, sort, after.as_ref(), limit, count))
        .await?;
    list.reply(found, |last: &User| sort.cursor(last))
}
