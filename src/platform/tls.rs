//! TLS for clients that connect without a proxy (rustls; TLS 1.2 and 1.3). The files are read again when they change, so that
//! a renewed certificate is used without a restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::platform::config::ConfigError;

/// How often the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The files of `ROSTERD_TLS_CERT` and `ROSTERD_TLS_KEY`.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate of the service, followed by its intermediate certificates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The certificates, the service's own first.
    ///
    /// # Errors
    /// The file cannot be read or contains no certificate.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let certificates = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| ConfigError::new("ROSTERD_TLS_CERT", error.to_string()))?;
        if certificates.is_empty() {
            let problem = "the file contains no certificate in PEM form";
            return Err(ConfigError::new("ROSTERD_TLS_CERT", problem));
        }
        Ok(certificates)
    }

    /// Reads both files.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not belong to the certificate.
    pub fn load(&self) -> Result<CertifiedKey, ConfigError> {
        let key_error = |problem: String| ConfigError::new("ROSTERD_TLS_KEY", problem);
        let certificates = self.certificates()?;
        // The error does not contain the content of the file.
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| key_error(error.to_string()))?;
        let certified = CertifiedKey::from_der(certificates, key, &provider())
            .map_err(|error| key_error(error.to_string()))?;
        Ok(certified)
    }

    /// Changes when a file is replaced or written.
    fn state(&self) -> [Option<(SystemTime, u64)>; 2] {
        let state = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [state(&self.certificate), state(&self.key)]
    }
}

/// The settings of the TLS listener. Starts a thread that follows changes of the files until the listener is gone.
///
/// # Errors
/// As [`TlsFiles::load`]; the thread cannot be started.
pub fn server_config(files: TlsFiles) -> Result<ServerConfig, std::io::Error> {
    let state = files.state();
    let certificate = Arc::new(ReloadedCertificate {
        current: RwLock::new(Arc::new(files.load().map_err(std::io::Error::other)?)),
    });
    let weak = Arc::downgrade(&certificate);
    let follow = move || {
        let mut last_state = state;
        while let Some(certificate) = weak.upgrade() {
            let state = files.state();
            // A changed pair that does not fit yet is loaded again when its second file changes.
            if state != last_state {
                certificate.reload(&files);
                last_state = state;
            }
            drop(certificate);
            thread::sleep(CHECK_INTERVAL);
        }
    };
    thread::Builder::new()
        .name("TLS certificate".to_owned())
        .stack_size(256 * 1024)
        .spawn(follow)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    Ok(config)
}

/// The cryptography of all TLS connections.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificate and key that were loaded last.
#[derive(Debug)]
struct ReloadedCertificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ReloadedCertificate {
    /// Keeps the current certificate if the files cannot be used.
    fn reload(&self, files: &TlsFiles) {
        match files.load() {
            Ok(certified) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                tracing::info!("the changed TLS certificate is used");
            }
            Err(error) => tracing::error!(%error, "the changed TLS certificate cannot be used"),
        }
    }
}

impl ResolvesServerCert for ReloadedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}
