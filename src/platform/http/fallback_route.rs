//! The response when no operation matches: 404 for an unknown path, 405 with `Allow` for a wrong method, and 204 with
//! `Allow` for `OPTIONS`. Paths and methods are taken from the OpenAPI document, so they are not listed twice.

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Route, web};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

use crate::platform::error::{AppError, Code};

/// The default route, for requests that match no operation of `document`.
#[must_use]
pub fn fallback_route(document: &OpenApi) -> Route {
    let paths = Rc::new(PathTable::from_document(document));
    web::to(move |req: HttpRequest| {
        let response = respond(&req, &paths);
        async move { response }
    })
}

fn respond(req: &HttpRequest, paths: &PathTable) -> HttpResponse {
    let Some(allow) = paths.methods_at(req.path()).and_then(allow_header) else {
        return HttpResponse::from_error(AppError::new(Code::NotFound));
    };
    let mut response = if *req.method() == Method::OPTIONS {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::from_error(AppError::new(Code::MethodNotAllowed))
    };
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

fn allow_header(methods: MethodSet) -> Option<HeaderValue> {
    let names = METHOD_NAMES
        .iter()
        .zip(methods)
        .filter_map(|(name, is_allowed)| is_allowed.then_some(*name));
    HeaderValue::try_from(names.collect::<Vec<_>>().join(", ")).ok()
}

const METHOD_NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The allowed methods, by index in [`METHOD_NAMES`].
type MethodSet = [bool; METHOD_NAMES.len()];

/// All documented path patterns.
struct PathTable(Vec<DocumentedPath>);

/// One documented path.
struct DocumentedPath {
    pattern: PathPattern,
    methods: MethodSet,
}

/// A path template.
pub(super) struct PathPattern {
    /// The segments; `None` is a parameter.
    segments: Vec<Option<String>>,
}

impl PathTable {
    fn from_document(document: &OpenApi) -> Self {
        let pattern = |(path, item): (&String, &PathItem)| DocumentedPath {
            pattern: PathPattern::parse(path),
            methods: documented_methods(item),
        };
        Self(document.paths.paths.iter().map(pattern).collect())
    }

    /// The methods at the percent-decoded `path`. Several patterns can match one path, such as `/users/bulk` and
    /// `/users/{id}`; the one with the fewest parameters names the resource.
    fn methods_at(&self, path: &str) -> Option<MethodSet> {
        let matching = self.0.iter().filter(|known| known.pattern.matches(path));
        let most_specific = matching.min_by_key(|known| known.pattern.parameter_count());
        most_specific.map(|known| known.methods)
    }
}

impl PathPattern {
    /// Parses a template such as `/users/{id}`.
    pub(super) fn parse(path: &str) -> Self {
        Self {
            segments: path.split('/').map(literal_segment).collect(),
        }
    }

    /// The number of parameters.
    pub(super) fn parameter_count(&self) -> usize {
        self.segments
            .iter()
            .filter(|segment| segment.is_none())
            .count()
    }

    /// Whether the percent-decoded `path` has this form.
    pub(super) fn matches(&self, path: &str) -> bool {
        let mut actual_segments = path.split('/');
        let matches_next = |segment: &Option<String>| match (segment, actual_segments.next()) {
            (Some(literal), Some(actual)) => literal == actual,
            (None, Some(actual)) => !actual.is_empty(),
            (_, None) => false,
        };
        self.segments.iter().all(matches_next) && actual_segments.next().is_none()
    }
}

fn literal_segment(segment: &str) -> Option<String> {
    (!segment.starts_with('{')).then(|| segment.to_owned())
}

fn documented_methods(item: &PathItem) -> MethodSet {
    let has_get = item.get.is_some();
    [
        has_get,
        has_get || item.head.is_some(),
        item.post.is_some(),
        item.put.is_some(),
        item.patch.is_some(),
        item.delete.is_some(),
        true,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::openapi::path::{HttpMethod, Operation};
    use utoipa::openapi::{OpenApiBuilder, PathsBuilder};

    fn allow_header_at(path: &str) -> Option<String> {
        let item = |method| PathItem::new(method, Operation::new());
        let paths = PathsBuilder::new()
            .path("/users", item(HttpMethod::Get))
            .path("/users", item(HttpMethod::Post))
            .path("/users/bulk", item(HttpMethod::Post))
            .path("/users/{id}", item(HttpMethod::Delete))
            .path("/users/{id}/tags/{tag}", item(HttpMethod::Put));
        let document = OpenApiBuilder::new().paths(paths).build();
        let methods = PathTable::from_document(&document).methods_at(path)?;
        Some(allow_header(methods)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn allow_header_lists_the_methods_of_the_most_specific_pattern() {
        for (path, allow) in [
            ("/users", "GET, HEAD, POST, OPTIONS"),
            ("/users/7", "DELETE, OPTIONS"),
            ("/users/bulk", "POST, OPTIONS"),
            ("/users/7/tags/a", "PUT, OPTIONS"),
        ] {
            assert_eq!(allow_header_at(path).as_deref(), Some(allow), "{path}");
        }
    }

    #[test]
    fn undocumented_paths_have_no_methods() {
        for path in [
            "",
            "/",
            "/users/",
            "/users/7/",
            "/users/7/tags",
            "/users/7/tags/",
            "/Users",
            "users",
            "/users;x=1",
        ] {
            assert_eq!(allow_header_at(path), None, "{path}");
        }
    }
}
