//! Where the service's data is: the database that `DATABASE_URL` names, or the private cluster, each with its secret key.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto;
use crate::platform::db::cluster::{Cluster, Mode, Options, default_data_dir, is_root};
use crate::platform::db::migrate::{self, Plan};
use crate::platform::error::{AppError, Code};
use crate::platform::start_error::StartError;

/// A database that can be connected to, and what its secrets are encrypted under.
pub struct DataSource {
    cluster: Option<Cluster>,
    url: Zeroizing<String>,
    secret_key: Zeroizing<[u8; 32]>,
    key_file: Option<PathBuf>,
}

impl DataSource {
    /// Opens it; the private cluster is started if it does not run.
    ///
    /// # Errors
    /// A setting that is wrong or missing, or a cluster that can't be started.
    pub fn open(config: &Config, mode: Mode, progress: &dyn Fn(&str)) -> Result<Self, StartError> {
        match &config.database_url {
            Some(url) => Ok(Self {
                cluster: None,
                url: Zeroizing::new(url.expose().to_owned()),
                secret_key: Zeroizing::new(
                    *config.secret_key.as_ref().ok_or_else(no_key)?.expose(),
                ),
                key_file: None,
            }),
            None => Self::open_private(config, mode, progress),
        }
    }

    fn open_private(
        config: &Config,
        mode: Mode,
        progress: &dyn Fn(&str),
    ) -> Result<Self, StartError> {
        let machine = &config.machine;
        let data_dir = config
            .data_dir
            .clone()
            .or_else(|| {
                default_data_dir(
                    is_root(),
                    machine.data_home.as_deref(),
                    machine.home.as_deref(),
                )
            })
            .ok_or_else(|| {
                ConfigError::new("ROSTERD_DATA_DIR", "is needed where HOME is not set")
            })?;
        let options = Options::new(&data_dir, &machine.search_path, mode);
        let cluster = Cluster::open(&options, progress)?;
        let path = data_dir.join("secret-key");
        let (secret_key, key_file) = match &config.secret_key {
            Some(key) => (Zeroizing::new(*key.expose()), None),
            None => (kept_key(&path)?, Some(path)),
        };
        Ok(Self {
            url: Zeroizing::new(cluster.url()),
            cluster: Some(cluster),
            secret_key,
            key_file,
        })
    }

    /// How libpq reaches it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the secrets in it are encrypted under.
    #[must_use]
    pub fn secret_key(&self) -> &[u8; 32] {
        &self.secret_key
    }

    /// The file in which we keep that, if we do.
    #[must_use]
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }

    /// Whether it is our own cluster.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Brings the schema up to date or, where that is switched off, asks that it is.
    ///
    /// # Errors
    /// A migration that fails; a schema that is behind while `ROSTERD_MIGRATE` is off.
    pub fn fit(&self, config: &Config, progress: &dyn Fn(&str)) -> Result<(), StartError> {
        let plan = self.plan()?;
        if !plan.unknown.is_empty() {
            tracing::warn!(
                unknown = plan.unknown.len(),
                "the database schema is of a later release of rosterd"
            );
        }
        if config.migrate {
            self.migrate(progress)?;
            return Ok(());
        }
        if plan.pending.is_empty() {
            return Ok(());
        }
        let wrong = format!(
            "is off and the schema is {} migrations behind: run `rosterd db migrate`",
            plan.pending.len()
        );
        Err(ConfigError::new("ROSTERD_MIGRATE", wrong).into())
    }

    /// Where the schema stands.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn plan(&self) -> Result<Plan, StartError> {
        let plan = migrate::open(&self.url).and_then(|mut conn| migrate::plan(&mut conn));
        plan.map_err(|error| self.told(error))
    }

    /// Brings the schema up to date; the names of the steps that were missing.
    ///
    /// # Errors
    /// When a migration fails.
    pub fn migrate(&self, progress: &dyn Fn(&str)) -> Result<Vec<String>, StartError> {
        migrate::run(&self.url, progress).map_err(|error| self.told(error))
    }

    /// A database that can't be had is the business of whoever wrote `DATABASE_URL`.
    fn told(&self, error: AppError) -> StartError {
        match error.detail_text() {
            Some(why) if error.code() == Code::DatabaseUnavailable && !self.is_private() => {
                ConfigError::new("DATABASE_URL", why.to_owned()).into()
            }
            _ => error.into(),
        }
    }

    /// Leaves it; the private cluster is stopped unless somebody else uses it.
    ///
    /// # Errors
    /// When it can't be stopped.
    pub fn close(&mut self) -> Result<(), StartError> {
        match &mut self.cluster {
            Some(cluster) => Ok(cluster.stop()?),
            None => Ok(()),
        }
    }
}

fn no_key() -> ConfigError {
    ConfigError::new("ROSTERD_SECRET_KEY", "is needed with DATABASE_URL")
}

/// The key in this file, which is made when it is not there: of all who make it at once one wins, and nobody ever sees
/// half a key.
fn kept_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let failed = |error| StartError::Io("the secret key of the private cluster", error);
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let fresh = Zeroizing::new(crypto::random::<32>()?);
    let draft = path.with_extension(std::process::id().to_string());
    let kept = write_key(&draft, &fresh).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match kept {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => removed.map_err(failed)?,
    }
    read_key(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
}

/// In a file of mode 600 that is not there yet.
fn write_key(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let text = Zeroizing::new(hex::encode(key));
    let mut new = OpenOptions::new();
    let mut file = new.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn read_key(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, StartError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(StartError::Io(
                "the secret key of the private cluster",
                error,
            ));
        }
    };
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(|_| {
        let path = path.display();
        StartError::Other(format!("{path} is not a key of 64 hexadecimal digits"))
    })?;
    Ok(Some(key))
}
