//! `Query<T>`: the parameters of an address, each asked for by name and type; what nobody asked for is refused.
//! Deserializing with serde can't both take open-ended names (`attr.<name>`) and refuse unknown ones, so this does not.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::percent;
use crate::platform::error::{AppError, Fault};

/// What the parameters of an address mean to one operation.
pub trait FromQuery: Sized {
    /// Takes from `params` all that there may be.
    ///
    /// # Errors
    /// Only through [`Params::need`]; every other fault is noted in `params`, so that all are reported at once.
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted>;
}

/// Proof that a fault was noted in the [`Params`].
#[derive(Debug)]
pub struct Noted(());

/// What is wrong with one parameter: a stable code and a sentence.
pub type Wrong = (&'static str, &'static str);

/// The parameters that nobody has taken yet, and what was wrong with the others.
pub struct Params<'a> {
    left: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    faults: Vec<Fault>,
}

impl<'a> Params<'a> {
    fn parse(query: &'a str) -> Self {
        let mut params = Self {
            left: Vec::new(),
            faults: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => params.left.push((name, value)),
                (Some(name), None) => params.note(&name, UNREADABLE),
                (None, _) => params.note("", UNREADABLE),
            }
        }
        params
    }

    /// The parameter `name`, if it is there and is a `T`.
    pub fn take<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.take_with(name, |text| text.parse().map_err(|_| INVALID))
    }

    /// The parameter `name`, if it is there and `parse` accepts it.
    pub fn take_with<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.remove(name)?;
        if self.left.iter().any(|(other, _)| other == name) {
            self.left.retain(|(other, _)| other != name);
            self.note(name, DUPLICATE);
            return None;
        }
        self.accept(name, parse(&value))
    }

    /// The parameter `name`, which must be there.
    ///
    /// # Errors
    /// When it is not, or is no `T`.
    pub fn need<T: FromStr>(&mut self, name: &str) -> Result<T, Noted> {
        let before = self.faults.len();
        let value = self.take(name);
        if value.is_none() && self.faults.len() == before {
            self.note(name, ("required", "is required"));
        }
        value.ok_or(Noted(()))
    }

    /// Every value of the parameter `name`, in order.
    pub fn take_many<T: FromStr>(&mut self, name: &str) -> Vec<T> {
        let mut values = Vec::new();
        while let Some(value) = self.remove(name) {
            values.extend(self.accept(name, value.parse().map_err(|_| INVALID)));
        }
        values
    }

    /// Every parameter whose name begins with `prefix`: what follows it, and the value. No name comes twice.
    pub fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (matching, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| name.starts_with(prefix));
        self.left = left;
        let mut taken: Vec<(String, String)> = Vec::with_capacity(matching.len());
        for (name, value) in matching {
            let rest = name.strip_prefix(prefix).unwrap_or_default();
            if rest.is_empty() {
                self.note(&name, UNKNOWN);
            } else if taken.iter().any(|(other, _)| other == rest) {
                self.note(&name, DUPLICATE);
            } else {
                taken.push((rest.to_owned(), value.into_owned()));
            }
        }
        taken
    }

    /// Lets the others be whatever they are, where a standard says so.
    pub fn ignore_others(&mut self) {
        self.left.clear();
    }

    /// Notes that the parameter `name` is wrong.
    pub fn note(&mut self, name: &str, (code, detail): Wrong) {
        // An absurdly long name is not repeated whole.
        let shown: String = name.chars().take(100).collect();
        self.faults
            .push(Fault::new(format!("?{shown}"), code, detail));
    }

    fn accept<T>(&mut self, name: &str, value: Result<T, Wrong>) -> Option<T> {
        value.map_err(|wrong| self.note(name, wrong)).ok()
    }

    fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let index = self.left.iter().position(|(other, _)| other == name)?;
        Some(self.left.remove(index).1)
    }

    /// All that is wrong, now that everything known has been taken.
    fn into_faults(mut self) -> Vec<Fault> {
        for (name, _) in std::mem::take(&mut self.left) {
            self.note(&name, UNKNOWN);
        }
        self.faults
    }
}

const INVALID: Wrong = ("invalid_value", "is not valid");
const DUPLICATE: Wrong = ("duplicate_parameter", "is given more than once");
const UNKNOWN: Wrong = ("unknown_parameter", "is not a parameter that is known here");
const UNREADABLE: Wrong = (
    "invalid_character",
    "is not percent-encoded UTF-8 without NUL",
);

/// Undoes what forms do to a text; `None` for what is not readable, and for NUL, which the database can't store.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let decoded = if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent::decode(&spaced)?.into_owned())
    } else {
        percent::decode(text)?
    };
    Some(decoded).filter(|text| !text.contains('\0'))
}

/// The parameters of the address, all known and all valid.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T> Query<T> {
    /// What was read.
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

/// Reads the query part of an address.
///
/// # Errors
/// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) with one fault for each parameter that is wrong.
pub fn parse<T: FromQuery>(query: &str) -> Result<T, AppError> {
    let mut params = Params::parse(query);
    let value = T::from_query(&mut params);
    match (value, params.into_faults()) {
        (Ok(value), faults) if faults.is_empty() => Ok(value),
        (_, faults) => Err(AppError::invalid(faults)),
    }
}

impl<T: FromQuery> FromRequest for Query<T> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(req.query_string()).map(Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq)]
    struct Search {
        user: u32,
        active: Option<bool>,
        query: Option<String>,
        permissions: Vec<String>,
        attributes: Vec<(String, String)>,
    }

    impl FromQuery for Search {
        fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
            Ok(Self {
                active: params.take("isActive"),
                query: params.take("query"),
                permissions: params.take_many("permission"),
                attributes: params.take_prefixed("attr."),
                user: params.need("userId")?,
            })
        }
    }

    fn wrong(query: &str) -> Vec<(String, &'static str)> {
        let error = parse::<Search>(query).unwrap_err();
        let fault = |fault: &Fault| (fault.pointer.clone().into_owned(), fault.code);
        error.faults().iter().map(fault).collect()
    }

    #[test]
    fn everything_known_is_taken_by_its_type() {
        let query =
            "isActive=true&permission=a&userId=7&permission=b&attr.city=K%C3%B6ln+S&attr.x=&query=";
        assert_eq!(
            parse::<Search>(query).unwrap(),
            Search {
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
    fn all_faults_are_reported_at_once() {
        assert_eq!(
            wrong("isActive=yes&query=a&query=b&attr.k=1&attr.k=2&attr.=3&admin=true"),
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
            wrong("userId=x"),
            vec![("?userId".to_owned(), "invalid_value")]
        );
    }

    #[test]
    fn nul_broken_escapes_and_bad_utf8_are_refused() {
        for value in ["%00", "a%00b", "%", "%4", "%zz", "%ff", "%c0%af", "%+1"] {
            assert_eq!(
                wrong(&format!("userId=1&query={value}")),
                vec![("?query".to_owned(), "invalid_character")],
                "{value}"
            );
        }
        assert_eq!(
            wrong("userId=1&%00=1"),
            vec![("?".to_owned(), "invalid_character")]
        );
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "[ -~]{0,60}") {
            let _ = parse::<Search>(&query);
        }

        #[test]
        fn what_is_encoded_is_what_is_read(text in "\\PC{0,20}") {
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let search = parse::<Search>(&format!("userId=1&query={encoded}")).unwrap();
            prop_assert_eq!(search.query, Some(text));
        }
    }
}
