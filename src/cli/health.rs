//! `rosterd health`: calls `/livez` of the service on this machine, for health checks in images without curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::loopback_if_unspecified;
use crate::platform::config::Config;
use crate::platform::start_error::StartError;

pub fn run(config: &Config) -> Result<(), StartError> {
    let response = call_livez(loopback_if_unspecified(config.addr))
        .map_err(|error| StartError::Io("no response", error))?;
    if response.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(StartError::Other(
            "the service did not respond with status 200".to_owned(),
        ))
    }
}

fn call_livez(addr: SocketAddr) -> std::io::Result<String> {
    const TIMEOUT: Duration = Duration::from_secs(3);
    const MAX_RESPONSE_BYTES: u64 = 4096;
    let mut stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream
        .take(MAX_RESPONSE_BYTES)
        .read_to_string(&mut response)?;
    Ok(response)
}
