//! The API document, made from the annotated handlers, and the page that shows it. Nothing is listed here that is listed
//! at a handler: what operations have by their nature is added to all of them.

mod operation_defaults;
mod schemas;

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;
use utoipa::openapi::Components;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_actix_web::AppExt;

use crate::access::oauth::OAuthError;
use crate::app_state::State;
use crate::platform::http::Problem;
use crate::server;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rosterd",
        description = "A headless identity service: users, roles, permissions, sessions and tokens.\n\n\
            Answers are `{\"data\": …}`; a list has a `page` beside it. Errors are problem details (RFC 9457) whose `code` is stable. \
            Single resources carry an `ETag`, and `If-Match` on a change answers 412 when they have changed since. \
            Creating operations take an `Idempotency-Key`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, OAuthError)),
    security(("bearer" = [])),
    tags(
        (name = "auth", description = "Signing in, and one's own account"),
        (name = "users", description = "Accounts"),
        (name = "sessions", description = "Who is signed in, and from where"),
        (name = "tokens", description = "Personal access tokens: what programs act with for an account"),
        (name = "roles", description = "Roles and the permission catalogue"),
        (name = "invites", description = "Who may register, and what they are given"),
        (name = "clients", description = "Service clients: programs that act for themselves"),
        (name = "audit", description = "Who did what to whom, and who tried to sign in"),
        (name = "oauth", description = "Tokens for programs, in OAuth's words; failures are answered as RFC 6749 says"),
        (name = "health", description = "What machines ask without a token"),
    ),
)]
struct Head;

/// The API document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(Head::openapi())
        .configure(server::slices)
        .split_for_parts();
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let client = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
    components.add_security_scheme("client", SecurityScheme::Http(client));
    operation_defaults::complete(&mut document.paths, components);
    schemas::complete(&mut document);
    document
}

/// The API document as JSON, the same for the same program.
#[must_use]
pub fn text() -> String {
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Mounts `/openapi.json` and the interactive page `/docs/`, which needs nothing from outside.
pub fn mount(config: &mut web::ServiceConfig) {
    config
        .route("/openapi.json", web::get().to(json))
        .route("/docs", web::get().to(to_page))
        .route("/docs/{file:.*}", web::get().to(page));
}

async fn json(app: State) -> HttpResponse {
    let text = std::future::ready(app.document.to_string()).await;
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-cache"))
        .content_type(ContentType::json())
        .body(text)
}

async fn to_page() -> HttpResponse {
    let answer = HttpResponse::PermanentRedirect()
        .insert_header(("Location", "/docs/"))
        .finish();
    std::future::ready(answer).await
}

async fn page(file: web::Path<String>) -> HttpResponse {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; frame-ancestors 'none'";
    let config = utoipa_swagger_ui::Config::from("/openapi.json")
        .persist_authorization(false)
        .validator_url("none");
    let found = utoipa_swagger_ui::serve(&file, Arc::new(config));
    let answer = match found {
        Ok(Some(found)) => HttpResponse::Ok()
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .content_type(found.content_type)
            .body(found.bytes.into_owned()),
        _ => HttpResponse::NotFound().finish(),
    };
    std::future::ready(answer).await
}
