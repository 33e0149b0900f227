//! `rosterd health`: calls `/livez` of the service on this machine, for health checks in images without curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    SignatureScheme, StreamOwned,
};

use super::loopback_if_unspecified;
use crate::platform::config::Config;
use crate::platform::start_error::StartError;
use crate::platform::tls;

pub fn run(config: &Config) -> Result<(), StartError> {
    let response =
        request(config, "/livez").map_err(|error| StartError::Io("no response", error))?;
    if response.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(StartError::Other(
            "the service did not respond with status 200".to_owned(),
        ))
    }
}

/// The response of the service to `GET path`, from the address of the settings.
pub fn request(config: &Config, path: &str) -> io::Result<String> {
    let addr = loopback_if_unspecified(config.addr);
    let own_certificate = match config.tls_files() {
        Some(files) => {
            let certificates = files.certificates().map_err(io::Error::other)?;
            certificates.into_iter().next()
        }
        None => None,
    };
    match own_certificate {
        Some(certificate) => call_over_tls(addr, certificate, path),
        None => request_without_tls(addr, path),
    }
}

/// The response to `GET path` over plain HTTP.
pub fn request_without_tls(addr: SocketAddr, path: &str) -> io::Result<String> {
    get(connect(addr)?, path)
}

fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn get(mut stream: impl Read + Write, path: &str) -> io::Result<String> {
    const MAX_RESPONSE_BYTES: u64 = 1 << 20;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    match stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut response) {
        // The server may close the connection without a TLS alert.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// The certificate is for the public name of the service, not for the loopback address, so the certificate itself is compared
/// instead of its name.
fn call_over_tls(
    addr: SocketAddr,
    certificate: CertificateDer<'static>,
    path: &str,
) -> io::Result<String> {
    let provider = tls::provider();
    let verifier = OwnCertificate {
        certificate,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::from(addr.ip());
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    get(StreamOwned::new(connection, connect(addr)?), path)
}

/// Accepts the configured certificate and no other.
#[derive(Debug)]
struct OwnCertificate {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OwnCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
