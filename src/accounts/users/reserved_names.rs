//! Usernames that are refused, because they look like the name of something else.

/// Usernames that could be confused with something else.
const RESERVED: [&str; 16] = [
    "me",
    "system",
    "null",
    "undefined",
    "anonymous",
    "nobody",
    "everyone",
    "all",
    "none",
    "root",
    "rosterd",
    "self",
    "guest",
    "unknown",
    "true",
    "false",
];

/// Names of privileged accounts. They may be used, but no other name may look like one of them.
const PRIVILEGED: [&str; 3] = ["admin", "administrator", "superadmin"];

/// Whether a name can be mistaken for a reserved or privileged name, such as `r00t` or `ad-min`. Also true for a reserved
/// name itself.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    let own_skeleton = skeleton(name);
    !PRIVILEGED.contains(&name)
        && RESERVED
            .iter()
            .chain(&PRIVILEGED)
            .any(|reserved| skeleton(reserved) == own_skeleton)
}

/// The name without separators, with one letter for all characters that look alike.
fn skeleton(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let joined: String = letters
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            other => other,
        })
        .collect();
    joined.replace("rn", "m").replace("vv", "w")
}
