//! Certificates for the tests of TLS.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A self-signed certificate and its private key, as PEM files.
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// A valid certificate for these host names and IP addresses. Replaces existing files of this name.
    pub fn create(directory: &Path, name: &str, hosts: &[&str]) -> Self {
        Self::write(directory, name, &params(hosts))
    }

    /// A certificate that expired years ago.
    pub fn create_expired(directory: &Path, name: &str, hosts: &[&str]) -> Self {
        let mut params = params(hosts);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        Self::write(directory, name, &params)
    }

    fn write(directory: &Path, name: &str, params: &CertificateParams) -> Self {
        let key_pair = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key_pair).unwrap();
        let files = Self {
            cert: directory.join(format!("{name}.pem")),
            key: directory.join(format!("{name}.key")),
        };
        std::fs::write(&files.cert, certificate.pem()).unwrap();
        std::fs::write(&files.key, key_pair.serialize_pem()).unwrap();
        files
    }

    /// The settings with which the service uses this certificate.
    pub fn settings(&self) -> Vec<(String, String)> {
        [
            ("ROSTERD_TLS_CERT", &self.cert),
            ("ROSTERD_TLS_KEY", &self.key),
        ]
        .map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()))
        .into()
    }
}

fn params(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    CertificateParams::new(hosts).unwrap()
}
