//! The texts of messages. Plain text templates are compiled in; files in the operator's folder replace them. A template
//! starts with a `Subject: …` line and an empty line, and may contain `{username}`, `{url}` and `{expires}`. The username is
//! the only text chosen by a user that appears in a message, so that the service can't be used to send other people's text.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::notices::Notice;
use super::outbox::OutboxMessage;
use super::template_values::MailTemplateValues;
use crate::platform::config::ConfigError;

/// The kinds of message, one template each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// A link to set a new password.
    PasswordReset,
    /// A link to confirm an email address.
    EmailConfirmation,
    /// A notice to the previous address after a change.
    EmailChanged,
    /// A notice to the owner of an address that was used in a registration.
    AddressTaken,
    /// A notice about a sign-in on a new device.
    NewDevice,
    /// A notice about a changed or removed password.
    PasswordChanged,
    /// A notice about a new personal access token.
    TokenCreated,
    /// A notice about a removed second factor.
    SecondFactorRemoved,
    /// A notice about the request for another email address.
    EmailChangeRequested,
}

impl TemplateKind {
    const ALL: [Self; 9] = [
        Self::PasswordReset,
        Self::EmailConfirmation,
        Self::EmailChanged,
        Self::AddressTaken,
        Self::NewDevice,
        Self::PasswordChanged,
        Self::TokenCreated,
        Self::SecondFactorRemoved,
        Self::EmailChangeRequested,
    ];

    /// The template of a message.
    pub const fn for_message(message: &OutboxMessage) -> Self {
        match message {
            OutboxMessage::PasswordReset { .. } => Self::PasswordReset,
            OutboxMessage::EmailConfirmation { .. } => Self::EmailConfirmation,
            OutboxMessage::EmailChanged { .. } => Self::EmailChanged,
            OutboxMessage::AddressTaken { .. } => Self::AddressTaken,
            OutboxMessage::Notice { notice, .. } => match notice {
                Notice::NewDevice => Self::NewDevice,
                Notice::PasswordChanged => Self::PasswordChanged,
                Notice::TokenCreated => Self::TokenCreated,
                Notice::SecondFactorRemoved => Self::SecondFactorRemoved,
                Notice::EmailChanged => Self::EmailChanged,
                Notice::EmailChangeRequested => Self::EmailChangeRequested,
            },
        }
    }

    /// The name of the file that replaces the built-in template.
    const fn file_name(self) -> &'static str {
        match self {
            Self::PasswordReset => "password-reset.txt",
            Self::EmailConfirmation => "email-confirmation.txt",
            Self::EmailChanged => "email-changed.txt",
            Self::AddressTaken => "address-taken.txt",
            Self::NewDevice => "new-device.txt",
            Self::PasswordChanged => "password-changed.txt",
            Self::TokenCreated => "token-created.txt",
            Self::SecondFactorRemoved => "second-factor-removed.txt",
            Self::EmailChangeRequested => "email-change-requested.txt",
        }
    }

    const fn built_in(self) -> &'static str {
        match self {
            Self::PasswordReset => include_str!("templates/password-reset.txt"),
            Self::EmailConfirmation => include_str!("templates/email-confirmation.txt"),
            Self::EmailChanged => include_str!("templates/email-changed.txt"),
            Self::AddressTaken => include_str!("templates/address-taken.txt"),
            Self::NewDevice => include_str!("templates/new-device.txt"),
            Self::PasswordChanged => include_str!("templates/password-changed.txt"),
            Self::TokenCreated => include_str!("templates/token-created.txt"),
            Self::SecondFactorRemoved => include_str!("templates/second-factor-removed.txt"),
            Self::EmailChangeRequested => include_str!("templates/email-change-requested.txt"),
        }
    }

    const fn has_link(self) -> bool {
        match self {
            Self::PasswordReset | Self::EmailConfirmation => true,
            Self::EmailChanged
            | Self::AddressTaken
            | Self::NewDevice
            | Self::PasswordChanged
            | Self::TokenCreated
            | Self::SecondFactorRemoved
            | Self::EmailChangeRequested => false,
        }
    }
}

/// The templates in use, in the order of [`TemplateKind::ALL`].
pub struct Templates([Template; TemplateKind::ALL.len()]);

impl Templates {
    /// Loads the templates from `folder`. A missing file leaves the built-in template in use.
    ///
    /// # Errors
    /// A file that can't be read, has an unknown name, or is not a valid template.
    pub fn load(folder: Option<&Path>) -> Result<Self, ConfigError> {
        let load_all = || {
            folder.map_or(Ok(()), reject_unknown_files)?;
            let loaded = TemplateKind::ALL.into_iter().map(|kind| load(folder, kind));
            let loaded: Vec<Template> = loaded.collect::<Result<_, _>>()?;
            let count = |templates: Vec<Template>| templates.len().to_string();
            loaded.try_into().map(Self).map_err(count)
        };
        load_all().map_err(|error: String| ConfigError::new("ROSTERD_MAIL_TEMPLATES", error))
    }

    /// The subject and the text of a message.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "the array has one element for each kind"
    )]
    pub fn render(&self, kind: TemplateKind, content: &MailTemplateValues) -> (String, String) {
        let template = &self.0[kind as usize];
        (template.subject.clone(), template.render(content))
    }
}

fn load(folder: Option<&Path>, kind: TemplateKind) -> Result<Template, String> {
    let text = match folder.map(|folder| std::fs::read_to_string(folder.join(kind.file_name()))) {
        None => Ok(kind.built_in().to_owned()),
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(kind.built_in().to_owned()),
        Some(Err(error)) => Err(format!("can't be read: {}", error.kind())),
        Some(Ok(text)) => Ok(text),
    };
    text.and_then(|text| Template::parse(kind, &text).map_err(|error| error.to_string()))
        .map_err(|error| format!("{}: {error}", kind.file_name()))
}

/// Rejects unknown file names. A misspelled name would otherwise leave the built-in template in use without notice.
fn reject_unknown_files(folder: &Path) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("the folder can't be read: {}", error.kind());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        let is_known = TemplateKind::ALL
            .iter()
            .any(|kind| kind.file_name() == name);
        if name.ends_with(".txt") && !is_known {
            let known = TemplateKind::ALL.map(TemplateKind::file_name).join(", ");
            return Err(format!("unknown file {name}; expected one of: {known}"));
        }
    }
    Ok(())
}

/// Why a text is not a valid template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum TemplateError {
    #[error("must start with a `Subject: …` line and an empty line")]
    NoSubject,
    #[error("unknown placeholder {{{0}}}")]
    UnknownPlaceholder(String),
    #[error("must contain {{url}}, the link of the message")]
    NoUrl,
}

#[derive(Debug, PartialEq, Eq)]
struct Template {
    subject: String,
    parts: Vec<TemplatePart>,
}

#[derive(Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Username,
    Url,
    Expires,
}

impl Template {
    fn parse(kind: TemplateKind, text: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\r\n", "\n");
        let (subject, body) = text
            .strip_prefix("Subject: ")
            .and_then(|rest| rest.split_once("\n\n"))
            .filter(|(subject, _)| is_single_line(subject))
            .ok_or(TemplateError::NoSubject)?;
        let parts = parse_parts(kind, body)?;
        if kind.has_link() && !parts.contains(&TemplatePart::Url) {
            return Err(TemplateError::NoUrl);
        }
        Ok(Self {
            subject: subject.trim().to_owned(),
            parts,
        })
    }

    fn render(&self, content: &MailTemplateValues) -> String {
        let (url, expires) = match &content.link {
            Some(link) => {
                let expires = link.expires_at.format("%Y-%m-%d %H:%M UTC").to_string();
                (link.url.as_str(), expires)
            }
            None => ("", String::new()),
        };
        self.parts
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => text.as_str(),
                TemplatePart::Username => &content.username,
                TemplatePart::Url => url,
                TemplatePart::Expires => &expires,
            })
            .collect()
    }
}

fn is_single_line(subject: &str) -> bool {
    !subject.trim().is_empty() && !subject.contains(char::is_control)
}

/// Splits a text at its placeholders. Braces around anything but ASCII letters are plain text.
fn parse_parts(kind: TemplateKind, text: &str) -> Result<Vec<TemplatePart>, TemplateError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        match split_placeholder(after) {
            None => {
                plain.push('{');
                rest = after;
            }
            Some((name, after)) => {
                parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
                parts.push(match name {
                    "username" => TemplatePart::Username,
                    "url" if kind.has_link() => TemplatePart::Url,
                    "expires" if kind.has_link() => TemplatePart::Expires,
                    other => return Err(TemplateError::UnknownPlaceholder(other.to_owned())),
                });
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    parts.push(TemplatePart::Text(plain));
    Ok(parts)
}

/// The name of the placeholder whose opening brace precedes `text`, and the text after its closing brace.
fn split_placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_name.then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::template_values::MailLink;
    use chrono::DateTime;

    fn content() -> MailTemplateValues {
        MailTemplateValues {
            to: "ada@example.org".to_owned(),
            username: "ada".to_owned(),
            link: Some(MailLink {
                url: "https://a/#t".to_owned(),
                expires_at: DateTime::UNIX_EPOCH,
            }),
        }
    }

    #[test]
    fn built_in_templates_are_valid() {
        let templates = Templates::load(None).ok().unwrap();
        for kind in TemplateKind::ALL {
            let (subject, text) = templates.render(kind, &content());
            assert!(
                !subject.is_empty() && text.contains("account ada"),
                "{text}"
            );
            assert_eq!(text.contains("https://a/#t\n"), kind.has_link());
            assert_eq!(text.contains("1970-01-01 00:00 UTC"), kind.has_link());
            assert!(!text.contains('{') && text.is_ascii());
            assert!(text.lines().all(|line| line.len() < 120));
        }
    }

    #[test]
    fn placeholders_are_replaced_once_and_other_braces_are_kept() {
        let text = "Subject: Hi \r\n\r\n{username}{url} {} {a b} { {{username}} {url";
        let template = Template::parse(TemplateKind::PasswordReset, text).unwrap();
        let content = MailTemplateValues {
            username: "{url}".to_owned(),
            ..content()
        };
        assert_eq!(template.subject, "Hi");
        assert_eq!(
            template.render(&content),
            "{url}https://a/#t {} {a b} { {{url}} {url"
        );
    }

    #[test]
    fn invalid_templates_are_rejected() {
        let error = |kind, text| Template::parse(kind, text).unwrap_err();
        for text in [
            "",
            "{url}",
            "Subject: \n\n{url}",
            "Subject: a\nb: c\n\n{url}",
            "Subject: a\rb\n\n{url}",
        ] {
            assert_eq!(
                error(TemplateKind::PasswordReset, text),
                TemplateError::NoSubject,
                "{text}"
            );
        }
        assert_eq!(
            error(TemplateKind::PasswordReset, "Subject: a\n\nb"),
            TemplateError::NoUrl
        );
        let unknown = |name: &str| TemplateError::UnknownPlaceholder(name.to_owned());
        assert_eq!(
            error(TemplateKind::PasswordReset, "Subject: a\n\n{url}{link}"),
            unknown("link")
        );
        assert_eq!(
            error(TemplateKind::EmailChanged, "Subject: a\n\n{url}"),
            unknown("url")
        );
    }
}
