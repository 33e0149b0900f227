//! The message to the service manager: the protocol of `sd_notify(3)`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::Schema;
use crate::support::binary::{ServiceProcess, TempDir, database_settings};

fn check_ready_message(socket: &UnixDatagram, name: &str) {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("NOTIFY_SOCKET".to_owned(), name.to_owned()));
    let service = ServiceProcess::start(&settings);
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut message = [0; 64];
    let length = socket.recv(&mut message).unwrap();
    assert_eq!(&message[..length], b"READY=1");
    service.get("/readyz").send().expect(200);
}

#[test]
fn service_manager_is_told_when_the_service_is_ready() {
    let dir = TempDir::new();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    check_ready_message(&socket, path.to_str().unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn service_manager_may_listen_on_an_abstract_socket() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("rosterd-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    check_ready_message(&socket, &format!("@{name}"));
}

#[test]
fn service_starts_without_a_service_manager_that_listens() {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("NOTIFY_SOCKET".to_owned(), "/nonexistent/notify".to_owned()));
    let mut service = ServiceProcess::start(&settings);
    service.wait_for_output("cannot tell the service manager");
    service.get("/readyz").send().expect(200);
}
