//! The settings of the mail server and the sender.

use std::net::IpAddr;

use lettre::message::Mailbox;
use url::Url;

use super::secret::Secret;
use super::values::ParseResult;
use crate::platform::http::percent_decoding;

/// The SMTP server that sends mail.
#[derive(Clone)]
pub struct SmtpServer {
    /// The host name or IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether the connection uses implicit TLS, STARTTLS or no encryption.
    pub encryption: SmtpEncryption,
    /// The username and password, if the server requires authentication.
    pub credentials: Option<(String, Secret)>,
}

/// The encryption of an SMTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// Implicit TLS (RFC 8314).
    Tls,
    /// STARTTLS is required.
    StartTls,
    /// No encryption.
    None,
}

/// Parses `smtps://…` (TLS) or `smtp://…` (STARTTLS). `smtp://` to a loopback host, and any host with `?tls=none`, is not
/// encrypted.
pub(super) fn smtp_server(text: &str) -> ParseResult<SmtpServer> {
    parse_smtp_url(text).ok_or_else(|| {
        "a URL such as smtps://user:password@mail.example.org, smtp://mail.example.org:587 (with STARTTLS) or \
         smtp://mail.internal:25?tls=none"
            .into()
    })
}

fn parse_smtp_url(text: &str) -> Option<SmtpServer> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let encryption = match (url.scheme(), url.query()) {
        ("smtps", None) => SmtpEncryption::Tls,
        ("smtp", None) if is_loopback(&host) => SmtpEncryption::None,
        ("smtp", Some("tls=none")) => SmtpEncryption::None,
        ("smtp", None | Some("tls=required")) => SmtpEncryption::StartTls,
        _ => return None,
    };
    let default_port = match encryption {
        SmtpEncryption::Tls => 465,
        SmtpEncryption::StartTls => 587,
        SmtpEncryption::None => 25,
    };
    let decode = |part: &str| percent_decoding::decode(part).map(std::borrow::Cow::into_owned);
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        ("", Some(_)) | (_, None) => return None,
        (user, Some(password)) => Some((decode(user)?, Secret::new(decode(password)?))),
    };
    let has_no_path = matches!(url.path(), "" | "/") && url.fragment().is_none();
    (has_no_path && !host.is_empty()).then_some(SmtpServer {
        host,
        port: url.port().unwrap_or(default_port),
        encryption,
        credentials,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Parses `id@example.org` or `Name <id@example.org>`.
pub(super) fn mailbox(text: &str) -> ParseResult<Mailbox> {
    text.parse()
        .map_err(|_| "an address such as id@example.org or Accounts <id@example.org>".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_determines_the_encryption_and_only_loopback_is_unencrypted_by_default() {
        let parse = |text| {
            let server = smtp_server(text).ok()?;
            Some((server.host, server.port, server.encryption))
        };
        for (text, host, port, encryption) in [
            (
                "smtps://mail.example.org",
                "mail.example.org",
                465,
                SmtpEncryption::Tls,
            ),
            (
                "smtps://mail.example.org:1465/",
                "mail.example.org",
                1465,
                SmtpEncryption::Tls,
            ),
            (
                "smtp://mail.example.org",
                "mail.example.org",
                587,
                SmtpEncryption::StartTls,
            ),
            (
                "smtp://mail.example.org:25",
                "mail.example.org",
                25,
                SmtpEncryption::StartTls,
            ),
            (
                "smtp://mail.internal?tls=none",
                "mail.internal",
                25,
                SmtpEncryption::None,
            ),
            (
                "smtp://localhost:1025",
                "localhost",
                1025,
                SmtpEncryption::None,
            ),
            (
                "smtp://localhost?tls=required",
                "localhost",
                587,
                SmtpEncryption::StartTls,
            ),
            ("smtp://127.0.0.2", "127.0.0.2", 25, SmtpEncryption::None),
            ("smtp://[::1]:1025", "::1", 1025, SmtpEncryption::None),
            (
                "smtp://localhost.example.org",
                "localhost.example.org",
                587,
                SmtpEncryption::StartTls,
            ),
        ] {
            assert_eq!(
                parse(text),
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
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded() {
        let server = smtp_server("smtps://a%40b:p%3Aq%2F%3F@mail.example.org")
            .ok()
            .unwrap();
        let (user, password) = server.credentials.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("a@b", "p:q/?"));
    }
}
