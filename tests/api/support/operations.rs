//! The operations of the OpenAPI document, for tests that cover every operation.

use std::sync::OnceLock;

use serde_json::Value;

/// One operation of the OpenAPI document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The `operationId`.
    pub id: String,
    /// In upper case.
    pub method: String,
    /// The path template, with parameters in braces.
    pub path: String,
    /// Whether the document says that the operation needs no authentication.
    pub is_public: bool,
    /// The operation object of the document.
    pub definition: Value,
}

/// The OpenAPI document as JSON.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_value(rosterd::server::openapi::document()).unwrap())
}

/// All operations, in the order of the document.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(read_operations)
}

fn read_operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, definition) in item.as_object().unwrap() {
            let schemes = definition["security"].as_array().unwrap();
            operations.push(Operation {
                id: definition["operationId"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                is_public: schemes.is_empty() || schemes.contains(&serde_json::json!({})),
                definition: definition.clone(),
            });
        }
    }
    operations
}
