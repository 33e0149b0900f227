//! Handing a letter to the mail server (RFC 5321). It knows nothing of what letters say.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport};

use crate::platform::config::{Encryption, MailServer};
use crate::platform::ids::MailId;

/// How long the server may be silent at each step.
const PATIENCE: Duration = Duration::from_secs(20);

/// The way to the mail server.
pub struct Smtp {
    transport: SmtpTransport,
    from: Mailbox,
}

/// A letter as it is sent.
pub struct Parcel {
    pub id: MailId,
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Why a letter was not sent, and whether it may be another time.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    ForNow(String),
    ForGood(String),
}

impl Smtp {
    /// Does not connect yet.
    ///
    /// # Errors
    /// When this machine has no certificates to trust, or the server's name is none.
    pub fn new(server: &MailServer, from: Mailbox) -> Result<Self, lettre::transport::smtp::Error> {
        let parameters = || TlsParameters::new(server.host.clone());
        let tls = match server.encryption {
            Encryption::Tls => Tls::Wrapper(parameters()?),
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::None => Tls::None,
        };
        let mut transport = SmtpTransport::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(PATIENCE));
        if let Some((user, password)) = &server.login {
            transport =
                transport.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(Self {
            transport: transport.build(),
            from,
        })
    }

    /// Sends a letter, and waits until the server has taken it.
    ///
    /// # Errors
    /// Whether it may be tried again, and why not this time.
    pub fn send(&self, parcel: Parcel) -> Result<(), Failure> {
        let message = self.message(parcel).map_err(Failure::ForGood)?;
        match self.transport.send(&message) {
            Ok(_) => Ok(()),
            Err(error) if is_for_good(&error) => Err(Failure::ForGood(error.to_string())),
            Err(error) => Err(Failure::ForNow(error.to_string())),
        }
    }

    /// The same letter has the same Message-ID each time that it is tried, so that a reader's program shows it once.
    fn message(&self, parcel: Parcel) -> Result<Message, String> {
        let to = parcel
            .to
            .parse()
            .map_err(|_| "the address is none".to_owned())?;
        let id = format!("<{}@{}>", parcel.id, self.from.email.domain());
        // RFC 3834, section 5: no machine shall answer.
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(parcel.subject)
            .message_id(Some(id))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(parcel.text)
            .map_err(|error| error.to_string())
    }
}

/// A 5xx, which the server means for ever (RFC 5321, section 4.2.1), but for those about our login (RFC 4954, section 6):
/// the operator mends that, and the letter can still go.
fn is_for_good(error: &lettre::transport::smtp::Error) -> bool {
    let about_login = |code: u16| matches!(code, 530 | 534 | 535 | 538);
    match error.status() {
        Some(code) => error.is_permanent() && !about_login(code.into()),
        None => false,
    }
}
