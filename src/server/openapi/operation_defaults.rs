//! What follows for an operation from its nature: from its method and path, from whether it needs a caller, from what it
//! takes and answers. Said here once, so that no handler lists its failures and headers; a test asks the service itself.

use std::collections::BTreeSet;

use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Components, Content, Paths, Ref, RefOr, Required, Response, ResponseBuilder,
};

/// Adds to every operation what follows from its nature, and to the components what that refers to.
pub fn complete(paths: &mut Paths, components: &mut Components) {
    let things = Things::of(paths);
    for (path, item) in &mut paths.paths {
        for (method, operation) in operations(item) {
            let nature = Nature::of(method, path, operation, &things);
            nature.complete(operation);
        }
    }
    components.responses.extend(responses());
    components.parameters.extend(parameters());
    components.headers.extend(headers());
}

/// The methods that operations here have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::Get, &mut item.get),
        (Method::Post, &mut item.post),
        (Method::Put, &mut item.put),
        (Method::Patch, &mut item.patch),
        (Method::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The things that have a version: those whose GET can say that nothing has changed.
struct Things {
    /// What they are answered as.
    schemas: BTreeSet<String>,
    /// Where they are; they, and what belongs to them, have paths that begin so.
    places: Vec<String>,
}

impl Things {
    fn of(paths: &Paths) -> Self {
        let gets = || {
            let shown = |(path, item): (&String, &PathItem)| {
                let get = item.get.as_ref()?;
                let is_versioned = get.responses.responses.contains_key("304");
                Some((path.clone(), answered(get)?, is_versioned))
            };
            paths.paths.iter().filter_map(shown)
        };
        let versioned = gets().filter(|(_, _, is_versioned)| *is_versioned);
        let schemas: BTreeSet<String> = versioned.map(|(_, schema, _)| schema).collect();
        let place = |(path, schema, is_versioned): (String, String, bool)| {
            let is_listed = schema.starts_with("Page_")
                && schemas.contains(&schema.replacen("Page_", "Data_", 1));
            match (is_versioned, is_listed) {
                (true, _) => Some(path),
                (false, true) => Some(format!("{path}/{{")),
                (false, false) => None,
            }
        };
        let places = gets().filter_map(place).collect();
        Self { schemas, places }
    }

    /// Whether this path is one of them, or belongs to one.
    fn are_at(&self, path: &str) -> bool {
        self.places.iter().any(|place| path.starts_with(place))
    }
}

/// The name of the schema that an operation answers with when it succeeds.
fn answered(operation: &Operation) -> Option<String> {
    let content = |response: &RefOr<Response>| match response {
        RefOr::T(response) => response.content.get("application/json").cloned(),
        RefOr::Ref(_) => None,
    };
    let success = ["200", "201"]
        .into_iter()
        .find_map(|status| content(operation.responses.responses.get(status)?));
    match success? {
        RefOr::T(Content {
            schema: Some(RefOr::Ref(schema)),
            ..
        }) => schema.ref_location.rsplit('/').next().map(str::to_owned),
        _ => None,
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "a question each, independent of one another"
)]
struct Nature {
    needs_caller: bool,
    changes: bool,
    takes_body: bool,
    takes_input: bool,
    names_thing: bool,
    /// Its success carries an `ETag`.
    is_tagged: bool,
    /// It answers 304 to a caller who has the newest.
    can_be_unchanged: bool,
    /// It changes a thing that has a version.
    is_conditional: bool,
    creates: bool,
    /// It refuses as RFC 6749 says.
    is_oauth: bool,
    /// It can be sent again under the same `Idempotency-Key`.
    is_repeatable: bool,
}

impl Nature {
    fn of(method: Method, path: &str, operation: &Operation, things: &Things) -> Self {
        let has = |status: &str| operation.responses.responses.contains_key(status);
        let anybody = SecurityRequirement::default();
        let needs_caller = !operation
            .security
            .as_ref()
            .is_some_and(|ways| ways.contains(&anybody));
        let changes = method != Method::Get;
        let creates = method == Method::Post && has("201");
        let is_oauth = path.starts_with("/api/v1/oauth/");
        let is_of_signing_in = path.starts_with("/api/v1/auth/") || is_oauth;
        Self {
            needs_caller,
            changes,
            takes_body: operation.request_body.is_some(),
            takes_input: operation.request_body.is_some() || operation.parameters.is_some(),
            names_thing: path.contains('{'),
            is_tagged: answered(operation).is_some_and(|schema| things.schemas.contains(&schema)),
            can_be_unchanged: has("304"),
            is_conditional: changes && things.are_at(path),
            creates,
            is_oauth,
            is_repeatable: creates && needs_caller && !is_of_signing_in,
        }
    }

    fn complete(&self, operation: &mut Operation) {
        if self.needs_caller {
            operation.security = Some(vec![SecurityRequirement::new("bearer", [""; 0])]);
        }
        for parameter in self.parameters() {
            let all = operation.parameters.get_or_insert_default();
            all.push(RefOr::Ref(Ref::new(format!(
                "#/components/parameters/{parameter}"
            ))));
        }
        let responses = &mut operation.responses.responses;
        for (status, response) in responses.iter_mut() {
            if let RefOr::T(response) = response {
                for header in self.headers(status) {
                    let at = Ref::new(format!("#/components/headers/{header}"));
                    response.headers.insert(header.to_owned(), RefOr::Ref(at));
                }
            }
        }
        for status in self.failures() {
            let failure = match status {
                _ if self.is_oauth => "OAuthFailure",
                "401" => "Unauthenticated",
                "429" => "Throttled",
                "503" => "TryLater",
                _ => "Problem",
            };
            responses
                .entry(status.to_owned())
                .or_insert_with(|| RefOr::Ref(Ref::from_response_name(failure)));
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        chosen([
            (self.can_be_unchanged, "If-None-Match"),
            (self.is_conditional, "If-Match"),
            (self.is_repeatable, "Idempotency-Key"),
        ])
    }

    /// What a success carries besides its body.
    fn headers(&self, status: &str) -> impl Iterator<Item = &'static str> {
        let is_success = status.starts_with('2') || status == "304";
        chosen([
            (is_success && self.is_tagged, "ETag"),
            (status == "201" && self.creates, "Location"),
            (
                status == "201" && self.is_repeatable,
                "Idempotency-Replayed",
            ),
        ])
    }

    fn failures(&self) -> impl Iterator<Item = &'static str> {
        let proves_itself = self.needs_caller || self.takes_body;
        chosen([
            (true, "429"),
            (true, "500"),
            (true, "503"),
            (proves_itself, "401"),
            (proves_itself && !self.is_oauth, "403"),
            (self.takes_input, "400"),
            (self.takes_body, "408"),
            (self.takes_body, "413"),
            (self.takes_body && !self.is_oauth, "415"),
            (self.names_thing, "404"),
            (self.changes && self.takes_input && !self.is_oauth, "409"),
            (self.is_conditional, "412"),
            (self.is_repeatable, "422"),
        ])
    }
}

fn chosen<const N: usize>(of: [(bool, &'static str); N]) -> impl Iterator<Item = &'static str> {
    of.into_iter()
        .filter_map(|(applies, what)| applies.then_some(what))
}

/// How failures are answered: all in one form, some with a header.
fn responses() -> [(String, RefOr<Response>); 5] {
    let problem = |description: &str| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
    };
    let header = |name: &str| Ref::new(format!("#/components/headers/{name}"));
    [
        (
            "Problem",
            problem("A problem (RFC 9457); `code` says which."),
        ),
        (
            "Unauthenticated",
            problem("Who is calling is not known, or not any more; `code` says why.")
                .header_ref("WWW-Authenticate", header("WWW-Authenticate")),
        ),
        (
            "TryLater",
            problem("Too much at once from all callers together.")
                .header_ref("Retry-After", header("Retry-After")),
        ),
        (
            "Throttled",
            problem("Too many attempts; `violated-policies` names the budget that is used up.")
                .header_ref("Retry-After", header("Retry-After"))
                .header_ref("RateLimit", header("RateLimit"))
                .header_ref("RateLimit-Policy", header("RateLimit-Policy")),
        ),
        (
            "OAuthFailure",
            ResponseBuilder::new()
                .description("A refusal (RFC 6749, section 5.2); `error` says which.")
                .content(
                    "application/json",
                    Content::new(Some(Ref::from_schema_name("OAuthError"))),
                ),
        ),
    ]
    .map(|(name, response)| (name.to_owned(), RefOr::T(response.build())))
}

fn parameters() -> [(String, RefOr<Parameter>); 3] {
    [
        (
            "If-None-Match",
            "The `ETag` of the copy that the caller has: 304 when it is still good.",
        ),
        (
            "If-Match",
            "The `ETag` of the copy that the change is based on: 412 when the thing has been changed since.",
        ),
        (
            "Idempotency-Key",
            "A name of 1 to 255 printable characters for this attempt. Sent again within 24 hours with the same body it gets \
             the first answer again; with another body it gets 422.",
        ),
    ]
    .map(|(name, description)| {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(text()));
        (name.to_owned(), RefOr::T(parameter.build()))
    })
}

fn headers() -> [(String, RefOr<Header>); 7] {
    [
        (
            "ETag",
            "The version of this copy (RFC 9110, section 8.8.3), for `If-Match` and `If-None-Match`.",
        ),
        ("Location", "The path of what was made."),
        (
            "Idempotency-Replayed",
            "`true` when this is the answer that was given before.",
        ),
        (
            "WWW-Authenticate",
            "`Bearer`, with the error when a token was sent (RFC 6750, section 3).",
        ),
        ("Retry-After", "After how many seconds to try again."),
        (
            "RateLimit",
            "The budget that is used up: `r` is what is left, `t` the seconds until there is more.",
        ),
        (
            "RateLimit-Policy",
            "What that budget allows: `q` attempts in `w` seconds.",
        ),
    ]
    .map(|(name, description)| {
        let mut header = Header::new(text());
        header.description = Some(description.to_owned());
        (name.to_owned(), RefOr::T(header))
    })
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
