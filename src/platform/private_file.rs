//! Files that contain secrets. A secret key is read only from a file that no other user can change; new files have mode 600.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::process::geteuid;
use zeroize::Zeroizing;

/// The mode bits that let the group and other users write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Reads a file that only root, the user of this process and `additional_owner` can change.
///
/// # Errors
/// The file cannot be read, belongs to another user, or can be written by others. The last two are
/// [`io::ErrorKind::Other`], with a message for the operator that does not contain the path.
pub fn read_unchangeable_by_others(
    path: &Path,
    additional_owner: Option<u32>,
) -> io::Result<Zeroizing<String>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        check_owner_and_mode(metadata.uid(), metadata.mode(), additional_owner)?;
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn check_owner_and_mode(owner: u32, mode: u32, additional_owner: Option<u32>) -> io::Result<()> {
    let own = geteuid().as_raw();
    if ![0, own].contains(&owner) && Some(owner) != additional_owner {
        return Err(io::Error::other(format!(
            "the file belongs to the user with uid {owner}, who can replace its content; run `chown {own}` on it"
        )));
    }
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(io::Error::other(format!(
            "other users can write to the file (mode {:o}); run `chmod 600` on it",
            mode & 0o777
        )));
    }
    Ok(())
}

/// Writes the text to a new file of mode 600.
///
/// # Errors
/// The file exists or cannot be written.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_another_user_or_writable_by_others_is_refused() {
        let own = geteuid().as_raw();
        let check = |owner, mode| check_owner_and_mode(owner, mode, Some(4242));
        for mode in [0o100_600, 0o100_400, 0o100_640, 0o100_444] {
            for owner in [own, 0, 4242] {
                check(owner, mode).unwrap();
            }
        }
        for mode in [0o100_620, 0o100_602, 0o100_666] {
            let message = check(own, mode).unwrap_err().to_string();
            assert!(message.contains("chmod 600"), "{message}");
        }
        let message = check(own + 1, 0o100_600).unwrap_err().to_string();
        assert!(message.contains("chown"), "{message}");
    }
}
