//! Checks of a JSON document that serde does not make: duplicate member names, NUL characters and depth. `serde_json`
//! checks the grammar, UTF-8 and surrogates.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::pointer::push_segment;
use crate::platform::error::FieldError;

const MAX_DEPTH: usize = 32;

/// Checks `text` and returns the first error.
pub fn check(text: &[u8]) -> Result<(), FieldError> {
    let violation = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let visitor = StrictVisitor {
        depth: 0,
        violation: &violation,
    };
    match visitor
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
    {
        Ok(()) => Ok(()),
        Err(error) => Err(match violation.into_inner() {
            Some(violation) => violation.into_field_error(),
            None => malformed(&error),
        }),
    }
}

/// Syntax errors of `serde_json` contain the expectation and the position, but no part of the document.
fn malformed(error: &serde_json::Error) -> FieldError {
    FieldError::new("", "malformed_json", error.to_string())
}

/// A violated rule.
struct Violation {
    code: &'static str,
    detail: &'static str,
    /// The path to the violation, innermost segment first.
    reversed_path: Vec<String>,
}

impl Violation {
    fn into_field_error(self) -> FieldError {
        let mut pointer = String::new();
        for name in self.reversed_path.iter().rev() {
            push_segment(&mut pointer, name);
        }
        FieldError::new(pointer, self.code, self.detail)
    }
}

/// Checks every value of a document. A serde error cannot contain a [`Violation`], so the visitor stores the violation here.
#[derive(Clone, Copy)]
struct StrictVisitor<'a> {
    depth: usize,
    violation: &'a RefCell<Option<Violation>>,
}

impl StrictVisitor<'_> {
    fn reject<E: Error>(self, code: &'static str, detail: &'static str) -> E {
        self.violation.replace(Some(Violation {
            code,
            detail,
            reversed_path: Vec::new(),
        }));
        E::custom(code)
    }

    fn check_text<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(self.reject("invalid_character", "must not contain NUL characters"));
        }
        Ok(())
    }

    /// The visitor for the next level.
    fn nested<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.reject("too_deep", "must be at most 32 levels deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    /// Adds a segment to the path of the violation while an error propagates.
    fn add_path_segment<E>(self, name: impl FnOnce() -> String) -> impl FnOnce(E) -> E {
        move |error| {
            if let Some(violation) = self.violation.borrow_mut().as_mut() {
                violation.reversed_path.push(name());
            }
            error
        }
    }
}

impl<'de> DeserializeSeed<'de> for StrictVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.check_text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        // serde would accept an array as the fields of a struct, in order.
        if self.depth == 0 {
            return Err(self.reject("invalid_type", "must be an object"));
        }
        let nested = self.nested()?;
        let mut index = 0_usize;
        while items
            .next_element_seed(nested)
            .map_err(self.add_path_segment(|| index.to_string()))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let nested = self.nested()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key_seed(MemberName)? {
            self.check_text(&name)?;
            if names.contains(&name) {
                let error = self.reject("duplicate_member", "is given more than once");
                return Err(self.add_path_segment(|| name.into_owned())(error));
            }
            members
                .next_value_seed(nested)
                .map_err(self.add_path_segment(|| name.to_string()))?;
            names.insert(name);
        }
        Ok(())
    }
}

/// Reads a member name, which is borrowed from the document unless it contains escapes.
struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MemberName {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
