//! The responses, parameters and headers under `components` that many operations refer to.

use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Components, Content, Ref, RefOr, Required, Response, ResponseBuilder};

/// The response of errors that have no headers of their own.
pub const PROBLEM: &str = "Problem";
/// The response with status 401.
pub const UNAUTHENTICATED: &str = "Unauthenticated";
/// The response with status 403.
pub const FORBIDDEN: &str = "Forbidden";
/// The response with status 503.
pub const UNAVAILABLE: &str = "Unavailable";
/// The response with status 429.
pub const RATE_LIMITED: &str = "RateLimited";
/// The response of all errors of the OAuth endpoints.
pub const OAUTH_ERROR: &str = "OAuthError";

/// Adds all shared components to the document.
pub fn add_to(components: &mut Components) {
    components.responses.extend(responses());
    components.parameters.extend(parameters());
    components.headers.extend(headers());
}

fn responses() -> [(String, RefOr<Response>); 6] {
    [
        (
            PROBLEM,
            problem("A problem (RFC 9457), identified by `code`."),
        ),
        (
            UNAUTHENTICATED,
            problem("The access token is missing, invalid or expired; `code` gives the reason.")
                .header_ref("WWW-Authenticate", header_ref("WWW-Authenticate")),
        ),
        (
            FORBIDDEN,
            problem("The caller may not do this; `code` gives the reason.")
                .header_ref("WWW-Authenticate", header_ref("WWW-Authenticate")),
        ),
        (
            UNAVAILABLE,
            problem("The service is overloaded or not available.")
                .header_ref("Retry-After", header_ref("Retry-After")),
        ),
        (
            RATE_LIMITED,
            problem("Too many attempts; `violated-policies` names the exceeded rate limit.")
                .header_ref("Retry-After", header_ref("Retry-After"))
                .header_ref("RateLimit", header_ref("RateLimit"))
                .header_ref("RateLimit-Policy", header_ref("RateLimit-Policy")),
        ),
        (
            OAUTH_ERROR,
            ResponseBuilder::new()
                .description("An OAuth error (RFC 6749, section 5.2), identified by `error`.")
                .header_ref("WWW-Authenticate", header_ref("WWW-Authenticate"))
                .header_ref("Retry-After", header_ref("Retry-After"))
                .header_ref("RateLimit", header_ref("RateLimit"))
                .header_ref("RateLimit-Policy", header_ref("RateLimit-Policy"))
                .content(
                    "application/json",
                    Content::new(Some(Ref::from_schema_name("OAuthError"))),
                ),
        ),
    ]
    .map(|(name, response)| (name.to_owned(), RefOr::T(response.build())))
}

fn problem(description: &str) -> ResponseBuilder {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
}

fn header_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn parameters() -> [(String, RefOr<Parameter>); 3] {
    [
        (
            "If-None-Match",
            "The `ETag` of the caller's copy. The response is 304 if the resource has not changed.",
        ),
        (
            "If-Match",
            "The `ETag` of the copy that the change is based on. The response is 412 if the resource has changed since.",
        ),
        (
            "Idempotency-Key",
            "A unique key of 1 to 255 printable characters for this request, or the same as a structured string in quotes \
             (RFC 8941). A retry within 24 hours with the same body gets the first response again; with a different body it \
             gets 422.",
        ),
    ]
    .map(|(name, description)| {
        let schema = match name {
            "Idempotency-Key" => string_schema()
                .min_length(Some(1))
                .max_length(Some(255))
                .pattern(Some("^[!#-~]([ -~]*[!-~])?$")),
            _ => string_schema(),
        };
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema));
        (name.to_owned(), RefOr::T(parameter.build()))
    })
}

fn headers() -> [(String, RefOr<Header>); 7] {
    [
        (
            "ETag",
            "The version of this representation (RFC 9110, section 8.8.3), for `If-Match` and `If-None-Match`.",
        ),
        ("Location", "The path of the created resource."),
        (
            "Idempotency-Replayed",
            "`true` if this response is the stored response of an earlier request.",
        ),
        (
            "WWW-Authenticate",
            "`Bearer`, with an error code if a token was sent (RFC 6750, section 3): `invalid_token`, or `insufficient_scope` if the caller \
             lacks a permission.",
        ),
        ("Retry-After", "The number of seconds to wait before a retry."),
        (
            "RateLimit",
            "The exceeded rate limit: `r` is the remaining quota, `t` the number of seconds until it is restored.",
        ),
        (
            "RateLimit-Policy",
            "The policy of that rate limit: `q` requests in `w` seconds.",
        ),
    ]
    .map(|(name, description)| {
        let mut header = Header::new(string_schema());
        header.description = Some(description.to_owned());
        (name.to_owned(), RefOr::T(header))
    })
}

fn string_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
