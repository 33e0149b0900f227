//! The same act on many accounts over HTTP.

use std::sync::Arc;

use actix_web::post;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::{BulkRequest, MAX_BULK_USERS, BulkOrder, BulkTargets};
use super::service::{self, BulkItem, BulkOutcome, BulkTarget};
use crate::access::authentication::{Can, CanAny, needs};
use crate::access::actor::Actor;
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{Data, Json, Reply};

/// Mounts and documents it.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(act_on_users);
}

/// What came of an act on many accounts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BulkResult {
    /// Whether nothing was done, because only a dry run was asked for.
    dry_run: bool,
    /// How many accounts it was done to, or would be.
    done: usize,
    /// How many were refused.
    refused: usize,
    /// Each account.
    items: Vec<BulkItem>,
}

/// Act on many accounts.
///
/// Needs what the single call needs: `users.disable` for `disable` and `enable`, `users.delete` for `delete`,
/// `sessions.revoke` for `signOut`, `users.update` for `tag`, `untag` and `setRole`; and `users.read` where a filter
/// chooses. Each account is decided and changed by itself: one that is refused says why and stops none of the others, and
/// asking again does no harm. At most 1000 accounts; a filter that lets more through is refused as a whole.
#[utoipa::path(
    operation_id = "actOnUsers", tag = "users", request_body = BulkRequest,
    responses((status = 200, description = "What came of it for each account.", body = Data<BulkResult>))
)]
#[post("/api/v1/users/bulk")]
async fn act_on_users(
    by: CanAny<needs::BulkUsers>,
    app: State,
    body: Json<BulkRequest>,
) -> Result<Reply, AppError> {
    let order = body.into_inner().check()?;
    let by = by.actor();
    service::authorize(&by, &order.action)?;
    let targets = targets(&app, &by, &order).await?;
    let mut items = Vec::with_capacity(targets.len());
    for target in targets {
        items.push(act(&app, &by, &order, target).await?);
    }
    let refused = items
        .iter()
        .filter(|item| item.outcome == BulkOutcome::Refused)
        .count();
    Reply::ok(&BulkResult {
        dry_run: order.dry_run,
        done: items.len() - refused,
        refused,
        items,
    })
}

async fn targets(app: &AppState, by: &Arc<Actor>, order: &BulkOrder) -> Result<Vec<BulkTarget>, AppError> {
    let action = order.action.clone();
    let filter = match &order.whom {
        BulkTargets::Only(targets) => {
            app.db.read(move |tx| service::check(tx, &action)).await?;
            return Ok(targets.clone());
        }
        BulkTargets::Matching(filter) => filter.clone(),
    };
    let reader = Can::<needs::ReadUsers>::prove(Arc::clone(by))?;
    app.db
        .read(move |tx| {
            service::check(tx, &action)?;
            service::select(tx, &reader, &filter, MAX_BULK_USERS)
        })
        .await
}

async fn act(
    app: &AppState,
    by: &Arc<Actor>,
    order: &BulkOrder,
    target: BulkTarget,
) -> Result<BulkItem, AppError> {
    let (by, action, id) = (Arc::clone(by), order.action.clone(), target.id);
    let work = move |tx: &mut crate::platform::db::Tx<'_>| service::act(tx, &by, &action, id);
    let done = if order.dry_run {
        app.db.dry_run(work).await
    } else {
        app.db.write(work).await
    };
    service::item(target, done)
}
