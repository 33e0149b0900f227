//! What letters say: plain texts that are compiled in and that files of the operator's can replace. A text begins with
//! `Subject: …` and an empty line; `{username}`, `{url}` and `{expires}` are filled in below. Nothing that a person has
//! chosen but a username ever gets into a letter, so that nobody can make the service write for them.

use std::io::{self, ErrorKind};
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::platform::config::ConfigError;

/// The kinds of letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// A link to set a password.
    PasswordReset,
    /// A link to confirm an address.
    EmailConfirmation,
    /// Word to the address that an account has left.
    EmailChanged,
    /// Word to the owner of an address that somebody wanted to register with.
    AddressTaken,
}

impl Letter {
    const ALL: [Self; 4] = [
        Self::PasswordReset,
        Self::EmailConfirmation,
        Self::EmailChanged,
        Self::AddressTaken,
    ];

    /// The file that replaces its text.
    const fn file(self) -> &'static str {
        match self {
            Self::PasswordReset => "password-reset.txt",
            Self::EmailConfirmation => "email-confirmation.txt",
            Self::EmailChanged => "email-changed.txt",
            Self::AddressTaken => "address-taken.txt",
        }
    }

    const fn built_in(self) -> &'static str {
        match self {
            Self::PasswordReset => include_str!("templates/password-reset.txt"),
            Self::EmailConfirmation => include_str!("templates/email-confirmation.txt"),
            Self::EmailChanged => include_str!("templates/email-changed.txt"),
            Self::AddressTaken => include_str!("templates/address-taken.txt"),
        }
    }

    const fn has_link(self) -> bool {
        match self {
            Self::PasswordReset | Self::EmailConfirmation => true,
            Self::EmailChanged | Self::AddressTaken => false,
        }
    }
}

/// What is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Of the account that the letter is about.
    pub username: String,
    /// The link, and when it ends.
    pub link: Option<(String, DateTime<Utc>)>,
}

/// The texts in use.
pub struct Letters {
    password_reset: Template,
    email_confirmation: Template,
    email_changed: Template,
    address_taken: Template,
}

impl Letters {
    /// The texts in `folder`, and the built-in ones for those that it has not.
    ///
    /// # Errors
    /// A file that can't be read, has an unknown name, or is no text for its letter.
    pub fn load(folder: Option<&Path>) -> Result<Self, ConfigError> {
        let load = |letter| load(folder, letter);
        let load_all = || {
            folder.map_or(Ok(()), refuse_unknown)?;
            Ok(Self {
                password_reset: load(Letter::PasswordReset)?,
                email_confirmation: load(Letter::EmailConfirmation)?,
                email_changed: load(Letter::EmailChanged)?,
                address_taken: load(Letter::AddressTaken)?,
            })
        };
        load_all().map_err(|why: String| ConfigError::new("ROSTERD_MAIL_TEMPLATES", why))
    }

    /// The subject and the text of a letter.
    #[must_use]
    pub fn write(&self, letter: Letter, words: &Words) -> (String, String) {
        let template = match letter {
            Letter::PasswordReset => &self.password_reset,
            Letter::EmailConfirmation => &self.email_confirmation,
            Letter::EmailChanged => &self.email_changed,
            Letter::AddressTaken => &self.address_taken,
        };
        (template.subject.clone(), template.fill(words))
    }
}

fn load(folder: Option<&Path>, letter: Letter) -> Result<Template, String> {
    let text = match folder.map(|folder| std::fs::read_to_string(folder.join(letter.file()))) {
        None => Ok(letter.built_in().to_owned()),
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(letter.built_in().to_owned()),
        Some(Err(error)) => Err(format!("can't be read: {}", error.kind())),
        Some(Ok(text)) => Ok(text),
    };
    text.and_then(|text| Template::parse(letter, &text).map_err(|bad| bad.to_string()))
        .map_err(|why| format!("{}: {why}", letter.file()))
}

/// A misspelt name would silently leave the built-in text in use.
fn refuse_unknown(folder: &Path) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("the folder can't be read: {}", error.kind());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        let is_known = Letter::ALL.iter().any(|letter| letter.file() == name);
        if name.ends_with(".txt") && !is_known {
            return Err(format!("{name} is the name of no letter"));
        }
    }
    Ok(())
}

/// Why a text is none for its letter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum BadTemplate {
    #[error("expected `Subject: …` in the first line and an empty line after it")]
    NoSubject,
    #[error("{{{0}}} is not filled in here")]
    UnknownWord(String),
    #[error("expected {{url}}: without it the letter is of no use")]
    NoUrl,
}

#[derive(Debug, PartialEq, Eq)]
struct Template {
    subject: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Username,
    Url,
    Expires,
}

impl Template {
    fn parse(letter: Letter, text: &str) -> Result<Self, BadTemplate> {
        let text = text.replace("\r\n", "\n");
        let (subject, body) = text
            .strip_prefix("Subject: ")
            .and_then(|rest| rest.split_once("\n\n"))
            .filter(|(subject, _)| is_one_line(subject))
            .ok_or(BadTemplate::NoSubject)?;
        let pieces = pieces(letter, body)?;
        if letter.has_link() && !pieces.contains(&Piece::Url) {
            return Err(BadTemplate::NoUrl);
        }
        Ok(Self {
            subject: subject.trim().to_owned(),
            pieces,
        })
    }

    fn fill(&self, words: &Words) -> String {
        let (url, expires) = words
            .link
            .as_ref()
            .map_or(("", String::new()), |(url, at)| {
                (url, at.format("%Y-%m-%d %H:%M UTC").to_string())
            });
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Username => &words.username,
                Piece::Url => url,
                Piece::Expires => &expires,
            })
            .collect()
    }
}

fn is_one_line(subject: &str) -> bool {
    !subject.trim().is_empty() && !subject.contains(char::is_control)
}

/// Cuts a text at its words. Braces that do not enclose a word of letters stand for themselves.
fn pieces(letter: Letter, text: &str) -> Result<Vec<Piece>, BadTemplate> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        match word(after) {
            None => {
                plain.push('{');
                rest = after;
            }
            Some((word, after)) => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(match word {
                    "username" => Piece::Username,
                    "url" if letter.has_link() => Piece::Url,
                    "expires" if letter.has_link() => Piece::Expires,
                    other => return Err(BadTemplate::UnknownWord(other.to_owned())),
                });
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// The word that `text` begins with and a brace ends, and what comes after.
fn word(text: &str) -> Option<(&str, &str)> {
    let (word, after) = text.split_once('}')?;
    let is_word = !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_alphabetic());
    is_word.then_some((word, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words {
            username: "ada".to_owned(),
            link: Some(("https://a/#t".to_owned(), DateTime::UNIX_EPOCH)),
        }
    }

    #[test]
    fn every_built_in_text_is_one() {
        let letters = Letters::load(None).ok().unwrap();
        for letter in Letter::ALL {
            let (subject, text) = letters.write(letter, &words());
            assert!(
                !subject.is_empty() && text.contains("account ada"),
                "{text}"
            );
            assert_eq!(text.contains("https://a/#t\n"), letter.has_link());
            assert_eq!(text.contains("1970-01-01 00:00 UTC"), letter.has_link());
            assert!(!text.contains('{') && text.is_ascii());
            assert!(text.lines().all(|line| line.len() < 120));
        }
    }

    #[test]
    fn words_are_filled_in_once_and_other_braces_stay() {
        let text = "Subject: Hi \r\n\r\n{username}{url} {} {a b} { {{username}} {url";
        let template = Template::parse(Letter::PasswordReset, text).unwrap();
        let words = Words {
            username: "{url}".to_owned(),
            ..words()
        };
        assert_eq!(template.subject, "Hi");
        assert_eq!(
            template.fill(&words),
            "{url}https://a/#t {} {a b} { {{url}} {url"
        );
    }

    #[test]
    fn a_text_that_is_none_for_its_letter_is_refused() {
        let bad = |letter, text| Template::parse(letter, text).unwrap_err();
        for text in [
            "",
            "{url}",
            "Subject: \n\n{url}",
            "Subject: a\nb: c\n\n{url}",
            "Subject: a\rb\n\n{url}",
        ] {
            assert_eq!(
                bad(Letter::PasswordReset, text),
                BadTemplate::NoSubject,
                "{text}"
            );
        }
        assert_eq!(
            bad(Letter::PasswordReset, "Subject: a\n\nb"),
            BadTemplate::NoUrl
        );
        let unknown = |word: &str| BadTemplate::UnknownWord(word.to_owned());
        assert_eq!(
            bad(Letter::PasswordReset, "Subject: a\n\n{url}{link}"),
            unknown("link")
        );
        assert_eq!(
            bad(Letter::EmailChanged, "Subject: a\n\n{url}"),
            unknown("url")
        );
    }
}
