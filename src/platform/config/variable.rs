//! What a variable of the environment is: its names, its default, why it is there. `.env.example` is printed from it.

use std::fmt::Write;

/// Whether the value of a setting may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Never shown; also read from a file that `…_FILE` names.
    Secret,
}

/// A line of the table of settings.
pub(super) struct Variable {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) kind: Kind,
    /// As it would be written; empty: unset.
    pub(super) default: &'static str,
    pub(super) why: &'static str,
}

const FILE: &str = "_FILE";

impl Variable {
    /// Every name by which the setting can be given, the main one first.
    pub(super) fn forms(&self) -> impl Iterator<Item = String> {
        let suffixes: &[&str] = match self.kind {
            Kind::Plain => &[""],
            Kind::Secret => &["", FILE],
        };
        suffixes.iter().flat_map(move |suffix| {
            std::iter::once(&self.name)
                .chain(self.aliases)
                .map(move |name| format!("{name}{suffix}"))
        })
    }

    pub(super) fn has_form(&self, name: &str) -> bool {
        self.forms().any(|form| form == name)
    }

    pub(super) fn is_file_form(&self, form: &str) -> bool {
        self.kind == Kind::Secret && form.ends_with(FILE)
    }
}

/// The form of a setting that is most like `name`.
pub(super) fn nearest(name: &str, variables: &[Variable]) -> String {
    variables
        .iter()
        .flat_map(Variable::forms)
        .min_by_key(|form| strsim::damerau_levenshtein(name, form))
        .unwrap_or_default()
}

/// Whether Kubernetes sets such a variable in every pod beside a service called `rosterd` or, of this exact shape only,
/// `rosterd-<something>` (kubernetes.io, "Service", environment variables).
pub(super) fn injected_by_kubernetes(name: &str, text: &str) -> bool {
    let own =
        |rest: &str| rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    let has_scheme = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    let has_protocol = ["_TCP_", "_UDP_", "_SCTP_"]
        .iter()
        .any(|protocol| name.contains(protocol));
    name.strip_prefix("ROSTERD_").is_some_and(own)
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT") && (has_scheme || has_protocol)
}

/// `.env.example`: every setting with its default and why it is there, commented out.
pub(super) fn example(variables: &[Variable]) -> String {
    let mut page = String::from(
        "# The settings of rosterd, each with its default; nothing after the `=` means unset.\n\
         # Copy this file to .env and take the # away from what you change. The real environment wins over .env.\n\
         # Put a value with spaces, #, $ or quotes in '…'. A secret can be kept in a file that …_FILE names.\n",
    );
    let mut group = "";
    for variable in variables {
        if variable.group != group {
            group = variable.group;
            // Writing to a String can't fail.
            let _ = writeln!(page, "\n# --- {group} ---");
        }
        let _ = writeln!(
            page,
            "\n# {}\n#{}={}",
            variable.why, variable.name, variable.default
        );
        if variable.kind == Kind::Secret {
            let _ = writeln!(page, "#{}{FILE}=", variable.name);
        }
    }
    page
}
