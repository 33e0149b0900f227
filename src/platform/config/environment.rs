//! Reads the process environment and the `.env` file as text.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::error::ConfigError;
use super::variable::EnvVariable;

/// Environment variables: names and values.
pub(super) type Vars = BTreeMap<String, String>;

/// The variables of the environment, and those of `dotenv` for settings that the environment does not set.
pub(super) fn read(variables: &[EnvVariable], dotenv: &Path) -> Result<Vars, ConfigError> {
    let environment = read_environment(variables)?;
    Ok(merge(variables, environment, read_dotenv(dotenv)?))
}

/// The variables of the environment that belong to rosterd. Other variables need not be UTF-8.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment for the configuration"
)]
fn read_environment(variables: &[EnvVariable]) -> Result<Vars, ConfigError> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("ROSTERD_") || find(variables, name).is_some())
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ConfigError::new(name, "expected UTF-8 text")),
        })
        .collect()
}

/// The variables in a file of `NAME=value` lines; none if the file does not exist.
fn read_dotenv(path: &Path) -> Result<Vars, ConfigError> {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vars::new()),
        Err(error) => {
            let problem = format!("the file cannot be read: {}", error.kind());
            return Err(ConfigError::new(file, problem));
        }
    };
    dotenvy::from_read_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        // The error of dotenvy contains the line, which may contain a secret.
        .map_err(|_| {
            ConfigError::new(
                file,
                "expected lines of NAME=value, with '…' around a value that has spaces, #, $ or quotes",
            )
        })
}

/// Adds the settings of `dotenv` that the environment does not set. A setting with several names counts as set under any of
/// them.
fn merge(variables: &[EnvVariable], mut environment: Vars, dotenv: Vars) -> Vars {
    let is_unset = |name: &str| match find(variables, name) {
        Some(variable) => !variable.names().any(|name| environment.contains_key(&name)),
        None => !environment.contains_key(name),
    };
    let added: Vars = dotenv
        .into_iter()
        .filter(|(name, _)| is_unset(name))
        .collect();
    environment.extend(added);
    environment
}

/// The setting that has this name.
fn find<'v>(variables: &'v [EnvVariable], name: &str) -> Option<&'v EnvVariable> {
    variables.iter().find(|variable| variable.has_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::VARIABLES;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn environment_takes_precedence_over_dotenv_under_any_name() {
        let merged = merge(
            VARIABLES,
            vars(&[("ROSTERD_SECRET_KEY_FILE", "/key"), ("ROSTERD_LOG", "")]),
            vars(&[
                ("ROSTERD_SECRET_KEY", "ignored"),
                ("ROSTERD_LOG", "debug"),
                ("ROSTERD_AUDIENCE", "kept"),
                ("ROSTERD_TYPO", "kept"),
            ]),
        );
        assert_eq!(
            merged,
            vars(&[
                ("ROSTERD_SECRET_KEY_FILE", "/key"),
                ("ROSTERD_LOG", ""),
                ("ROSTERD_AUDIENCE", "kept"),
                ("ROSTERD_TYPO", "kept"),
            ])
        );
    }

    #[test]
    fn dotenv_is_read_and_its_errors_contain_no_value() {
        let dir = std::env::temp_dir().join(format!("rosterd-dotenv-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(".env");
        assert_eq!(read_dotenv(&path).unwrap(), Vars::new());
        std::fs::write(
            &path,
            "# comment\nROSTERD_LOG=debug\nDATABASE_URL='postgres://a:p$x#y@h/d'\n",
        )
        .unwrap();
        assert_eq!(
            read_dotenv(&path).unwrap(),
            vars(&[
                ("ROSTERD_LOG", "debug"),
                ("DATABASE_URL", "postgres://a:p$x#y@h/d")
            ])
        );
        std::fs::write(&path, "ROSTERD_SECRET_KEY=hunter2 hunter3\n").unwrap();
        let error = read_dotenv(&path).unwrap_err().to_string();
        assert!(
            error.contains(".env: expected lines of NAME=value"),
            "{error}"
        );
        assert!(!error.contains("hunter"), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
