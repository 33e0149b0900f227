//! Registration over HTTP.

use actix_web::post;
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::{Application, Parts};
use super::service::{self, Applicant};
use crate::access::authentication::{Actor, Origin};
use crate::accounts::users::User;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, Json, Reply};

/// Mounts and documents it.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(register);
}

/// Register: make an account for oneself.
///
/// By `ROSTERD_REGISTRATION`: 403 `registration_closed` for everybody; with an invite only (403 `invite_invalid`,
/// `invite_expired`, `invite_exhausted`); or open to all, where an invite that is brought has to be good too. The account
/// has the role `User`, or what the invite gives. Nobody is signed in by it. An address that is given is
/// to be confirmed by mail. One that is taken is answered as if it were not, nothing is made, and its owner is told by mail.
#[utoipa::path(
    operation_id = "register", tag = "auth", request_body = Application, security(()),
    responses((status = 201, description = "Made, and not signed in.", body = Data<User>))
)]
#[post("/api/v1/auth/register")]
async fn register(
    app: State,
    origin: Origin,
    body: Result<Json<Application>, AppError>,
) -> Result<Reply, AppError> {
    service::demand_open(app.registration)?;
    let Parts {
        new,
        password,
        token,
    } = body?.into_inner().into();
    let (draft, _) = new.check()?;
    let applicant = Applicant {
        by: Actor::anonymous(origin),
        registration: app.registration,
        token,
    };
    let (asking, email) = (applicant.clone(), draft.email.clone());
    app.db
        .write(move |tx| service::examine(tx, &asking, email.as_ref()))
        .await?;
    let hash = app
        .passwords
        .choose(&app.db, draft.chooser(), password, "/password")
        .await?;
    let mail = app.mail.clone();
    let user = app
        .db
        .write(move |tx| service::register(tx, &mail, &applicant, &draft, &hash))
        .await?;
    Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)
}
