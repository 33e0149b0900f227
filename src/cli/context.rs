//! Where a command works: the database of this machine, opened for as long as the command runs, with or without a service
//! beside it, and the operator as whoever acts.

use std::sync::Arc;

use super::{Failure, tell};
use crate::access::authentication::{Actor, Can, Need};
use crate::access::passwords::{Chooser, Password, PasswordHash};
use crate::accounts::users::{self, UserRow};
use crate::platform::config::Config;
use crate::platform::crypto::Vault;
use crate::platform::data_source::DataSource;
use crate::platform::db::Db;
use crate::platform::db::cluster::Mode;
use crate::platform::error::{AppError, Code};
use crate::server;

/// An open database and an operator.
pub struct CliContext<'c> {
    /// The settings.
    pub config: &'c Config,
    /// The database.
    pub db: Db,
    /// Who acts.
    pub operator: Arc<Actor>,
    place: DataSource,
}

/// Opens a desk, works at it, and closes it however the work ends.
pub fn at<T>(
    config: &Config,
    work: impl FnOnce(&CliContext<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut desk = CliContext::open(config)?;
    let done = work(&desk);
    let closed = desk.place.close();
    let value = done?;
    closed?;
    Ok(value)
}

impl<'c> CliContext<'c> {
    fn open(config: &'c Config) -> Result<Self, Failure> {
        let place = DataSource::open(config, Mode::Existing, &tell)?;
        let behind = place.plan()?.pending.len();
        if behind > 0 {
            return Err(Failure::Failed(format!(
                "the schema is {behind} migrations behind: run `rosterd db migrate`"
            )));
        }
        let os_user = config.machine.user.clone();
        Ok(Self {
            config,
            db: server::database(config, place.url())?,
            operator: Arc::new(Actor::operator(
                os_user.unwrap_or_else(|| "unknown".to_owned()),
            )),
            place,
        })
    }

    /// The proof that the operator may.
    pub fn may<N: Need>(&self) -> Result<Can<N>, AppError> {
        Can::prove(Arc::clone(&self.operator))
    }

    /// The keys derived from the secret key.
    pub fn vault(&self) -> Result<Vault, AppError> {
        Vault::new(self.place.secret_key())
    }

    /// Accepts and hashes a password.
    pub fn hash(&self, identity: Chooser, password: Password) -> Result<PasswordHash, Failure> {
        let vault = Arc::new(self.vault()?);
        let passwords = server::passwords(self.config, &vault)?;
        let hash = actix_web::rt::System::new().block_on(passwords.choose(
            &self.db,
            identity,
            password,
            "/password",
        ))?;
        Ok(hash)
    }

    /// The account that the operator means: by username, by id, or by address.
    pub fn account(&self, name: &str) -> Result<UserRow, Failure> {
        self.db
            .read_now(|tx| users::service::named(tx, name))
            .map_err(|error| match error.code() {
                Code::NotFound => Failure::Failed(format!("there is no account called {name}")),
                _ => error.into(),
            })
    }
}
