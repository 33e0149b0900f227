//! Looks up passwords in an offline list of breached passwords: the file that the downloader of Have I Been Pwned writes, with
//! one line `HASH:COUNT` for each password, sorted by the SHA-1 hash in hexadecimal. The file is searched in place, because
//! the complete list has tens of gigabytes; a lookup reads about 40 short blocks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use thiserror::Error;

use super::password::Password;

/// The length of a SHA-1 hash in hexadecimal.
const HASH_LENGTH: usize = 40;

/// Longer than two lines: a hash, a colon, a count and a line end.
const BLOCK_LENGTH: u64 = 160;

/// An opened list. It is read while the service runs; a new version needs a restart.
#[derive(Debug)]
pub struct BreachedPasswords {
    file: File,
    length: u64,
}

/// Why a file can't be used.
#[derive(Debug, Error)]
pub enum InvalidBreachedPasswords {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first or the last line has another form, or they are not in order.
    #[error("the file must have lines of the form HASH:COUNT with SHA-1 hashes, sorted by hash")]
    Format,
}

impl BreachedPasswords {
    /// Opens a list, and checks its first and last line.
    ///
    /// # Errors
    /// If the file cannot be read or has another format.
    pub fn open(path: &Path) -> Result<Self, InvalidBreachedPasswords> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let opened = Self { file, length };
        let invalid = || InvalidBreachedPasswords::Format;
        let first_hash = opened.hash_at(0)?.ok_or_else(invalid)?;
        let last_hash = opened.hash_at(opened.last_line_start()?)?;
        if last_hash.is_none_or(|last_hash| last_hash < first_hash) {
            return Err(invalid());
        }
        Ok(opened)
    }

    /// Whether the list contains the password. The file is read on a blocking thread.
    ///
    /// # Errors
    /// If the file cannot be read, or has a line of another form.
    pub async fn contains(self: Arc<Self>, password: Password) -> io::Result<bool> {
        let lookup = tokio::task::spawn_blocking(move || self.contains_blocking(&password));
        lookup.await.map_err(io::Error::other)?
    }

    fn contains_blocking(&self, password: &Password) -> io::Result<bool> {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_str().as_bytes());
        self.contains_hash(&hex::encode_upper(hash))
    }

    /// Binary search by byte positions. The line with the hash, if there is one, starts at `low` or later and before `high`.
    fn contains_hash(&self, hash: &str) -> io::Result<bool> {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            let line = self.next_line_start(middle)?;
            if line >= high {
                high = middle;
                continue;
            }
            let found = self.hash_at(line)?.ok_or_else(invalid_line)?;
            match found.as_str().cmp(hash) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = line + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// The first position, from `position`, at which a line starts; the end of the file if there is none.
    fn next_line_start(&self, position: u64) -> io::Result<u64> {
        let Some(before) = position.checked_sub(1) else {
            return Ok(0);
        };
        let block = self.read(before)?;
        match block.iter().position(|byte| *byte == b'\n') {
            Some(newline) => {
                Ok(position.saturating_add(u64::try_from(newline).unwrap_or(u64::MAX)))
            }
            None if before.saturating_add(BLOCK_LENGTH) >= self.length => Ok(self.length),
            None => Err(invalid_line()),
        }
    }

    /// The position at which the last line starts.
    fn last_line_start(&self) -> io::Result<u64> {
        let mut start = self.next_line_start(self.length.saturating_sub(BLOCK_LENGTH))?;
        loop {
            let next = self.next_line_start(start + 1)?;
            if next >= self.length {
                return Ok(start);
            }
            start = next;
        }
    }

    /// The hash of the line at this position, in upper case; `None` if the line has another form.
    fn hash_at(&self, position: u64) -> io::Result<Option<String>> {
        let block = self.read(position)?;
        let hash = block
            .split_at_checked(HASH_LENGTH)
            .and_then(|(hash, rest)| {
                let is_complete = matches!(rest.first(), None | Some(b':' | b'\r' | b'\n'));
                let is_hash = is_complete && hash.iter().all(u8::is_ascii_hexdigit);
                is_hash.then(|| String::from_utf8_lossy(hash).to_ascii_uppercase())
            });
        Ok(hash)
    }

    /// The bytes at this position: [`BLOCK_LENGTH`], or fewer at the end of the file.
    fn read(&self, position: u64) -> io::Result<Vec<u8>> {
        let length = self.length.saturating_sub(position).min(BLOCK_LENGTH);
        let mut block = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut block, position)?;
        Ok(block)
    }
}

fn invalid_line() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the list of breached passwords has a line of another form",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this text, which is deleted when the value is dropped.
    struct TempFile(std::path::PathBuf);

    impl TempFile {
        fn new(text: &str) -> Self {
            let name = format!("rosterd-breached-{}", uuid::Uuid::new_v4());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn open(&self) -> Result<BreachedPasswords, InvalidBreachedPasswords> {
            BreachedPasswords::open(&self.0)
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn sha1(text: &str) -> String {
        hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
    }

    /// A list of `password 0` to `password {count - 1}`.
    fn list(count: usize, line_end: &str) -> String {
        let mut hashes: Vec<String> = (0..count).map(|n| sha1(&format!("password {n}"))).collect();
        hashes.sort_unstable();
        let line = |(n, hash): (usize, &String)| format!("{hash}:{}{line_end}", n * n + 1);
        hashes.iter().enumerate().map(line).collect()
    }

    #[test]
    fn every_listed_password_is_found_and_no_other() {
        for line_end in ["\n", "\r\n"] {
            for count in [1, 2, 3, 10, 1_000] {
                let file = TempFile::new(&list(count, line_end));
                let breached = file.open().unwrap();
                for n in 0..count + 100 {
                    let password = Password::new(format!("password {n}"));
                    assert_eq!(
                        breached.contains_blocking(&password).unwrap(),
                        n < count,
                        "{n} of {count}"
                    );
                }
            }
        }
    }

    #[test]
    fn last_line_needs_no_line_end_and_hashes_may_be_in_lower_case() {
        let text = list(10, "\n").to_ascii_lowercase();
        let file = TempFile::new(text.trim_end());
        let breached = file.open().unwrap();
        for n in 0..10 {
            let password = Password::new(format!("password {n}"));
            assert!(breached.contains_blocking(&password).unwrap());
        }
    }

    #[test]
    fn file_of_another_format_is_refused() {
        let unsorted: String = list(10, "\n")
            .lines()
            .rev()
            .flat_map(|l| [l, "\n"])
            .collect();
        let ntlm = "0123456789ABCDEF0123456789ABCDEF:7\n".repeat(10);
        let long_line = format!("{}{}", list(1, "\n"), "x".repeat(1_000));
        for text in ["", "\n", "password\n", &unsorted, &ntlm, &long_line] {
            let error = TempFile::new(text).open().unwrap_err();
            assert!(!error.to_string().is_empty(), "{text}");
        }
        let error = BreachedPasswords::open(Path::new("/nonexistent")).unwrap_err();
        assert!(matches!(error, InvalidBreachedPasswords::Io(_)));
    }
}
