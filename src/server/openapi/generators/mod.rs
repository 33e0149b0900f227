//! Gives the document the form that client generators understand: one name for each schema, closed request bodies, and
//! responses to which values can be added later.

mod operations;
mod schemas;

use utoipa::openapi::OpenApi;

/// Adapts the document that utoipa derived from the code.
pub fn adapt(document: &mut OpenApi) {
    schemas::adapt(document);
    operations::adapt(document);
}
