//! An SMTP server that records the messages it receives and can refuse recipients.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wait_until;

/// A received message.
#[derive(Clone, Debug)]
pub struct ReceivedEmail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, with LF line ends.
    pub data: String,
}

impl ReceivedEmail {
    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        let (head, _) = self.data.split_once("\n\n").unwrap();
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or("")
    }

    /// The decoded body.
    pub fn text(&self) -> String {
        let (_, body) = self.data.split_once("\n\n").unwrap();
        match self.header("Content-Transfer-Encoding") {
            "quoted-printable" => decode_quoted_printable(body),
            _ => body.to_owned(),
        }
    }

    /// The first line that is a link.
    pub fn link(&self) -> String {
        let text = self.text();
        let is_link = |line: &&str| line.starts_with("https://");
        text.lines().find(is_link).unwrap().to_owned()
    }

    /// The token in the link.
    pub fn token(&self) -> String {
        self.link().rsplit_once('=').unwrap().1.to_owned()
    }
}

/// Decodes quoted-printable text (RFC 2045, section 6.7).
fn decode_quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = joined.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'=' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(decoded).unwrap()
}

/// The server. It runs until the test process ends.
#[derive(Clone)]
pub struct MailServer {
    addr: SocketAddr,
    state: Arc<Mutex<MailServerState>>,
}

#[derive(Default)]
struct MailServerState {
    emails: Vec<ReceivedEmail>,
    /// Every SMTP command, without the data of messages.
    commands: Vec<String>,
    /// The replies to the next `RCPT` commands.
    refusals: Vec<&'static str>,
}

impl MailServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = server.state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, state) = (client.unwrap(), state.clone());
                // The client may close the connection early.
                thread::spawn(move || drop(serve_client(&client, &state)));
            }
        });
        server
    }

    /// The address, which serves connections without TLS.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The value of `ROSTERD_SMTP_URL` for this server.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// The messages received so far.
    pub fn emails(&self) -> Vec<ReceivedEmail> {
        self.state.lock().unwrap().emails.clone()
    }

    /// Waits for one message. Panics if there are more.
    #[track_caller]
    pub fn only_email(&self) -> ReceivedEmail {
        self.wait_for_emails(1).remove(0)
    }

    /// Waits for this number of messages. Panics if there are more.
    #[track_caller]
    pub fn wait_for_emails(&self, count: usize) -> Vec<ReceivedEmail> {
        wait_until(|| self.emails().len() >= count);
        let emails = self.emails();
        assert_eq!(emails.len(), count, "{emails:#?}");
        emails
    }

    /// The SMTP commands received so far.
    pub fn commands(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    /// Replies to the next `RCPT` commands with these lines.
    pub fn refuse_recipients(&self, replies: &[&'static str]) {
        self.state.lock().unwrap().refusals = replies.to_vec();
    }
}

fn serve_client(client: &TcpStream, state: &Mutex<MailServerState>) -> std::io::Result<()> {
    let reply = |line: &str| (&mut &*client).write_all(format!("{line}\r\n").as_bytes());
    let mut lines = BufReader::new(client)
        .lines()
        .map(|line| line.map(|line| line.trim_end_matches('\r').to_owned()));
    let mut email = ReceivedEmail {
        from: String::new(),
        to: Vec::new(),
        data: String::new(),
    };
    reply("220 sink ready")?;
    while let Some(command) = lines.next().transpose()? {
        state.lock().unwrap().commands.push(command.clone());
        let address = || command.split(['<', '>']).nth(1).unwrap_or("").to_owned();
        match command.get(..4).unwrap_or("") {
            "EHLO" => reply("250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
            "AUTH" => reply("235 welcome")?,
            "NOOP" => reply("250 ok")?,
            "MAIL" => {
                email.from = address();
                email.to.clear();
                reply("250 ok")?;
            }
            "RCPT" => {
                let refusal = {
                    let mut state = state.lock().unwrap();
                    (!state.refusals.is_empty()).then(|| state.refusals.remove(0))
                };
                email.to.push(address());
                reply(refusal.unwrap_or("250 ok"))?;
            }
            "DATA" => {
                reply("354 go on")?;
                let mut data = Vec::new();
                for line in lines.by_ref() {
                    match line?.as_str() {
                        "." => break,
                        line => data.push(line.strip_prefix('.').unwrap_or(line).to_owned()),
                    }
                }
                email.data = data.join("\n");
                state.lock().unwrap().emails.push(email.clone());
                reply("250 taken")?;
            }
            "QUIT" => return reply("221 bye"),
            _ => reply("502 unknown")?,
        }
    }
    Ok(())
}
