//! The settings of mail: which server, who sends.

use std::net::IpAddr;

use lettre::message::Mailbox;
use url::Url;

use super::secret::Secret;
use super::values::Parsed;
use crate::platform::http::percent;

/// A server that takes mail.
#[derive(Clone)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How what is sent to it is protected.
    pub encryption: Encryption,
    /// The user and the password, when it asks for them.
    pub login: Option<(String, Secret)>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, and nothing without it.
    StartTls,
    /// Not at all.
    None,
}

/// `smtps://…` is TLS. `smtp://…` is STARTTLS, but on this machine; `?tls=none` does without it anywhere.
pub(super) fn mail_server(text: &str) -> Parsed<MailServer> {
    read(text).ok_or_else(|| {
        "a URL such as smtps://user:password@mail.example.org, smtp://mail.example.org:587 (with STARTTLS) or \
         smtp://mail.internal:25?tls=none"
            .into()
    })
}

fn read(text: &str) -> Option<MailServer> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let encryption = match (url.scheme(), url.query()) {
        ("smtps", None) => Encryption::Tls,
        ("smtp", None) if is_this_machine(&host) => Encryption::None,
        ("smtp", Some("tls=none")) => Encryption::None,
        ("smtp", None | Some("tls=required")) => Encryption::StartTls,
        _ => return None,
    };
    let port = match encryption {
        Encryption::Tls => 465,
        Encryption::StartTls => 587,
        Encryption::None => 25,
    };
    let decoded = |part: &str| percent::decode(part).map(std::borrow::Cow::into_owned);
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        ("", Some(_)) | (_, None) => return None,
        (user, Some(password)) => Some((decoded(user)?, Secret::new(decoded(password)?))),
    };
    let is_bare = matches!(url.path(), "" | "/") && url.fragment().is_none();
    (is_bare && !host.is_empty()).then_some(MailServer {
        host,
        port: url.port().unwrap_or(port),
        encryption,
        login,
    })
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// `id@example.org` or `Name <id@example.org>`.
pub(super) fn mailbox(text: &str) -> Parsed<Mailbox> {
    text.parse()
        .map_err(|_| "an address such as id@example.org or Accounts <id@example.org>".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_how_a_server_is_reached_and_only_this_machine_may_do_without_encryption() {
        let read = |text| {
            let server = mail_server(text).ok()?;
            Some((server.host, server.port, server.encryption))
        };
        for (text, host, port, encryption) in [
            (
                "smtps://mail.example.org",
                "mail.example.org",
                465,
                Encryption::Tls,
            ),
            (
                "smtps://mail.example.org:1465/",
                "mail.example.org",
                1465,
                Encryption::Tls,
            ),
            (
                "smtp://mail.example.org",
                "mail.example.org",
                587,
                Encryption::StartTls,
            ),
            (
                "smtp://mail.example.org:25",
                "mail.example.org",
                25,
                Encryption::StartTls,
            ),
            (
                "smtp://mail.internal?tls=none",
                "mail.internal",
                25,
                Encryption::None,
            ),
            ("smtp://localhost:1025", "localhost", 1025, Encryption::None),
            (
                "smtp://localhost?tls=required",
                "localhost",
                587,
                Encryption::StartTls,
            ),
            ("smtp://127.0.0.2", "127.0.0.2", 25, Encryption::None),
            ("smtp://[::1]:1025", "::1", 1025, Encryption::None),
            (
                "smtp://localhost.example.org",
                "localhost.example.org",
                587,
                Encryption::StartTls,
            ),
        ] {
            assert_eq!(
                read(text),
                Some((host.to_owned(), port, encryption)),
                "{text}"
            );
        }
        for text in [
            "http://mail.example.org",
            "mail.example.org:25",
            "smtp://",
            "smtps:///path",
            "smtps://mail.example.org/ehlo",
            "smtp://mail.example.org?tls=opportunistic",
            "smtps://mail.example.org?tls=none",
            "smtps://user@mail.example.org",
            "smtps://:password@mail.example.org",
            "smtps://us%er:password@mail.example.org",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_login_is_percent_decoded() {
        let server = mail_server("smtps://a%40b:p%3Aq%2F%3F@mail.example.org")
            .ok()
            .unwrap();
        let (user, password) = server.login.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("a@b", "p:q/?"));
    }
}
