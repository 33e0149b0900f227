//! The API document, made from the annotated handlers, and the page that shows it. Nothing is listed here that is listed
//! at a handler: what every operation has in common is added to all of them.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Header, Object, Ref, RefOr, Response, ResponseBuilder, Responses,
};
use utoipa_actix_web::AppExt;

use crate::app::{self, State};
use crate::http::Problem;

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
    components(schemas(Problem)),
    security(("bearer" = [])),
    tags(
        (name = "auth", description = "Signing in, and one's own account"),
        (name = "users", description = "Accounts"),
        (name = "roles", description = "Roles and the permission catalogue"),
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
        .configure(app::slices)
        .split_for_parts();
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components
        .responses
        .insert("Problem".to_owned(), RefOr::T(problem()));
    components
        .responses
        .insert("Throttled".to_owned(), RefOr::T(throttled()));
    for (path, item) in &mut document.paths.paths {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            add_failures(path, operation);
        }
    }
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

/// How every failure is answered.
fn problem() -> Response {
    let mut content = Content::new(Some(Ref::from_schema_name("Problem")));
    content.example = None;
    ResponseBuilder::new()
        .description("A problem (RFC 9457); `code` says which.")
        .content("application/problem+json", content)
        .build()
}

/// How a caller is answered who has to slow down.
fn throttled() -> Response {
    let header = |why: &str| {
        let mut header = Header::new(Object::with_type(Type::String));
        header.description = Some(why.to_owned());
        header
    };
    let mut response = problem();
    "Too many attempts; `violated-policies` names the budget that is used up."
        .clone_into(&mut response.description);
    response.headers = [
        ("Retry-After", "When to try again, in seconds."),
        (
            "RateLimit",
            "The budget that is used up: `r`, what is left, and `t`, seconds until there is more.",
        ),
        (
            "RateLimit-Policy",
            "What that budget allows: `q` attempts in `w` seconds.",
        ),
    ]
    .map(|(name, why)| (name.to_owned(), RefOr::T(header(why))))
    .into();
    response
}

/// The failures that an operation can have by its nature: a body can be wrong, an id unknown, a caller not permitted.
fn add_failures(path: &str, operation: &mut Operation) {
    let is_public = operation.security.is_some();
    let takes_input = operation.request_body.is_some() || operation.parameters.is_some();
    let mut statuses = vec!["429", "500", "503"];
    if !is_public {
        statuses.extend(["401", "403"]);
    }
    if takes_input {
        statuses.push("400");
    }
    if operation.request_body.is_some() {
        statuses.extend(["401", "403", "408", "409", "413", "415"]);
    }
    if path.contains('{') {
        statuses.extend(["404", "409", "412"]);
    }
    let responses: &mut Responses = &mut operation.responses;
    for status in statuses {
        responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| {
                let name = if status == "429" {
                    "Throttled"
                } else {
                    "Problem"
                };
                RefOr::Ref(Ref::from_response_name(name))
            });
    }
}
