//! Endpoints for personal access tokens.

use utoipa_actix_web::service_config::ServiceConfig;

use super::{own_tokens, token_admin};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .configure(own_tokens::routes)
        .configure(token_admin::routes);
}
