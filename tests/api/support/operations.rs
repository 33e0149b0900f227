//! Every operation of the API document, as the tests that leave none out go through them.

use std::sync::OnceLock;

use serde_json::Value;

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub id: String,
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// Whether it says of itself that it needs no caller.
    pub is_public: bool,
    /// All that the document says of it.
    pub said: Value,
}

/// The API document as JSON.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_value(rosterd::server::openapi::document()).unwrap())
}

/// All operations, in the order of the document.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(read)
}

fn read() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, said) in item.as_object().unwrap() {
            let anybody = serde_json::json!({});
            let ways = said["security"].as_array();
            operations.push(Operation {
                id: said["operationId"].as_str().unwrap_or_default().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                is_public: ways.is_some_and(|ways| ways.contains(&anybody)),
                said: said.clone(),
            });
        }
    }
    operations
}
