//! A mail server that keeps what it is sent, over real sockets, and can be told to refuse.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::eventually;

/// A letter as it arrived.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and text, with LF.
    pub data: String,
}

impl Letter {
    /// A header's value, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        let (head, _) = self.data.split_once("\n\n").unwrap();
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or("")
    }

    /// What stands below the headers, as a reader sees it.
    pub fn text(&self) -> String {
        let (_, body) = self.data.split_once("\n\n").unwrap();
        match self.header("Content-Transfer-Encoding") {
            "quoted-printable" => unquote(body),
            _ => body.to_owned(),
        }
    }

    /// The line that is a link.
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

/// Undoes quoted-printable (RFC 2045, section 6.7).
fn unquote(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = joined.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'=' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(plain).unwrap()
}

/// The server; it ends with the test process.
#[derive(Clone)]
pub struct MailServer {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    letters: Vec<Letter>,
    /// Every command as it came, but not what letters say.
    commands: Vec<String>,
    /// What the next recipients are answered.
    refusals: Vec<&'static str>,
}

impl MailServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = server.seen.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, seen) = (client.unwrap(), seen.clone());
                // A client that breaks off is none of this server's business.
                thread::spawn(move || drop(talk(&client, &seen)));
            }
        });
        server
    }

    /// `ROSTERD_SMTP_URL` for it.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// What it has got.
    pub fn letters(&self) -> Vec<Letter> {
        self.seen.lock().unwrap().letters.clone()
    }

    /// The only letter, once it is there.
    #[track_caller]
    pub fn letter(&self) -> Letter {
        self.wait_for(1).remove(0)
    }

    /// Exactly this many letters, once they are there.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Letter> {
        eventually(|| self.letters().len() >= count);
        let letters = self.letters();
        assert_eq!(letters.len(), count, "{letters:#?}");
        letters
    }

    /// Every command that it has got.
    pub fn commands(&self) -> Vec<String> {
        self.seen.lock().unwrap().commands.clone()
    }

    /// Answers the next recipients with these.
    pub fn refuse(&self, answers: &[&'static str]) {
        self.seen.lock().unwrap().refusals = answers.to_vec();
    }
}

fn talk(client: &TcpStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let say = |line: &str| (&mut &*client).write_all(format!("{line}\r\n").as_bytes());
    let mut lines = BufReader::new(client)
        .lines()
        .map(|line| line.map(|line| line.trim_end_matches('\r').to_owned()));
    let mut letter = Letter {
        from: String::new(),
        to: Vec::new(),
        data: String::new(),
    };
    say("220 sink ready")?;
    while let Some(command) = lines.next().transpose()? {
        seen.lock().unwrap().commands.push(command.clone());
        let address = || command.split(['<', '>']).nth(1).unwrap_or("").to_owned();
        match command.get(..4).unwrap_or("") {
            "EHLO" => say("250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
            "AUTH" => say("235 welcome")?,
            "MAIL" => {
                letter.from = address();
                letter.to.clear();
                say("250 ok")?;
            }
            "RCPT" => {
                let refusal = {
                    let mut seen = seen.lock().unwrap();
                    (!seen.refusals.is_empty()).then(|| seen.refusals.remove(0))
                };
                letter.to.push(address());
                say(refusal.unwrap_or("250 ok"))?;
            }
            "DATA" => {
                say("354 go on")?;
                let mut data = Vec::new();
                for line in lines.by_ref() {
                    match line?.as_str() {
                        "." => break,
                        line => data.push(line.strip_prefix('.').unwrap_or(line).to_owned()),
                    }
                }
                letter.data = data.join("\n");
                seen.lock().unwrap().letters.push(letter.clone());
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("502 unknown")?,
        }
    }
    Ok(())
}
