//! Reads the process environment and the `.env` file as text.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::error::ConfigError;
use super::variable::EnvVariable;

/// Environment variables: names and values.
pub(super) type Vars = BTreeMap<String, String>;

/// The file of settings in the working directory.
const DOTENV: &str = ".env";

/// The file of settings of this machine, with which commands work on the data of the service that it runs.
const SYSTEM_FILE: &str = "/etc/rosterd/rosterd.env";

/// The settings that say where the data is. The file of this machine is not used beside them: it could name other data.
const DATA_LOCATIONS: [&str; 3] = ["DATABASE_URL", "DATABASE_URL_FILE", "ROSTERD_DATA_DIR"];

/// The variables of the environment, and those of a file for settings that the environment does not set: of `env_file` if one is
/// named, otherwise of `.env` or the file of this machine. Returns the file too, if there is one.
pub(super) fn read(
    variables: &[EnvVariable],
    env_file: Option<&Path>,
) -> Result<(Vars, Option<PathBuf>), ConfigError> {
    let environment = read_environment(variables)?;
    let Some(path) = choose_file(
        &environment,
        env_file,
        Path::new(DOTENV),
        Path::new(SYSTEM_FILE),
    ) else {
        return Ok((environment, None));
    };
    let settings = read_file(&path, env_file.is_some())?;
    Ok((merge(variables, environment, settings), Some(path)))
}

/// The file of settings. A named one need not exist: reading it fails then.
fn choose_file(
    environment: &Vars,
    env_file: Option<&Path>,
    dotenv: &Path,
    system_file: &Path,
) -> Option<PathBuf> {
    let names_data = DATA_LOCATIONS.iter().any(|name| {
        environment
            .get(*name)
            .is_some_and(|value| !value.is_empty())
    });
    // An error other than "not found" is reported when the file is read.
    let exists = |path: &&Path| path.try_exists().unwrap_or(true);
    // The working directory may be one that this user cannot enter: `sudo -u rosterd` keeps that of the caller.
    let is_in_working_directory = |path: &&Path| match path.try_exists() {
        Err(error) => error.kind() != io::ErrorKind::PermissionDenied,
        Ok(exists) => exists,
    };
    env_file
        .or(Some(dotenv).filter(is_in_working_directory))
        .or(Some(system_file).filter(|path| !names_data && exists(path)))
        .map(Path::to_owned)
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

/// The variables in a file of `NAME=value` lines. Unless the file was named by the caller, other users must not be able to change
/// it: they would choose the database that a command works on.
fn read_file(path: &Path, is_named: bool) -> Result<Vars, ConfigError> {
    let file = path.display().to_string();
    let text = match read_text(path, is_named) {
        Ok(text) => text,
        Err(error) => {
            let problem = match error.kind() {
                io::ErrorKind::Other => {
                    format!(
                        "{error}; change that, or name the file with --env-file if you trust it"
                    )
                }
                io::ErrorKind::PermissionDenied => format!(
                    "the file cannot be read: {}; run the command as the user of the service or as root",
                    error.kind()
                ),
                kind => format!("the file cannot be read: {kind}"),
            };
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

/// Reads the file. Unless it was named, it and a symbolic link to it must belong to root or to the user of this process, and not
/// everyone may change it. The group may: on many systems each user has a group of their own.
fn read_text(path: &Path, is_named: bool) -> io::Result<String> {
    let mut file = File::open(path)?;
    if !is_named {
        check_origin(&std::fs::symlink_metadata(path)?)?;
        check_origin(&file.metadata()?)?;
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn check_origin(metadata: &Metadata) -> io::Result<()> {
    const WRITABLE_BY_EVERYONE: u32 = 0o002;
    let owner = metadata.uid();
    if ![0, geteuid().as_raw()].contains(&owner) {
        let problem = format!("the file belongs to another user (uid {owner})");
        return Err(io::Error::other(problem));
    }
    if metadata.is_file() && metadata.mode() & WRITABLE_BY_EVERYONE != 0 {
        return Err(io::Error::other("every user can write to the file"));
    }
    Ok(())
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
        let error = read_file(&path, false).unwrap_err().to_string();
        assert!(error.contains("the file cannot be read"), "{error}");
        std::fs::write(
            &path,
            "# comment\nROSTERD_LOG=debug\nDATABASE_URL='postgres://a:p$x#y@h/d'\n",
        )
        .unwrap();
        assert_eq!(
            read_file(&path, false).unwrap(),
            vars(&[
                ("ROSTERD_LOG", "debug"),
                ("DATABASE_URL", "postgres://a:p$x#y@h/d")
            ])
        );
        std::fs::write(&path, "ROSTERD_SECRET_KEY=hunter2 hunter3\n").unwrap();
        let error = read_file(&path, false).unwrap_err().to_string();
        assert!(
            error.contains(".env: expected lines of NAME=value"),
            "{error}"
        );
        assert!(!error.contains("hunter"), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn named_file_is_used_before_dotenv_and_that_of_the_machine_only_without_a_named_database() {
        let dir = std::env::temp_dir().join(format!("rosterd-env-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let [named, dotenv, system] = ["named", "dotenv", "system"].map(|name| dir.join(name));
        let chosen = |environment: &Vars, env_file: Option<&Path>| {
            choose_file(environment, env_file, &dotenv, &system)
        };
        let (empty, database) = (Vars::new(), vars(&[("DATABASE_URL", "postgres:///x")]));
        assert_eq!(chosen(&empty, None), None);
        std::fs::write(&system, "").unwrap();
        assert_eq!(chosen(&empty, None), Some(system.clone()));
        assert_eq!(chosen(&database, None), None);
        std::fs::write(&dotenv, "").unwrap();
        assert_eq!(chosen(&empty, None), Some(dotenv.clone()));
        assert_eq!(chosen(&database, None), Some(dotenv.clone()));
        assert_eq!(chosen(&database, Some(&named)), Some(named));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn file_that_everyone_can_change_is_used_only_if_it_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let directory = std::env::temp_dir().join(format!("rosterd-env-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("settings");
        std::fs::write(&path, "ROSTERD_LOG=debug\n").unwrap();
        for (mode, is_used) in [(0o644, true), (0o664, true), (0o666, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_file(&path, false).is_ok(), is_used, "{mode:o}");
            assert!(read_file(&path, true).is_ok());
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
