//! The list of all mounted API routes.

use utoipa_actix_web::service_config::ServiceConfig;

use super::health;
use crate::access::{clients, forward_auth, oauth, revocation_feed, sessions, tokens};
use crate::accounts::{
    credentials, email_confirmations, invites, password_reset, profile, registration,
    role_update_delete, roles, user_admin,
};
use crate::audit;

/// Mounts every operation and adds it to the OpenAPI document.
pub fn mount(config: &mut ServiceConfig<'_>) {
    // actix tries routes in this order, so the most frequently called ones come first.
    config
        .configure(forward_auth::routes)
        .configure(profile::routes)
        .configure(sessions::routes)
        .configure(tokens::routes)
        .configure(user_admin::routes)
        .configure(credentials::routes)
        .configure(password_reset::routes)
        .configure(email_confirmations::routes)
        .configure(roles::routes)
        .configure(role_update_delete::routes)
        .configure(invites::routes)
        .configure(clients::routes)
        .configure(oauth::routes)
        .configure(revocation_feed::routes)
        .configure(registration::routes)
        .configure(audit::routes)
        .configure(health::routes);
}
