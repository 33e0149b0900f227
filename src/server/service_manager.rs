//! Tells the service manager that the service is ready, with the protocol of `sd_notify(3)`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use socket2::{Domain, SockAddr, Socket, Type};

/// Sends the message to the socket of `NOTIFY_SOCKET`, if that is set. A failure is logged: the service works without.
pub fn notify_ready(socket: Option<&OsStr>) {
    let Some(name) = socket else {
        return;
    };
    if let Err(error) = send(name, b"READY=1") {
        tracing::warn!(%error, "cannot tell the service manager that the service is ready");
    }
}

fn send(name: &OsStr, message: &[u8]) -> io::Result<()> {
    // A name that begins with @ is in the abstract namespace, whose names begin with a zero byte.
    let path = match name.as_bytes() {
        [b'@', rest @ ..] => [b"\0", rest].concat(),
        path => path.to_vec(),
    };
    let address = SockAddr::unix(OsStr::from_bytes(&path))?;
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.send_to(message, &address).map(drop)
}
