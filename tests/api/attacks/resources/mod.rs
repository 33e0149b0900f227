//! Attacks on memory, connections and the framing of requests, against the real binary.

mod exhaustion;
mod replica_replacement;
mod request_smuggling;

use crate::support::{Schema, binary};

const ME: &str = "/api/v1/auth/me";
const PASSWORD: &str = "seven green lanterns at noon";

/// Settings for this schema, with two worker and hash threads and an initial administrator.
fn settings(schema: &Schema) -> Vec<(String, String)> {
    let mut settings = binary::database_settings(schema);
    for (name, value) in [
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "admin"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
        ("ROSTERD_LOG", "warn"),
        ("ROSTERD_WORKERS", "2"),
        ("ROSTERD_HASH_THREADS", "2"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    settings
}
