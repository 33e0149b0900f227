//! The changed fields of a resource, before and after, as an audit entry stores them.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The changed fields of a resource: their old values and their new values.
#[derive(Debug, Default)]
pub struct FieldDiff {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl FieldDiff {
    /// The fields that differ between two versions of a resource. Both must have the same field names.
    #[must_use]
    pub fn between(mut before: Map<String, Value>, mut after: Map<String, Value>) -> Self {
        before.retain(|name, value| after.get(name) != Some(value));
        after.retain(|name, _| before.contains_key(name));
        Self { before, after }
    }

    /// Adds a field that is set to `after`. `None` means that the field is not written: nothing is added.
    pub fn add<T: Serialize>(&mut self, name: &str, before: &T, after: Option<&T>) {
        if let Some(after) = after {
            self.before.insert(name.to_owned(), json!(before));
            self.after.insert(name.to_owned(), json!(after));
        }
    }

    /// Whether no field was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.after.is_empty()
    }

    /// The old values and the new values, as JSON objects.
    #[must_use]
    pub fn into_values(self) -> (Value, Value) {
        (Value::Object(self.before), Value::Object(self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn between_keeps_only_the_fields_that_differ() {
        let before = fields(&json!({"name": "a", "rank": 1, "isActive": null}));
        let after = fields(&json!({"name": "a", "rank": 2, "isActive": true}));
        let expected = (
            json!({"rank": 1, "isActive": null}),
            json!({"rank": 2, "isActive": true}),
        );
        assert_eq!(FieldDiff::between(before, after).into_values(), expected);
    }

    #[test]
    fn add_ignores_fields_that_are_not_written() {
        let mut diff = FieldDiff::default();
        diff.add("role", &"User", None);
        assert!(diff.is_empty());
        diff.add("role", &"User", Some(&"Admin"));
        let expected = (json!({"role": "User"}), json!({"role": "Admin"}));
        assert_eq!(diff.into_values(), expected);
    }
}
