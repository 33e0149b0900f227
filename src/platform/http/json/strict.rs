//! One walk over a document before it is deserialized, for what serde lets pass: names said twice, NUL characters,
//! great depth. Grammar, UTF-8 and surrogates are `serde_json`'s own work.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::push_segment;
use crate::platform::error::Fault;

/// The deepest nesting that is accepted.
const DEEPEST: usize = 32;

/// Finds the first thing in `text` that makes it no document of ours.
pub fn check(text: &[u8]) -> Result<(), Fault> {
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let walk = Walk {
        depth: 0,
        found: &found,
    };
    match walk.deserialize(&mut reader).and_then(|()| reader.end()) {
        Ok(()) => Ok(()),
        Err(error) => Err(match found.into_inner() {
            Some(found) => found.into_fault(),
            None => malformed(&error),
        }),
    }
}

/// A syntax error of `serde_json` says what it expected and where, and quotes nothing.
fn malformed(error: &serde_json::Error) -> Fault {
    Fault::new("", "malformed_json", error.to_string())
}

/// What was found, and the way to it, innermost first.
struct Found {
    code: &'static str,
    detail: &'static str,
    way: Vec<String>,
}

impl Found {
    fn into_fault(self) -> Fault {
        let mut pointer = String::new();
        for name in self.way.iter().rev() {
            push_segment(&mut pointer, name);
        }
        Fault::new(pointer, self.code, self.detail)
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    depth: usize,
    found: &'a RefCell<Option<Found>>,
}

impl Walk<'_> {
    fn refuse<E: Error>(self, code: &'static str, detail: &'static str) -> E {
        let way = Vec::new();
        self.found.replace(Some(Found { code, detail, way }));
        E::custom(code)
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(self.refuse("invalid_character", "may not contain NUL"));
        }
        Ok(())
    }

    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            return Err(self.refuse("too_deep", "at most 32 levels deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    /// Notes, on the way out, through which member an error came.
    fn came_through<E>(self, name: impl FnOnce() -> String) -> impl FnOnce(E) -> E {
        move |error| {
            if let Some(found) = self.found.borrow_mut().as_mut() {
                found.way.push(name());
            }
            error
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
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
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        // serde would take its items for the members of a struct, in order.
        if self.depth == 0 {
            return Err(self.refuse("invalid_type", "expected an object"));
        }
        let inside = self.inside()?;
        let mut index = 0_usize;
        while items
            .next_element_seed(inside)
            .map_err(self.came_through(|| index.to_string()))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key_seed(Name)? {
            self.text(&name)?;
            if names.contains(&name) {
                let error = self.refuse("duplicate_member", "is said more than once");
                return Err(self.came_through(|| name.into_owned())(error));
            }
            members
                .next_value_seed(inside)
                .map_err(self.came_through(|| name.to_string()))?;
            names.insert(name);
        }
        Ok(())
    }
}

/// A member's name, borrowed from the document unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
