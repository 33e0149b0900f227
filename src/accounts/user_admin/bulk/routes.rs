//! The endpoint for bulk operations on accounts.

use std::sync::Arc;

use actix_web::post;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::{BulkOperation, BulkRequest, BulkSelection, MAX_BULK_USERS};
use super::service::{self, BulkItem, BulkOutcome, BulkTarget};
use crate::access::actor::Actor;
use crate::access::authentication::{Can, CanAny, needs};
use crate::app_state::{AppState, State};
use crate::platform::db::{Tx, WriteBatch};
use crate::platform::error::AppError;
use crate::platform::http::{Data, Json, Reply};

/// Registers the endpoint and its documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(act_on_users);
}

/// The result of a bulk operation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BulkResult {
    /// Whether it was a dry run, which changes nothing.
    dry_run: bool,
    /// The number of accounts on which the action was performed, or would be performed.
    done: usize,
    /// The number of accounts on which the action was refused.
    refused: usize,
    /// The result for each account.
    items: Vec<BulkItem>,
}

impl BulkResult {
    fn new(dry_run: bool, items: Vec<BulkItem>) -> Self {
        let is_refused = |item: &&BulkItem| item.outcome == BulkOutcome::Refused;
        let refused = items.iter().filter(is_refused).count();
        Self {
            dry_run,
            done: items.len() - refused,
            refused,
            items,
        }
    }
}

/// Perform an action on many accounts.
///
/// Needs the permission of the single request: `users.disable` for `disable` and `enable`, `users.delete` for `delete`,
/// `sessions.revoke` for `signOut`, `users.update` for `tag`, `untag` and `setRole`. A filter also needs `users.read`. Each
/// account is checked and changed separately: a refused account has an error code in its item and does not affect the
/// others. The request can be repeated. A filter that matches more than 1000 accounts is rejected.
#[utoipa::path(
    operation_id = "actOnUsers", tag = "users", request_body = BulkRequest,
    responses((status = 200, description = "The result for each account.", body = Data<BulkResult>))
)]
#[post("/api/v1/users/bulk")]
async fn act_on_users(
    caller: CanAny<needs::BulkUsers>,
    app: State,
    body: Json<BulkRequest>,
) -> Result<Reply, AppError> {
    let operation = body.into_inner().check()?;
    let actor = caller.actor();
    service::authorize(&actor, &operation.action)?;
    let targets = select_targets(&app, &actor, &operation).await?;
    let mut batch = service::begin(&app.db, &operation.action, operation.dry_run);
    let items = act_on_targets(&app, &mut batch, &actor, &operation, targets).await;
    batch.finish().await;
    Reply::ok(&BulkResult::new(operation.dry_run, items?))
}

async fn select_targets(
    app: &AppState,
    actor: &Arc<Actor>,
    operation: &BulkOperation,
) -> Result<Vec<BulkTarget>, AppError> {
    let action = operation.action.clone();
    let filter = match &operation.selection {
        BulkSelection::Targets(targets) => {
            app.db
                .read(move |tx| service::check_role_exists(tx, &action))
                .await?;
            return Ok(targets.clone());
        }
        BulkSelection::Filter(filter) => filter.clone(),
    };
    let reader = Can::<needs::ReadUsers>::prove(Arc::clone(actor))?;
    app.db
        .read(move |tx| {
            service::check_role_exists(tx, &action)?;
            service::find_targets(tx, &reader, &filter, MAX_BULK_USERS)
        })
        .await
}

async fn act_on_targets(
    app: &AppState,
    batch: &mut WriteBatch<'_>,
    actor: &Arc<Actor>,
    operation: &BulkOperation,
    targets: Vec<BulkTarget>,
) -> Result<Vec<BulkItem>, AppError> {
    let mut items = Vec::with_capacity(targets.len());
    for target in targets {
        items.push(act_on_target(app, batch, actor, operation, target).await?);
    }
    Ok(items)
}

async fn act_on_target(
    app: &AppState,
    batch: &mut WriteBatch<'_>,
    actor: &Arc<Actor>,
    operation: &BulkOperation,
    target: BulkTarget,
) -> Result<BulkItem, AppError> {
    let (actor, action, id) = (Arc::clone(actor), operation.action.clone(), target.id);
    let work = move |tx: &mut Tx<'_>| service::apply_action(tx, &actor, &action, id);
    let result = if operation.dry_run {
        app.db.dry_run(work).await
    } else {
        batch.write(work).await
    };
    service::to_item(target, result)
}
