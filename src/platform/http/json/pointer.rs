//! Building JSON pointers (RFC 6901).

/// Appends a member name to a JSON pointer (RFC 6901, section 3). A very long pointer is truncated.
pub fn push_segment(pointer: &mut String, name: &str) {
    const MAX_LEN: usize = 256;
    pointer.push('/');
    for c in name.chars() {
        if pointer.len() >= MAX_LEN {
            pointer.push('…');
            return;
        }
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}
