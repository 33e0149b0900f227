//! `Query<T>`: the query parameters of a request, each read by name and type. Unknown parameters are rejected.
//! serde can't accept open-ended names (`attr.<name>`) and reject unknown ones at the same time, so it is not used here.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::json::unknown_detail;
use super::percent_decoding;
use crate::platform::error::{AppError, FieldError};

/// The query parameters of one operation.
pub trait FromQuery: Sized {
    /// Takes every supported parameter from `params`.
    ///
    /// # Errors
    /// Only from [`QueryReader::take_required`]. All other errors are recorded in `params`, so that one response reports
    /// all of them.
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery>;
}

/// A required parameter is missing or invalid. The details are recorded in the [`QueryReader`].
#[derive(Debug)]
pub struct InvalidQuery(());

/// Why a parameter is invalid: a stable code and a sentence.
pub type ParamError = (&'static str, &'static str);

/// The parameters that have not been taken yet, and the errors found so far.
pub struct QueryReader<'a> {
    remaining: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The names that were asked for.
    known: Vec<String>,
    errors: Vec<FieldError>,
}

impl<'a> QueryReader<'a> {
    fn parse(query: &'a str) -> Self {
        let mut params = Self {
            remaining: Vec::new(),
            known: Vec::new(),
            errors: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => params.remaining.push((name, value)),
                (Some(name), None) => params.add_error(&name, INVALID_ENCODING),
                (None, _) => params.add_error("", INVALID_ENCODING),
            }
        }
        params
    }

    /// Takes the optional parameter `name`. Returns `None` if it is absent or invalid.
    pub fn take<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.take_with(name, |text| text.parse().map_err(|_| INVALID_VALUE))
    }

    /// Takes the optional parameter `name`, parsed by `parse`. Returns `None` if it is absent or invalid.
    pub fn take_with<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, ParamError>,
    ) -> Option<T> {
        self.known.push(name.to_owned());
        let value = self.remove_first(name)?;
        if self.remaining.iter().any(|(other, _)| other == name) {
            self.remaining.retain(|(other, _)| other != name);
            self.add_error(name, DUPLICATE);
            return None;
        }
        self.check(name, parse(&value))
    }

    /// Takes the required parameter `name`.
    ///
    /// # Errors
    /// If it is absent or invalid.
    pub fn take_required<T: FromStr>(&mut self, name: &str) -> Result<T, InvalidQuery> {
        let error_count = self.errors.len();
        let value = self.take(name);
        if value.is_none() && self.errors.len() == error_count {
            self.add_error(name, ("required", "is required"));
        }
        value.ok_or(InvalidQuery(()))
    }

    /// Takes every occurrence of the parameter `name`, in order.
    pub fn take_all<T: FromStr>(&mut self, name: &str) -> Vec<T> {
        self.known.push(name.to_owned());
        let mut values = Vec::new();
        while let Some(value) = self.remove_first(name) {
            values.extend(self.check(name, value.parse().map_err(|_| INVALID_VALUE)));
        }
        values
    }

    /// Takes every parameter whose name starts with `prefix`. Returns the rest of each name, which is unique, and the
    /// value.
    pub fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        self.known.push(format!("{prefix}<name>"));
        let (matching, remaining) = std::mem::take(&mut self.remaining)
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| name.starts_with(prefix));
        self.remaining = remaining;
        let mut taken: Vec<(String, String)> = Vec::with_capacity(matching.len());
        for (name, value) in matching {
            let suffix = name.strip_prefix(prefix).unwrap_or_default();
            if suffix.is_empty() {
                self.add_error(&name, UNKNOWN);
            } else if taken.iter().any(|(other, _)| other == suffix) {
                self.add_error(&name, DUPLICATE);
            } else {
                taken.push((suffix.to_owned(), value.into_owned()));
            }
        }
        taken
    }

    /// Ignores all remaining parameters, for operations whose standard requires it.
    pub fn ignore_unknown(&mut self) {
        self.remaining.clear();
    }

    /// Records that the parameter `name` is invalid.
    pub fn add_error(&mut self, name: &str, (code, detail): ParamError) {
        self.add_detailed_error(name, code, detail);
    }

    fn add_detailed_error(
        &mut self,
        name: &str,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) {
        const MAX_CHARS: usize = 100;
        let name: String = name.chars().take(MAX_CHARS).collect();
        self.errors
            .push(FieldError::new(format!("?{name}"), code, detail));
    }

    /// Returns the value, or records the error.
    fn check<T>(&mut self, name: &str, value: Result<T, ParamError>) -> Option<T> {
        value.map_err(|error| self.add_error(name, error)).ok()
    }

    fn remove_first(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let index = self.remaining.iter().position(|(other, _)| other == name)?;
        Some(self.remaining.remove(index).1)
    }

    /// All errors, including one for each parameter that was not taken.
    fn into_errors(mut self) -> Vec<FieldError> {
        self.known.dedup();
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let detail = unknown_detail("parameter", "parameters", &known);
        for (name, _) in std::mem::take(&mut self.remaining) {
            self.add_detailed_error(&name, UNKNOWN_PARAMETER, detail.clone());
        }
        self.errors
    }
}

const INVALID_VALUE: ParamError = ("invalid_value", "is not valid");
const DUPLICATE: ParamError = ("duplicate_parameter", "is given more than once");
const UNKNOWN_PARAMETER: &str = "unknown_parameter";
const UNKNOWN: ParamError = (UNKNOWN_PARAMETER, "is not a supported parameter");
const INVALID_ENCODING: ParamError = (
    "invalid_character",
    "must be percent-encoded UTF-8 without NUL characters",
);

/// Decodes a form-encoded text. Returns `None` for a broken escape, for invalid UTF-8, and for NUL, which PostgreSQL can't
/// store.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let decoded = if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent_decoding::decode(&spaced)?.into_owned())
    } else {
        percent_decoding::decode(text)?
    };
    Some(decoded).filter(|text| !text.contains('\0'))
}

/// The valid query parameters of a request.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T> Query<T> {
    /// The parameters.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Parses a query string.
///
/// # Errors
/// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) with one field error per invalid parameter.
pub fn parse_query<T: FromQuery>(query: &str) -> Result<T, AppError> {
    let mut params = QueryReader::parse(query);
    let value = T::from_query(&mut params);
    match (value, params.into_errors()) {
        (Ok(value), errors) if errors.is_empty() => Ok(value),
        (_, errors) => Err(AppError::invalid_fields(errors)),
    }
}

/// The error for the query of an operation that has no parameters.
#[must_use]
pub fn no_parameters_allowed(query: &str) -> AppError {
    let errors = QueryReader::parse(query).into_errors();
    AppError::invalid_fields(errors)
}

impl<T: FromQuery> FromRequest for Query<T> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse_query(req.query_string()).map(Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq)]
    struct SearchParams {
        user: u32,
        active: Option<bool>,
        query: Option<String>,
        permissions: Vec<String>,
        attributes: Vec<(String, String)>,
    }

    impl FromQuery for SearchParams {
        fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
            Ok(Self {
                active: params.take("isActive"),
                query: params.take("query"),
                permissions: params.take_all("permission"),
                attributes: params.take_prefixed("attr."),
                user: params.take_required("userId")?,
            })
        }
    }

    /// The pointer and code of each error in `query`.
    fn errors(query: &str) -> Vec<(String, &'static str)> {
        let error = parse_query::<SearchParams>(query).unwrap_err();
        let pointer_and_code =
            |error: &FieldError| (error.pointer.clone().into_owned(), error.code);
        error.field_errors().iter().map(pointer_and_code).collect()
    }

    #[test]
    fn known_parameters_are_parsed_by_type() {
        let query =
            "isActive=true&permission=a&userId=7&permission=b&attr.city=K%C3%B6ln+S&attr.x=&query=";
        assert_eq!(
            parse_query::<SearchParams>(query).unwrap(),
            SearchParams {
                user: 7,
                active: Some(true),
                query: Some(String::new()),
                permissions: vec!["a".to_owned(), "b".to_owned()],
                attributes: vec![
                    ("city".to_owned(), "Köln S".to_owned()),
                    ("x".to_owned(), String::new())
                ],
            }
        );
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        assert_eq!(
            errors("isActive=yes&query=a&query=b&attr.k=1&attr.k=2&attr.=3&admin=true"),
            vec![
                ("?isActive".to_owned(), "invalid_value"),
                ("?query".to_owned(), "duplicate_parameter"),
                ("?attr.k".to_owned(), "duplicate_parameter"),
                ("?attr.".to_owned(), "unknown_parameter"),
                ("?userId".to_owned(), "required"),
                ("?admin".to_owned(), "unknown_parameter"),
            ]
        );
        assert_eq!(
            errors("userId=x"),
            vec![("?userId".to_owned(), "invalid_value")]
        );
    }

    #[test]
    fn nul_broken_escapes_and_invalid_utf8_are_rejected() {
        for value in ["%00", "a%00b", "%", "%4", "%zz", "%ff", "%c0%af", "%+1"] {
            assert_eq!(
                errors(&format!("userId=1&query={value}")),
                vec![("?query".to_owned(), "invalid_character")],
                "{value}"
            );
        }
        assert_eq!(
            errors("userId=1&%00=1"),
            vec![("?".to_owned(), "invalid_character")]
        );
    }

    proptest! {
        #[test]
        fn arbitrary_queries_do_not_panic(query in "[ -~]{0,60}") {
            let _ = parse_query::<SearchParams>(&query);
        }

        #[test]
        fn encoded_text_is_decoded_unchanged(text in "\\PC{0,20}") {
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let params = parse_query::<SearchParams>(&format!("userId=1&query={encoded}")).unwrap();
            prop_assert_eq!(params.query, Some(text));
        }
    }
}
