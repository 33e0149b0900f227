//! `rosterd serve`: runs the service and prints where it is reachable.

use super::{loopback_if_unspecified, print_stdout};
use crate::platform::config::Config;
use crate::platform::start_error::StartError;
use crate::server::{self, GeneratedSuperAdmin};

/// Runs the service until it is shut down.
pub fn run(config: Config) -> Result<(), StartError> {
    server::run(config, announce)
}

/// Prints the address, the generated password if there is one, and a first call to try.
fn announce(config: &Config, generated: Option<&GeneratedSuperAdmin>) -> Result<(), StartError> {
    let local_url = format!(
        "{}://{}",
        config.scheme(),
        loopback_if_unspecified(config.addr)
    );
    let public_url = match &*config.public_url {
        url if url == local_url => String::new(),
        url => format!(", public URL {url}"),
    };
    let (username, password) = generated.map_or(("USERNAME", "PASSWORD"), |admin| {
        (admin.username, &*admin.password)
    });
    if generated.is_some() {
        print_stdout(&format!(
            "\nThe first SuperAdmin was created. Its password is shown only once:\n\n  username  {username}\n  password  {password}\n"
        ))?;
    }
    let documentation = if config.serves_docs() {
        format!(" (API documentation: {local_url}/docs/)")
    } else {
        String::new()
    };
    print_stdout(&format!(
        "\nrosterd serves on {local_url}{documentation}{public_url}. Try:\n\n  \
         curl -s {local_url}/api/v1/auth/login -H 'Content-Type: application/json' \\\n    \
         -d '{{\"username\": \"{username}\", \"password\": \"{password}\"}}'\n\n"
    ))
}
