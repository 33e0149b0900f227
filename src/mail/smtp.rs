//! Hands messages to the mail server (RFC 5321).

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport};

use crate::platform::config::{SmtpEncryption, SmtpServer};
use crate::platform::ids::MailId;

/// The timeout of each SMTP step.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// The connection settings of the mail server.
pub struct Smtp {
    transport: SmtpTransport,
    from: Mailbox,
}

/// A message with its final text.
pub struct RenderedMail {
    pub id: MailId,
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Why a message was not sent.
#[derive(Debug, PartialEq, Eq)]
pub enum SendError {
    /// A retry may succeed.
    Temporary(String),
    /// The message will never be accepted.
    Permanent(String),
}

impl Smtp {
    /// Builds the client. Does not connect yet. The server's certificate must be from an authority of the system or, if
    /// there is a `ca_pem`, from one of those.
    ///
    /// # Errors
    /// No trusted certificates on this machine or in `ca_pem`, or an invalid host name.
    pub fn new(
        server: &SmtpServer,
        from: Mailbox,
        ca_pem: Option<&[u8]>,
    ) -> Result<Self, lettre::transport::smtp::Error> {
        let parameters = || {
            let builder = TlsParameters::builder(server.host.clone());
            match ca_pem {
                None => builder.build(),
                Some(pem) => builder
                    .certificate_store(CertificateStore::None)
                    .add_root_certificate(Certificate::from_pem(pem)?)
                    .build(),
            }
        };
        let tls = match server.encryption {
            SmtpEncryption::Tls => Tls::Wrapper(parameters()?),
            SmtpEncryption::StartTls => Tls::Required(parameters()?),
            SmtpEncryption::None => Tls::None,
        };
        let mut transport = SmtpTransport::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(STEP_TIMEOUT));
        if let Some((user, password)) = &server.credentials {
            transport =
                transport.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(Self {
            transport: transport.build(),
            from,
        })
    }

    /// Sends a message and waits until the server has accepted it.
    ///
    /// # Errors
    /// The failure, and whether a retry may succeed.
    pub fn send(&self, mail: RenderedMail) -> Result<(), SendError> {
        let message = self.message(mail).map_err(SendError::Permanent)?;
        match self.transport.send(&message) {
            Ok(_) => Ok(()),
            Err(error) if is_permanent(&error) => Err(SendError::Permanent(error.to_string())),
            Err(error) => Err(SendError::Temporary(error.to_string())),
        }
    }

    /// Connects, authenticates if there are credentials, and disconnects.
    ///
    /// # Errors
    /// Why the server cannot be used.
    pub fn test_connection(&self) -> Result<(), String> {
        match self.transport.test_connection() {
            Ok(true) => Ok(()),
            Ok(false) => Err("it closed the connection".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All attempts to deliver a message use the same Message-ID. If it is delivered twice, mail clients can show it once.
    fn message(&self, mail: RenderedMail) -> Result<Message, String> {
        let to = mail
            .to
            .parse()
            .map_err(|_| "the recipient is not a valid email address".to_owned())?;
        let id = format!("<{}@{}>", mail.id, self.from.email.domain());
        // RFC 3834, section 5: prevents automatic replies.
        let auto_submitted = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .message_id(Some(id))
            .raw_header(auto_submitted)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
            .map_err(|error| error.to_string())
    }
}

/// A permanent (5xx) reply (RFC 5321, section 4.2.1). Authentication errors (RFC 4954, section 6) count as temporary,
/// because the operator can correct the credentials.
fn is_permanent(error: &lettre::transport::smtp::Error) -> bool {
    let is_authentication_error = |code: u16| matches!(code, 530 | 534 | 535 | 538);
    match error.status() {
        Some(code) => error.is_permanent() && !is_authentication_error(code.into()),
        None => false,
    }
}
