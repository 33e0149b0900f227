//! `rosterd health`: ask the service on this machine whether it lives, for images that have no curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::reachable;
use crate::platform::config::Config;
use crate::platform::start_error::StartError;

pub fn run(config: &Config) -> Result<(), StartError> {
    let answer = ask(reachable(config.addr)).map_err(|error| StartError::Io("no answer", error))?;
    if answer.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(StartError::Other(
            "the service does not answer 200".to_owned(),
        ))
    }
}

fn ask(addr: SocketAddr) -> std::io::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}
