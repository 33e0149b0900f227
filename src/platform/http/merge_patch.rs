//! JSON merge patch (RFC 7396): an absent member is kept, `null` clears it, and a value sets it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
// The only name of the trait that `utoipa::path` requires of generic bodies.
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use validator::ValidateLength;

use crate::platform::error::{FieldError, FieldErrors};

/// One member of a merge patch. Needs `#[serde(default)]`, so that an absent member is `Keep`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PatchField<T> {
    /// The member is absent.
    #[default]
    Keep,
    /// The member is `null`.
    Clear,
    /// The member has a value.
    Set(T),
}

impl<T> PatchField<T> {
    /// Whether the member is absent.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The new value, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// Parses the new value of a member that can't be cleared. Records an error at `pointer` if the member is `null` or
    /// invalid.
    pub fn parse_required<U, E: Into<(&'static str, Cow<'static, str>)>>(
        self,
        errors: &mut FieldErrors,
        pointer: &'static str,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match self {
            Self::Keep => None,
            Self::Clear => {
                errors.push(FieldError::new(pointer, "required", "must not be null"));
                None
            }
            Self::Set(value) => errors.check(pointer, parse(value)),
        }
    }

    /// The column update for diesel: `None` keeps the column, `Some` is its new value.
    #[must_use]
    pub fn into_update(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PatchField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Clear, Self::Set))
    }
}

/// Required by `validator`, whose errors contain the validated value.
impl<T: Serialize> Serialize for PatchField<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<T: ValidateLength<u64>> ValidateLength<u64> for PatchField<T> {
    fn length(&self) -> Option<u64> {
        self.value().and_then(ValidateLength::length)
    }
}

/// Required by the derive macro for generic types. It also implements `PartialSchema`.
impl<T> ComposeSchema for PatchField<T>
where
    Option<T>: ComposeSchema,
{
    fn compose(generics: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        <Option<T>>::compose(generics)
    }
}

impl<T: ToSchema> ToSchema for PatchField<T>
where
    Option<T>: ComposeSchema,
{
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

/// Applies a merge patch to a JSON document (RFC 7396, section 2).
pub fn apply_merge_patch(target: &mut Value, patch: &Value) {
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
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            apply_merge_patch(target.entry(name).or_insert(Value::Null), value);
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
    struct NamePatch {
        #[serde(default)]
        display_name: PatchField<String>,
    }

    fn display_name(body: Value) -> PatchField<String> {
        let patch: NamePatch = serde_json::from_value(body).unwrap();
        patch.display_name
    }

    #[test]
    fn absent_null_and_value_are_distinguished() {
        assert_eq!(display_name(json!({})), PatchField::Keep);
        assert_eq!(
            display_name(json!({"displayName": null})),
            PatchField::Clear
        );
        assert_eq!(
            display_name(json!({"displayName": "Bea"})),
            PatchField::Set("Bea".to_owned())
        );
    }

    #[test]
    fn required_member_rejects_null_and_invalid_values() {
        let parse = |text: &str| text.parse::<u8>().map_err(|_| ("invalid_value", "".into()));
        let check = |field: PatchField<&'static str>| {
            let mut errors = FieldErrors::default();
            let value = field.parse_required(&mut errors, "/age", parse);
            errors
                .into_result(Some(value))
                .map_err(|error| error.field_errors()[0].code)
        };
        assert_eq!(check(PatchField::Keep), Ok(None));
        assert_eq!(check(PatchField::Set("7")), Ok(Some(7)));
        assert_eq!(check(PatchField::Clear), Err("required"));
        assert_eq!(check(PatchField::Set("x")), Err("invalid_value"));
    }

    #[test]
    fn column_update_distinguishes_keep_clear_and_set() {
        assert_eq!(PatchField::<i32>::Keep.into_update(), None);
        assert_eq!(PatchField::<i32>::Clear.into_update(), Some(None));
        assert_eq!(PatchField::Set(1).into_update(), Some(Some(1)));
    }

    #[test]
    fn schema_is_that_of_an_option() {
        let schema = serde_json::to_value(PatchField::<String>::schema()).unwrap();
        assert_eq!(
            schema,
            serde_json::to_value(<Option<String>>::schema()).unwrap()
        );
    }

    /// All examples of RFC 7396, appendix A.
    #[test]
    fn documents_are_merged_as_in_the_rfc() {
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
            apply_merge_patch(&mut merged, &patch);
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
        fn applying_a_patch_is_idempotent(mut target in document(), patch in document()) {
            apply_merge_patch(&mut target, &patch);
            let once = target.clone();
            apply_merge_patch(&mut target, &patch);
            prop_assert_eq!(target, once);
        }
    }
}
