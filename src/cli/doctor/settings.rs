//! The checks of the settings, which need no database.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use url::Url;

use super::finding::{Finding, Verdict};
use crate::platform::config::{Config, has_loopback_host};
use crate::platform::data_source;

pub fn check(config: &Config) -> Vec<Finding> {
    let source = match &config.settings_file {
        Some(path) => format!("the environment and {}", path.display()),
        None => "the environment".to_owned(),
    };
    let mut findings = vec![
        Finding::new("settings from", Verdict::Ok, source),
        Finding::new("data in", Verdict::Ok, data_source::describe(config)),
    ];
    if config.warnings.is_empty() {
        findings.push(Finding::new("settings", Verdict::Ok, "all are valid"));
    }
    for warning in &config.warnings {
        findings.push(Finding::new("settings", Verdict::Warning, warning.clone()));
    }
    let (verdict, detail) = check_public_url(&config.public_url);
    findings.push(Finding::new("public url", verdict, detail));
    for path in &config.secret_files {
        let (verdict, detail) = check_secret_file(path, Verdict::Warning);
        findings.push(Finding::new("secret file", verdict, detail));
    }
    findings
}

fn check_public_url(text: &str) -> (Verdict, String) {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => (Verdict::Ok, text.to_owned()),
        Ok(url) if has_loopback_host(&url) => (
            Verdict::Warning,
            format!(
                "{text} is reachable from this machine only: set ROSTERD_PUBLIC_URL to the URL that callers use"
            ),
        ),
        _ => (
            Verdict::Wrong,
            format!("{text} is not https: passwords and tokens would be sent unencrypted"),
        ),
    }
}

/// Whether only the owner can read the file. A file of root may be readable by its group, to which the service belongs.
pub fn check_secret_file(path: &Path, if_readable_by_others: Verdict) -> (Verdict, String) {
    let path_text = path.display();
    let file = match std::fs::metadata(path) {
        Ok(file) => file,
        Err(error) => return (Verdict::Wrong, format!("{path_text}: {error}")),
    };
    let mode = file.permissions().mode() & 0o777;
    let (allowed_to_others, advice) = match file.uid() {
        0 => (0o040, "chmod 640"),
        _ => (0, "chmod 600"),
    };
    if mode & 0o077 & !allowed_to_others == 0 {
        return (Verdict::Ok, format!("{path_text} has mode {mode:o}"));
    }
    let detail =
        format!("{path_text} has mode {mode:o}, readable by other users: run {advice} {path_text}");
    (if_readable_by_others, detail)
}
