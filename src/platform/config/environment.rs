//! What the environment and `.env` say of our settings, as text. What it means is not known here.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{ConfigError, setting};

/// Names and texts.
pub(super) type Vars = BTreeMap<String, String>;

/// What the environment says about our settings, and `dotenv` where the environment says nothing.
pub(super) fn read(dotenv: &Path) -> Result<Vars, ConfigError> {
    Ok(with_dotenv(environment()?, read_dotenv(dotenv)?))
}

/// What the environment says about our settings; other variables may hold anything, even no text.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the room that reads the environment"
)]
fn environment() -> Result<Vars, ConfigError> {
    std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text)))
        .filter(|(name, _)| name.starts_with("ROSTERD_") || setting(name).is_some())
        .map(|(name, text)| match text.into_string() {
            Ok(text) => Ok((name, text)),
            Err(_) => Err(ConfigError::new(name, "expected a text in UTF-8")),
        })
        .collect()
}

/// What a file of `NAME=value` lines says; nothing, if there is none.
fn read_dotenv(path: &Path) -> Result<Vars, ConfigError> {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vars::new()),
        Err(e) => {
            return Err(ConfigError::new(
                file,
                format!("can't be read: {}", e.kind()),
            ));
        }
    };
    dotenvy::from_read_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        // The error repeats the line, and with it perhaps a secret.
        .map_err(|_| ConfigError::new(file, "expected lines of NAME=value, with '…' around a value that has spaces, #, $ or quotes"))
}

/// The environment wins setting by setting, in whichever form either of them gives it.
fn with_dotenv(mut environment: Vars, dotenv: Vars) -> Vars {
    let open = |name: &str| match setting(name) {
        Some(variable) => !variable.forms().any(|form| environment.contains_key(&form)),
        None => !environment.contains_key(name),
    };
    let added: Vars = dotenv.into_iter().filter(|(name, _)| open(name)).collect();
    environment.extend(added);
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(vars: &[(&str, &str)]) -> Vars {
        vars.iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn the_environment_wins_over_dotenv_in_any_form() {
        let merged = with_dotenv(
            pairs(&[("ROSTERD_SECRET_KEY_FILE", "/key"), ("ROSTERD_LOG", "")]),
            pairs(&[
                ("ROSTERD_SECRET_KEY", "lost"),
                ("ROSTERD_LOG", "debug"),
                ("ROSTERD_AUDIENCE", "kept"),
                ("ROSTERD_TYPO", "kept"),
            ]),
        );
        assert_eq!(
            merged,
            pairs(&[
                ("ROSTERD_SECRET_KEY_FILE", "/key"),
                ("ROSTERD_LOG", ""),
                ("ROSTERD_AUDIENCE", "kept"),
                ("ROSTERD_TYPO", "kept"),
            ])
        );
    }

    #[test]
    fn dotenv_is_read_and_its_faults_show_no_value() {
        let folder = std::env::temp_dir().join(format!("rosterd-dotenv-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(".env");
        assert_eq!(read_dotenv(&path).unwrap(), Vars::new());
        std::fs::write(
            &path,
            "# note\nROSTERD_LOG=debug\nDATABASE_URL='postgres://a:p$x#y@h/d'\n",
        )
        .unwrap();
        assert_eq!(
            read_dotenv(&path).unwrap(),
            pairs(&[
                ("ROSTERD_LOG", "debug"),
                ("DATABASE_URL", "postgres://a:p$x#y@h/d")
            ])
        );
        std::fs::write(&path, "ROSTERD_SECRET_KEY=hunter2 hunter3\n").unwrap();
        let refusal = read_dotenv(&path).unwrap_err().to_string();
        assert!(
            refusal.contains(".env: expected lines of NAME=value"),
            "{refusal}"
        );
        assert!(!refusal.contains("hunter"), "{refusal}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
