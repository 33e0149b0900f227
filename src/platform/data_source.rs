//! The database that stores the service's data, with its secret key: either the one that `DATABASE_URL` names, or the
//! private cluster.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::platform::config::{Config, ConfigError, without_password};
use crate::platform::crypto;
use crate::platform::db::migrate::{self, MigrationPlan};
use crate::platform::db::open_unpooled_connection;
use crate::platform::db::private_cluster::{
    Cluster, ClusterError, ClusterOptions, MissingCluster, MovedCluster, default_data_dir, is_root,
};
use crate::platform::error::{AppError, Code};
use crate::platform::private_file;
use crate::platform::start_error::StartError;

/// A database and the key that its secrets are encrypted under.
pub struct DataSource {
    /// The private cluster, if that is the database.
    cluster: Option<Cluster>,
    /// The data directory of the private cluster.
    data_dir: Option<PathBuf>,
    url: Zeroizing<String>,
    /// The URL for notifications and migrations, if it is another one.
    listen_url: Option<Zeroizing<String>>,
    secret_key: Zeroizing<[u8; 32]>,
    key_file: Option<PathBuf>,
}

/// Where the data is, for people: the URL without its password, or the directory of the private cluster.
#[must_use]
pub fn describe(config: &Config) -> String {
    match (&config.database_url, private_data_dir(config)) {
        (Some(url), _) => without_password(url.expose()),
        (None, Some(path)) => format!("the private cluster in {}", path.display()),
        (None, None) => "the private cluster, in no directory".to_owned(),
    }
}

/// The data directory of the private cluster, if that is the database. `None` too if neither a setting nor `HOME` names one.
#[must_use]
pub fn private_data_dir(config: &Config) -> Option<PathBuf> {
    let variables = &config.system_variables;
    let (xdg, home) = (&variables.xdg_data_home, &variables.home);
    let default_dir = || default_data_dir(is_root(), xdg.as_deref(), home.as_deref());
    match config.database_url {
        Some(_) => None,
        None => config.data_dir.clone().or_else(default_dir),
    }
}

impl DataSource {
    /// Opens the data source. Starts the private cluster if it does not run.
    ///
    /// # Errors
    /// A setting is wrong or missing, or the cluster cannot be started.
    pub fn open(
        config: &Config,
        mode: MissingCluster,
        progress: &dyn Fn(&str),
    ) -> Result<Self, StartError> {
        match &config.database_url {
            Some(url) => Ok(Self {
                cluster: None,
                data_dir: None,
                url: Zeroizing::new(url.expose().to_owned()),
                listen_url: config
                    .db_listen_url
                    .as_ref()
                    .map(|url| Zeroizing::new(url.expose().to_owned())),
                secret_key: Zeroizing::new(
                    *config
                        .secret_key
                        .as_ref()
                        .ok_or_else(missing_secret_key)?
                        .expose(),
                ),
                key_file: None,
            }),
            None => Self::open_private_cluster(config, mode, progress),
        }
    }

    fn open_private_cluster(
        config: &Config,
        mode: MissingCluster,
        progress: &dyn Fn(&str),
    ) -> Result<Self, StartError> {
        let system_variables = &config.system_variables;
        let data_dir = private_data_dir(config).ok_or_else(|| {
            ConfigError::new("ROSTERD_DATA_DIR", "is required if HOME is not set")
        })?;
        let options = ClusterOptions::new(&data_dir, &system_variables.search_path, mode);
        let path = data_dir.join("secret-key");
        let (secret_key, key_file) = match &config.secret_key {
            Some(key) => (Zeroizing::new(*key.expose()), None),
            None => (read_or_create_key(&path, &options)?, Some(path)),
        };
        let cluster = Cluster::open(&options, progress)?;
        Ok(Self {
            url: Zeroizing::new(cluster.url()),
            listen_url: None,
            cluster: Some(cluster),
            data_dir: Some(data_dir),
            secret_key,
            key_file,
        })
    }

    /// The libpq URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The libpq URL for change notifications: without a pooler.
    #[must_use]
    pub fn listen_url(&self) -> &str {
        self.listen_url.as_ref().unwrap_or(&self.url)
    }

    /// The key that the database's secrets are encrypted under.
    #[must_use]
    pub fn secret_key(&self) -> &[u8; 32] {
        &self.secret_key
    }

    /// The file that contains the secret key, if rosterd created it.
    #[must_use]
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }

    /// The data directory of the private cluster, if that is the database.
    #[must_use]
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// Whether the database is the private cluster.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Waits until the database of `DATABASE_URL` accepts a connection, at most for `timeout` or until `is_cancelled`. Reports
    /// each failed attempt. Returns at once for the private cluster.
    ///
    /// # Errors
    /// The last failure, when the time has passed.
    pub fn wait_until_reachable(
        &self,
        timeout: Duration,
        is_cancelled: &dyn Fn() -> bool,
        progress: &dyn Fn(&str),
    ) -> Result<(), StartError> {
        const RETRY_INTERVAL: Duration = Duration::from_secs(1);
        let start = Instant::now();
        while !self.is_private() && !is_cancelled() {
            let Err(error) = open_unpooled_connection(&self.url) else {
                break;
            };
            let remaining = timeout.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                return Err(self.start_error(error));
            }
            progress(&format!(
                "waiting for the database, for at most {} s more: {}",
                remaining.as_secs(),
                error.detail().unwrap_or_default()
            ));
            std::thread::sleep(RETRY_INTERVAL.min(remaining));
        }
        Ok(())
    }

    /// Applies the pending migrations or, if `ROSTERD_MIGRATE` is off, checks that there are none.
    ///
    /// # Errors
    /// Database errors. A configuration error if migrations are pending while `ROSTERD_MIGRATE` is off.
    pub fn prepare_schema(
        &self,
        config: &Config,
        progress: &dyn Fn(&str),
    ) -> Result<(), StartError> {
        let plan = self.migration_plan()?;
        if !plan.unknown.is_empty() {
            tracing::warn!(
                unknown_migrations = plan.unknown.len(),
                "the database schema belongs to a later release of rosterd"
            );
        }
        if config.migrate {
            self.migrate(progress)?;
            return Ok(());
        }
        if plan.pending.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "is off and the schema is {} migrations behind: run `rosterd db migrate`",
            plan.pending.len()
        );
        Err(ConfigError::new("ROSTERD_MIGRATE", problem).into())
    }

    /// Compares the schema with the migrations of this program.
    ///
    /// # Errors
    /// Database errors.
    pub fn migration_plan(&self) -> Result<MigrationPlan, StartError> {
        migrate::plan_at(&self.url).map_err(|error| self.start_error(error))
    }

    /// Applies the pending migrations and returns their names. Without any, the role needs no privilege to change the schema.
    ///
    /// # Errors
    /// Database errors.
    pub fn migrate(&self, progress: &dyn Fn(&str)) -> Result<Vec<String>, StartError> {
        let listen_url = self.listen_url.as_ref().map(|url| url.as_str());
        migrate::run(&self.url, listen_url, progress).map_err(|error| self.start_error(error))
    }

    /// Writes the private cluster's database to a file.
    ///
    /// # Errors
    /// The database is not the private cluster, or the backup fails.
    pub fn backup(&self, file: File) -> Result<(), StartError> {
        Ok(self.private_cluster()?.backup(file)?)
    }

    /// Replaces the private cluster's database by a backup. Before that, calls `prepare` with the URL of the restored
    /// database; if it fails, the current database remains.
    ///
    /// # Errors
    /// The database is not the private cluster, or another process uses it; the backup cannot be restored; an error of
    /// `prepare`.
    pub fn restore<T, E: From<StartError>>(
        &self,
        backup: File,
        prepare: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, E> {
        let start_error = |error: ClusterError| E::from(error.into());
        let cluster = self.private_cluster()?;
        let exclusive = cluster.exclude_others().map_err(start_error)?;
        let url = exclusive.restore(backup).map_err(start_error)?;
        let prepared = prepare(&url)?;
        exclusive.replace_database().map_err(start_error)?;
        Ok(prepared)
    }

    /// Moves the private cluster to the newest installed version of PostgreSQL, or to a new cluster of the same version if
    /// `is_rebuilt`. `None` if there is nothing to do.
    ///
    /// # Errors
    /// The database is not the private cluster, or another process uses it; programs of PostgreSQL fail.
    pub fn upgrade(
        &self,
        config: &Config,
        is_rebuilt: bool,
        progress: &dyn Fn(&str),
    ) -> Result<Option<MovedCluster>, StartError> {
        let cluster = self.private_cluster()?;
        let search_path = &config.system_variables.search_path;
        let data_dir = self.data_dir.clone().unwrap_or_default();
        let options = ClusterOptions::new(data_dir, search_path, MissingCluster::Fail);
        let newest = Cluster::newest_installed_major(&options);
        if !is_rebuilt && newest.is_none_or(|newest| newest <= cluster.major()) {
            return Ok(None);
        }
        let exclusive = cluster.exclude_others()?;
        Ok(Some(exclusive.move_to_new_cluster(&options, progress)?))
    }

    fn private_cluster(&self) -> Result<&Cluster, StartError> {
        self.cluster.as_ref().ok_or_else(|| {
            StartError::Other(
                "this is for the private cluster: for the database of DATABASE_URL use pg_dump and pg_restore, and run \
                 `rosterd auth reset` after a restore"
                    .to_owned(),
            )
        })
    }

    /// Reports an unavailable database as an error of `DATABASE_URL`, unless it is the private cluster.
    fn start_error(&self, error: AppError) -> StartError {
        match error.detail() {
            Some(detail) if error.code() == Code::DatabaseUnavailable && !self.is_private() => {
                ConfigError::new("DATABASE_URL", detail.to_owned()).into()
            }
            _ => error.into(),
        }
    }

    /// Restarts the private cluster's server when it dies, until the data source is closed. Calls `on_give_up` if the server
    /// cannot be restarted; [`DataSource::close`] then returns the error. Does nothing if the database is not the private
    /// cluster.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn supervise(&mut self, on_give_up: impl FnOnce() + Send + 'static) -> io::Result<()> {
        match &mut self.cluster {
            Some(cluster) => cluster.supervise(on_give_up),
            None => Ok(()),
        }
    }

    /// How often the private cluster's server was restarted, if that is the database.
    #[must_use]
    pub fn database_restarts(&self) -> Option<Arc<AtomicU64>> {
        self.cluster.as_ref().map(Cluster::restarts)
    }

    /// Closes the data source. Stops the private cluster unless another process uses it.
    ///
    /// # Errors
    /// The cluster could not be restarted after it died, or cannot be stopped.
    pub fn close(&mut self) -> Result<(), StartError> {
        match &mut self.cluster {
            Some(cluster) => Ok(cluster.stop()?),
            None => Ok(()),
        }
    }
}

fn missing_secret_key() -> ConfigError {
    ConfigError::new("ROSTERD_SECRET_KEY", "is required with DATABASE_URL")
}

/// Reads the key. Creates it before the cluster is created: so an existing cluster without a key has lost it, and a new
/// key could not decrypt what the cluster contains.
fn read_or_create_key(
    path: &Path,
    options: &ClusterOptions,
) -> Result<Zeroizing<[u8; 32]>, StartError> {
    if !Cluster::exists(options)? {
        match options.mode {
            MissingCluster::Create => create_key_if_missing(path, options)?,
            MissingCluster::Fail => {
                let data_dir = options.data_dir.clone();
                return Err(ClusterError::NoDatabase { data_dir }.into());
            }
        }
    }
    read_key(path)
}

/// Creates the file with a random key if it is missing. If several processes create it at the same time, the first one
/// succeeds. The file never exists with an incomplete key.
fn create_key_if_missing(path: &Path, options: &ClusterOptions) -> Result<(), StartError> {
    Cluster::create_data_dir(options)?;
    if path.exists() {
        return Ok(());
    }
    let new_key = Zeroizing::new(crypto::random_bytes::<32>()?);
    let text = Zeroizing::new(hex::encode(new_key.as_slice()));
    let temporary_path = path.with_extension(std::process::id().to_string());
    let linked = private_file::create(&temporary_path, &text)
        .and_then(|()| fs::hard_link(&temporary_path, path));
    let removed = fs::remove_file(&temporary_path);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(key_file_error(path, &error)),
        _ => removed.map_err(|error| key_file_error(path, &error)),
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StartError> {
    // The command line may run as root while the service runs as the owner of the directory.
    let owner_of_dir = || Some(fs::metadata(path.parent()?).ok()?.uid());
    let additional_owner = if is_root() { owner_of_dir() } else { None };
    let text = private_file::read_unchangeable_by_others(path, additional_owner)
        .map_err(|error| key_file_error(path, &error))?;
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(|_| {
        let path = path.display();
        StartError::Other(format!("{path} is not a key of 64 hexadecimal digits"))
    })?;
    Ok(key)
}

fn key_file_error(path: &Path, error: &io::Error) -> StartError {
    let path = path.display();
    let message = if error.kind() == ErrorKind::NotFound {
        format!(
            "the secret key {path} is missing, but the database exists: restore the file from a backup, or set \
             ROSTERD_SECRET_KEY"
        )
    } else {
        format!("cannot use the secret key {path}: {error}")
    };
    StartError::Other(message)
}
