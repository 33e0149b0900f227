//! TLS to the mail server: which certificates are accepted.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rosterd::platform::tls::{TlsFiles, server_config};
use rustls::{ServerConnection, StreamOwned};

use crate::mail::{create_user_with_email, request_reset};
use crate::support::binary::TempDir;
use crate::support::certificates::Certificate;
use crate::support::{MailServer, TestApp, wait_until};

/// Terminates TLS in front of a mail server. Returns the port.
fn start_tls_proxy(certificate: &Certificate, server: SocketAddr) -> u16 {
    let files = TlsFiles {
        certificate: certificate.cert.clone(),
        key: certificate.key.clone(),
    };
    let config = Arc::new(server_config(files).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(connection, client.unwrap());
            std::thread::spawn(move || drop(relay(stream, server)));
        }
    });
    port
}

/// Copies in both directions. SMTP sends little, so both sides are polled.
fn relay(
    mut client: StreamOwned<ServerConnection, TcpStream>,
    server: SocketAddr,
) -> std::io::Result<()> {
    const POLL_INTERVAL: Duration = Duration::from_millis(5);
    let mut server = TcpStream::connect(server)?;
    server.set_read_timeout(Some(POLL_INTERVAL))?;
    client.sock.set_read_timeout(Some(POLL_INTERVAL))?;
    while copy(&mut server, &mut client)? && copy(&mut client, &mut server)? {}
    Ok(())
}

/// Copies what can be read now. Returns false at the end of the input.
fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(length) => {
            to.write_all(&buffer[..length])?;
            to.flush()?;
            Ok(true)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Requests a reset link by mail from a service that uses this mail server. Returns whether the mail arrives; otherwise the
/// attempt has failed.
fn is_delivered(certificate: &Certificate, ca_file: Option<&Certificate>) -> bool {
    let server = MailServer::start();
    let port = start_tls_proxy(certificate, server.addr());
    let url = format!("smtps://localhost:{port}");
    let mut settings = vec![
        ("ROSTERD_SMTP_URL", url.as_str()),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ];
    if let Some(ca) = ca_file {
        settings.push(("ROSTERD_SMTP_CA_FILE", ca.cert.to_str().unwrap()));
    }
    let app = TestApp::start_with(&settings);
    create_user_with_email(&app, "ada@example.org");
    request_reset(&app, "ada@example.org").expect(202);
    // During an attempt, the next one is five minutes away; after a failure, 15 seconds.
    let failed = "SELECT count(*) FROM mail_outbox WHERE attempts > 0 AND next_attempt_at < now() + interval '1 minute'";
    wait_until(|| !server.emails().is_empty() || app.query_number(failed) == 1);
    if server.emails().is_empty() {
        assert!(
            server.commands().is_empty(),
            "nothing is sent over the refused connection"
        );
        return false;
    }
    true
}

#[test]
fn only_a_valid_certificate_of_a_trusted_authority_for_this_host_is_accepted() {
    let dir = TempDir::new();
    let valid = Certificate::create(dir.path(), "valid", &["localhost"]);
    assert!(
        is_delivered(&valid, Some(&valid)),
        "the configured authority"
    );
    assert!(!is_delivered(&valid, None), "self-signed");
    let other = Certificate::create(dir.path(), "other", &["localhost"]);
    assert!(!is_delivered(&valid, Some(&other)), "another authority");
    let wrong_host = Certificate::create(dir.path(), "wrong", &["mail.example.org"]);
    assert!(
        !is_delivered(&wrong_host, Some(&wrong_host)),
        "another host"
    );
    let expired = Certificate::create_expired(dir.path(), "expired", &["localhost"]);
    assert!(!is_delivered(&expired, Some(&expired)), "expired");
}
