//! The description of an environment variable: its names, default and documentation. Generates `.env.example`.

use std::fmt::Write;

/// Whether the value of a variable may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum VariableSensitivity {
    Plain,
    /// Never shown. Can also be read from a file that `…_FILE` names.
    Secret,
}

/// A row of the table of settings.
pub(super) struct EnvVariable {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) kind: VariableSensitivity,
    /// The default as text; empty: unset.
    pub(super) default: &'static str,
    pub(super) description: &'static str,
}

const FILE_SUFFIX: &str = "_FILE";

impl EnvVariable {
    /// All names under which the setting can be set: the main name first, then the aliases, then the `…_FILE` names.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let suffixes: &[&str] = match self.kind {
            VariableSensitivity::Plain => &[""],
            VariableSensitivity::Secret => &["", FILE_SUFFIX],
        };
        suffixes.iter().flat_map(move |suffix| {
            std::iter::once(&self.name)
                .chain(self.aliases)
                .map(move |name| format!("{name}{suffix}"))
        })
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names().any(|own_name| own_name == name)
    }

    /// Whether the value of this name is the path of a file that contains the secret.
    pub(super) fn is_file_name(&self, name: &str) -> bool {
        self.kind == VariableSensitivity::Secret && name.ends_with(FILE_SUFFIX)
    }
}

/// The known name that is most similar to `name`.
pub(super) fn nearest_name(name: &str, variables: &[EnvVariable]) -> String {
    variables
        .iter()
        .flat_map(EnvVariable::names)
        .min_by_key(|known| strsim::damerau_levenshtein(name, known))
        .unwrap_or_default()
}

/// Whether Kubernetes sets this variable in the pods of a namespace with a service called `rosterd` or
/// `rosterd-<suffix>` (kubernetes.io, "Service", environment variables).
pub(super) fn is_injected_by_kubernetes(name: &str, value: &str) -> bool {
    let is_of_service_rosterd =
        |rest: &str| rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    let has_scheme = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let has_protocol = ["_TCP_", "_UDP_", "_SCTP_"]
        .iter()
        .any(|protocol| name.contains(protocol));
    name.strip_prefix("ROSTERD_")
        .is_some_and(is_of_service_rosterd)
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT") && (has_scheme || has_protocol)
}

/// The text of `.env.example`: all settings with their defaults and descriptions, commented out.
pub(super) fn env_example(variables: &[EnvVariable]) -> String {
    let mut text = String::from(
        "# All settings of rosterd with their defaults. Nothing after the `=` means unset.\n\
         # Copy this file to .env and uncomment the settings that you change. Environment variables take precedence over .env.\n\
         # Put a value with spaces, #, $ or quotes in '…'. A setting with a …_FILE variant can be read from the file at that path.\n",
    );
    let mut group = "";
    for variable in variables {
        if variable.group != group {
            group = variable.group;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n# --- {group} ---");
        }
        let _ = writeln!(
            text,
            "\n# {}\n#{}={}",
            variable.description, variable.name, variable.default
        );
        if variable.kind == VariableSensitivity::Secret {
            let _ = writeln!(text, "#{}{FILE_SUFFIX}=", variable.name);
        }
    }
    text
}
