//! What answers where no operation does: 404, or 405 with the methods that the address does answer to, or to OPTIONS
//! the same as 204. It knows the addresses from the API document, so nothing has to be listed twice.

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Route, web};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

use crate::platform::error::{AppError, Code};

/// The service for all that no operation answers.
#[must_use]
pub fn fallback(document: &OpenApi) -> Route {
    let addresses = Rc::new(Addresses::of(document));
    web::to(move |req: HttpRequest| {
        let answer = answer(&req, &addresses);
        async move { answer }
    })
}

fn answer(req: &HttpRequest, addresses: &Addresses) -> HttpResponse {
    let Some(allow) = addresses.methods_at(req.path()).and_then(allow_header) else {
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

fn allow_header(methods: Methods) -> Option<HeaderValue> {
    let names = NAMES
        .iter()
        .zip(methods)
        .filter_map(|(name, there)| there.then_some(*name));
    HeaderValue::try_from(names.collect::<Vec<_>>().join(", ")).ok()
}

const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Which of [`NAMES`] an address answers to.
type Methods = [bool; NAMES.len()];

struct Addresses(Vec<Address>);

struct Address {
    /// `None` stands for any one segment.
    segments: Vec<Option<String>>,
    methods: Methods,
}

impl Addresses {
    fn of(document: &OpenApi) -> Self {
        let address = |(path, item): (&String, &PathItem)| Address {
            segments: path.split('/').map(literal).collect(),
            methods: methods(item),
        };
        Self(document.paths.paths.iter().map(address).collect())
    }

    /// The methods at `path`, a decoded one: those of every address that it could be, as the router tries them all.
    fn methods_at(&self, path: &str) -> Option<Methods> {
        let matching = self.0.iter().filter(|address| address.is(path));
        matching
            .map(|address| address.methods)
            .reduce(|mut all, more| {
                for (one, other) in all.iter_mut().zip(more) {
                    *one |= other;
                }
                all
            })
    }
}

impl Address {
    fn is(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let fits = |segment: &Option<String>| match (segment, given.next()) {
            (Some(literal), Some(given)) => literal == given,
            (None, Some(given)) => !given.is_empty(),
            (_, None) => false,
        };
        self.segments.iter().all(fits) && given.next().is_none()
    }
}

fn literal(segment: &str) -> Option<String> {
    (!segment.starts_with('{')).then(|| segment.to_owned())
}

fn methods(item: &PathItem) -> Methods {
    let get = item.get.is_some();
    [
        get,
        get || item.head.is_some(),
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

    fn allowed(path: &str) -> Option<String> {
        let item = |method| PathItem::new(method, Operation::new());
        let paths = PathsBuilder::new()
            .path("/users", item(HttpMethod::Get))
            .path("/users", item(HttpMethod::Post))
            .path("/users/bulk", item(HttpMethod::Post))
            .path("/users/{id}", item(HttpMethod::Delete))
            .path("/users/{id}/tags/{tag}", item(HttpMethod::Put));
        let document = OpenApiBuilder::new().paths(paths).build();
        let methods = Addresses::of(&document).methods_at(path)?;
        Some(allow_header(methods)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn every_documented_address_names_its_methods() {
        assert_eq!(
            allowed("/users").as_deref(),
            Some("GET, HEAD, POST, OPTIONS")
        );
        assert_eq!(allowed("/users/7").as_deref(), Some("DELETE, OPTIONS"));
        assert_eq!(
            allowed("/users/bulk").as_deref(),
            Some("POST, DELETE, OPTIONS")
        );
        assert_eq!(allowed("/users/7/tags/a").as_deref(), Some("PUT, OPTIONS"));
    }

    #[test]
    fn no_other_address_is_known() {
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
            assert_eq!(allowed(path), None, "{path}");
        }
    }
}
