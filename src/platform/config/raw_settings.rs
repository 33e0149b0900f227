//! The unparsed text of each setting, from its main name, an alias, or for a secret from the file named by `…_FILE`.
//! Rejects settings that are set under two names, and unknown names that begin with `ROSTERD_`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::ConfigError;
use super::values::ParseResult;
use super::variable::{EnvVariable, VariableSensitivity, is_injected_by_kubernetes, nearest_name};

/// Reads a file as text.
pub(super) type ReadFileFn<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

type ZeroizingVars = BTreeMap<String, Zeroizing<String>>;

/// The name under which a setting was set, and its text.
struct RawSetting {
    name: String,
    text: Zeroizing<String>,
}

/// The settings that are set, by main name.
pub(super) struct RawSettings(BTreeMap<&'static str, RawSetting>);

impl RawSettings {
    /// Finds the text of each of `variables` in `vars`. An empty value counts as unset, except for a secret, for which it
    /// is an error.
    pub(super) fn collect(
        variables: &'static [EnvVariable],
        vars: impl IntoIterator<Item = (String, String)>,
        read_file: ReadFileFn<'_>,
    ) -> Result<Self, ConfigError> {
        let vars: ZeroizingVars = vars
            .into_iter()
            .map(|(name, text)| (name, Zeroizing::new(text)))
            .collect();
        reject_unknown_names(variables, &vars)?;
        let mut settings = BTreeMap::new();
        for variable in variables {
            if let Some(setting) = find_setting(variable, &vars, read_file)? {
                settings.insert(variable.name, setting);
            }
        }
        Ok(Self(settings))
    }

    /// The parsed value of the setting `name`, or of its default if it is not set.
    pub(super) fn value<T>(
        &self,
        name: &str,
        default: &str,
        parse: impl Fn(&str) -> ParseResult<T>,
    ) -> Result<T, ConfigError> {
        let (name, text) = match self.0.get(name) {
            Some(setting) => (setting.name.as_str(), setting.text.as_str()),
            None => (name, default),
        };
        parse(text).map_err(|expected| ConfigError::new(name, format!("expected {expected}")))
    }
}

fn reject_unknown_names(
    variables: &[EnvVariable],
    vars: &ZeroizingVars,
) -> Result<(), ConfigError> {
    let is_unknown = |(name, text): &(&String, &Zeroizing<String>)| {
        name.starts_with("ROSTERD_")
            && !variables.iter().any(|variable| variable.has_name(name))
            && !is_injected_by_kubernetes(name, text)
    };
    match vars.iter().find(is_unknown) {
        None => Ok(()),
        Some((name, _)) => {
            let nearest = nearest_name(name, variables);
            Err(ConfigError::new(
                name.escape_debug().to_string(),
                format!("no setting has this name; the nearest is {nearest}"),
            ))
        }
    }
}

fn find_setting(
    variable: &EnvVariable,
    vars: &ZeroizingVars,
    read_file: ReadFileFn<'_>,
) -> Result<Option<RawSetting>, ConfigError> {
    let is_secret = variable.kind == VariableSensitivity::Secret;
    let mut matches = variable
        .names()
        .filter_map(|name| Some((vars.get(&name)?, name)))
        .filter(|(text, _)| is_secret || !text.trim().is_empty());
    let Some((text, name)) = matches.next() else {
        return Ok(None);
    };
    if let Some((_, other)) = matches.next() {
        return Err(ConfigError::new(
            name,
            format!("is set, and {other} is set too; keep only one of them"),
        ));
    }
    // An empty secret is probably a deployment error. If an empty DATABASE_URL counted as unset, the service would start
    // on a new, empty private cluster.
    if text.is_empty() {
        return Err(ConfigError::new(
            name,
            "is set but empty; set a value or remove it",
        ));
    }
    let text = match variable.kind {
        VariableSensitivity::Plain => Zeroizing::new(text.trim().to_owned()),
        VariableSensitivity::Secret if variable.is_file_name(&name) => {
            read_secret_file(&name, text, read_file)?
        }
        VariableSensitivity::Secret => text.clone(),
    };
    Ok(Some(RawSetting { name, text }))
}

/// The message of the operating system contains no path and no content; neither does the message of a refused file.
fn read_error(error: &io::Error) -> String {
    match error.get_ref() {
        Some(refusal) => refusal.to_string(),
        None => format!("the file cannot be read: {}", error.kind()),
    }
}

fn read_secret_file(
    name: &str,
    path: &str,
    read_file: ReadFileFn<'_>,
) -> Result<Zeroizing<String>, ConfigError> {
    let content = read_file(Path::new(path))
        .map(Zeroizing::new)
        .map_err(|error| ConfigError::new(name, read_error(&error)))?;
    let text = content.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(ConfigError::new(name, "the file is empty"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}
