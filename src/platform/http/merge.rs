//! PATCH as RFC 7396 means it: absent keeps, `null` clears, a value sets.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use validator::{ValidateEmail, ValidateLength};

use crate::platform::error::{Fault, Faults};

/// What a merge patch says of one nullable member. Wants `#[serde(default)]`: an absent member is `Keep`.
///
/// A member that can't be null is `Option<T>` with `deserialize_with = "merge::not_null"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not mentioned.
    #[default]
    Keep,
    /// Said to be `null`.
    Clear,
    /// Given a value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The new value, if one was given.
    #[must_use]
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// Turns the value that was given into another, or says why it can't be.
    ///
    /// # Errors
    /// Whatever `parse` says.
    pub fn try_map<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(parse(value)?),
        })
    }

    /// What the member is afterwards.
    #[must_use]
    pub fn onto(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The new value of a member that can't be cleared, or a note of what is wrong with it at `pointer`.
    pub fn required<U, E: Into<(&'static str, Cow<'static, str>)>>(
        self,
        faults: &mut Faults,
        pointer: &'static str,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match self {
            Self::Keep => None,
            Self::Clear => {
                faults.add(Fault::new(pointer, "required", "this can't be cleared"));
                None
            }
            Self::Set(value) => faults.take(pointer, parse(value)),
        }
    }

    /// `None` to leave the column alone, `Some` for what to write into it.
    #[must_use]
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Clear, Self::Set))
    }
}

/// Only because a validation error carries the value that it is about.
impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given().serialize(serializer)
    }
}

impl<T: ValidateLength<u64>> ValidateLength<u64> for Patch<T> {
    fn length(&self) -> Option<u64> {
        self.given().and_then(ValidateLength::length)
    }
}

impl<T: ValidateEmail> ValidateEmail for Patch<T> {
    fn as_email_string(&self) -> Option<Cow<'_, str>> {
        self.given().and_then(ValidateEmail::as_email_string)
    }
}

/// What the derive macro asks of a generic type; it makes `Patch<T>` a `PartialSchema` too.
impl<T> ComposeSchema for Patch<T>
where
    Option<T>: ComposeSchema,
{
    fn compose(generics: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        <Option<T>>::compose(generics)
    }
}

impl<T: ToSchema> ToSchema for Patch<T>
where
    Option<T>: ComposeSchema,
{
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

/// Reads a member that may be absent and may not be `null`; wants `#[serde(default)]` beside it.
///
/// # Errors
/// When the value is no `T`, `null` above all.
pub fn not_null<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Applies a merge patch to a document (RFC 7396, section 2).
pub fn merge_json(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (name, change) in patch {
        if change.is_null() {
            target.remove(name);
        } else {
            merge_json(target.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use utoipa::PartialSchema;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Change {
        #[serde(default)]
        display_name: Patch<String>,
        #[serde(default, deserialize_with = "not_null")]
        username: Option<String>,
    }

    fn read(body: Value) -> Result<Change, serde_json::Error> {
        serde_json::from_value(body)
    }

    #[test]
    fn absent_keeps_null_clears_and_a_value_sets() {
        let current = || Some("Ada".to_owned());
        let after = |body| read(body).unwrap().display_name.onto(current());
        assert_eq!(after(json!({})), current());
        assert_eq!(after(json!({"displayName": null})), None);
        assert_eq!(after(json!({"displayName": "Bea"})), Some("Bea".to_owned()));
    }

    #[test]
    fn what_can_not_be_null_refuses_it() {
        assert_eq!(read(json!({})).unwrap().username, None);
        assert_eq!(
            read(json!({"username": "ada"}))
                .unwrap()
                .username
                .as_deref(),
            Some("ada")
        );
        assert!(read(json!({"username": null})).is_err());
    }

    #[test]
    fn a_change_of_a_column_tells_the_three_apart() {
        assert_eq!(Patch::<i32>::Keep.into_change(), None);
        assert_eq!(Patch::<i32>::Clear.into_change(), Some(None));
        assert_eq!(Patch::Set(1).into_change(), Some(Some(1)));
    }

    #[test]
    fn the_schema_is_that_of_a_nullable_value() {
        let schema = serde_json::to_value(Patch::<String>::schema()).unwrap();
        assert_eq!(
            schema,
            serde_json::to_value(<Option<String>>::schema()).unwrap()
        );
    }

    /// RFC 7396, appendix A, whole.
    #[test]
    fn documents_merge_as_the_standard_lists() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            let mut merged = target.clone();
            merge_json(&mut merged, &patch);
            assert_eq!(merged, result, "{target} with {patch}");
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        })
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(mut target in document(), patch in document()) {
            merge_json(&mut target, &patch);
            let once = target.clone();
            merge_json(&mut target, &patch);
            prop_assert_eq!(target, once);
        }
    }
}
