//! The users of the operating system, as `/etc/passwd` lists them (passwd(5)).

use std::fs;

const PASSWD_FILE: &str = "/etc/passwd";

/// The user id of this process.
#[must_use]
pub fn current_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The name of this user id, or the number if `/etc/passwd` does not list it.
#[must_use]
pub fn name_of(uid: u32) -> String {
    let passwd = fs::read_to_string(PASSWD_FILE).unwrap_or_default();
    let mut entries = passwd.lines().filter_map(parse_line);
    let entry = entries.find(|(_, entry_uid, _)| *entry_uid == uid);
    entry.map_or_else(|| uid.to_string(), |(name, ..)| name.to_owned())
}

/// The user id and group id of the user with this name.
#[must_use]
pub fn find(name: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string(PASSWD_FILE).ok()?;
    let mut entries = passwd.lines().filter_map(parse_line);
    let (_, uid, gid) = entries.find(|(entry_name, ..)| *entry_name == name)?;
    Some((uid, gid))
}

/// The name, user id and group id in a line.
fn parse_line(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((
        name,
        fields.nth(1)?.parse().ok()?,
        fields.next()?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_gives_name_uid_and_gid() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        assert_eq!(parse_line(line), Some(("postgres", 101, 104)));
        assert_eq!(
            parse_line("nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false"),
            None
        );
        assert_eq!(parse_line("# a comment"), None);
        assert_eq!(name_of(0), "root");
    }
}
