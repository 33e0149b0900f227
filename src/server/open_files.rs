//! Raises the limit on open files. Many systems start services with a soft limit of 1,024, which a few hundred idle
//! connections would use up.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of the process to its hard limit. On failure the limit stays as it is.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "can't raise the limit on open files");
    }
}
