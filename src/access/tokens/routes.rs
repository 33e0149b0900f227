//! Personal access tokens over HTTP.

use utoipa_actix_web::service_config::ServiceConfig;

use super::{others, own};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.configure(own::routes).configure(others::routes);
}
