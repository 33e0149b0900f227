//! The OpenAPI document, generated from the annotated handlers, and the page that displays it. Responses, parameters and
//! headers that many operations share are added here and not repeated at the handlers.

mod error_codes;
mod generators;
mod nullability;
mod operation_defaults;
mod schema_visitor;
mod served_document;
mod shared_components;
mod version_3_0;

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;
use utoipa::openapi::Components;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_actix_web::AppExt;

use crate::access::oauth::OAuthErrorBody;
use crate::platform::config::Config;
use crate::platform::http::Problem;
use crate::server::routes;
use served_document::ServedDocument;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rosterd",
        // The version of the API. The version of the program is not shown to anonymous callers.
        version = "1",
        description = "A headless identity service: users, roles, permissions, sessions and tokens.\n\n\
            Successful responses are `{\"data\": …}`; lists also have a `page`. Errors are problem details (RFC 9457) with a stable `code`. \
            Single resources have an `ETag`; a change with a stale `If-Match` is refused with 412. \
            Operations that create a resource accept an `Idempotency-Key`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, OAuthErrorBody)),
    security(("bearer" = [])),
    tags(
        (name = "auth", description = "Sign-in and the account of the caller"),
        (name = "users", description = "User administration"),
        (name = "sessions", description = "Sessions of all users"),
        (name = "tokens", description = "Personal access tokens, with which programs act for a user"),
        (name = "roles", description = "Roles and the permission catalogue"),
        (name = "invites", description = "Invites: who may register, and with which role and permissions"),
        (name = "clients", description = "Service clients: programs with their own permissions"),
        (name = "audit", description = "The audit log: actions and sign-in attempts"),
        (name = "oauth", description = "OAuth 2.0 endpoints; errors are in the form of RFC 6749"),
        (name = "health", description = "Endpoints for monitoring and verifiers, without authentication"),
    ),
)]
struct BaseDocument;

/// Generates the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(BaseDocument::openapi())
        .configure(routes::mount)
        .split_for_parts();
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "The `accessToken` of `POST /api/v1/auth/login`, or a personal access token (`rst_pat_…`), without the word Bearer.",
        ))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let client = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "For the OAuth endpoints only: `clientId` and `clientSecret` of a service client, not username and password of a user.",
        ))
        .build();
    components.add_security_scheme("client", SecurityScheme::Http(client));
    operation_defaults::add_to(&mut document.paths, components);
    generators::adapt(&mut document);
    error_codes::add_to(&mut document);
    nullability::correct_nullability(&mut document);
    document
}

/// The OpenAPI document as JSON; the output is deterministic.
#[must_use]
pub fn text() -> String {
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document in the form of OpenAPI 3.0.3 as JSON.
#[must_use]
pub fn text_3_0() -> String {
    let document = serde_json::to_value(document()).unwrap_or_default();
    let converted = version_3_0::downgrade(document);
    let mut text = serde_json::to_string_pretty(&converted).unwrap_or_default();
    text.push('\n');
    text
}

/// Which pages of documentation are served.
#[derive(Clone, Copy)]
pub struct Pages {
    has_document: bool,
    has_docs: bool,
}

impl Pages {
    /// Reads `ROSTERD_OPENAPI` and `ROSTERD_DOCS`. The interactive page needs the document.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            has_document: config.openapi,
            has_docs: config.serves_docs(),
        }
    }

    /// Mounts `/openapi.json`, `/openapi-3.0.json` and the interactive page `/docs/`, which loads nothing from other hosts.
    pub fn mount(self, routes: &mut web::ServiceConfig) {
        if self.has_document {
            routes
                .route("/openapi.json", web::get().to(openapi_json))
                .route("/openapi-3.0.json", web::get().to(openapi_3_0_json));
        }
        if self.has_docs {
            routes
                .route("/docs", web::get().to(redirect_to_docs))
                .route("/docs/{file:.*}", web::get().to(docs_file));
        }
    }
}

async fn openapi_json(req: HttpRequest) -> HttpResponse {
    static DOCUMENT: LazyLock<ServedDocument> = LazyLock::new(|| ServedDocument::new(text()));
    DOCUMENT.respond(&req)
}

async fn openapi_3_0_json(req: HttpRequest) -> HttpResponse {
    static DOCUMENT: LazyLock<ServedDocument> = LazyLock::new(|| ServedDocument::new(text_3_0()));
    DOCUMENT.respond(&req)
}

async fn redirect_to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header(("Location", "/docs/"))
        .finish()
}

/// Without a charset, a browser would guess the encoding of a text.
fn with_charset(content_type: &str) -> String {
    let is_text = content_type.starts_with("text/") || content_type.ends_with("javascript");
    let charset = if is_text && !content_type.contains("charset") {
        "; charset=utf-8"
    } else {
        ""
    };
    format!("{content_type}{charset}")
}

async fn docs_file(file: web::Path<String>) -> HttpResponse {
    const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    let config = utoipa_swagger_ui::Config::from("/openapi.json")
        .persist_authorization(false)
        .validator_url("none");
    match utoipa_swagger_ui::serve(&file, Arc::new(config)) {
        Ok(Some(asset)) => HttpResponse::Ok()
            .insert_header((CONTENT_SECURITY_POLICY, CONTENT_SECURITY))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .content_type(with_charset(&asset.content_type))
            .body(asset.bytes.into_owned()),
        _ => HttpResponse::NotFound().finish(),
    }
}
