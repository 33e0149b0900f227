//! The explanation for pages whose origin is not allowed.

/// The detail for an `Origin` that is neither that of the service nor in `ROSTERD_CORS_ORIGINS`.
#[must_use]
pub fn unlisted_origin(origin: &str) -> String {
    const MAX_CHARS: usize = 100;
    let is_plain = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\');
    let shown: String = origin.chars().filter(is_plain).take(MAX_CHARS).collect();
    format!("The origin {shown} is not allowed. The operator can add it to ROSTERD_CORS_ORIGINS.")
}
