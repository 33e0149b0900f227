//! Where a command works: the database of this machine, opened for as long as the command runs, with or without a service
//! beside it, and the operator as whoever acts.

use std::sync::Arc;

use super::{Failure, tell};
use crate::app;
use crate::auth::{Actor, Can, Need};
use crate::config::Config;
use crate::db::Db;
use crate::db::cluster::Mode;
use crate::error::{AppError, Code};
use crate::passwords::{Chooser, Password, PasswordHash};
use crate::place::Place;
use crate::secrets::Vault;
use crate::users::{self, UserRow};

/// An open database and an operator.
pub struct Desk<'c> {
    /// The settings.
    pub config: &'c Config,
    /// The database.
    pub db: Db,
    /// Who acts.
    pub operator: Arc<Actor>,
    place: Place,
}

/// Opens a desk, works at it, and closes it however the work ends.
pub fn at<T>(
    config: &Config,
    work: impl FnOnce(&Desk<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut desk = Desk::open(config)?;
    let done = work(&desk);
    let closed = desk.place.close();
    let value = done?;
    closed?;
    Ok(value)
}

impl<'c> Desk<'c> {
    fn open(config: &'c Config) -> Result<Self, Failure> {
        let place = Place::open(config, Mode::Existing, &tell)?;
        let behind = place.plan()?.pending.len();
        if behind > 0 {
            return Err(Failure::Failed(format!(
                "the schema is {behind} migrations behind: run `rosterd db migrate`"
            )));
        }
        let os_user = config.machine.user.clone();
        Ok(Self {
            config,
            db: app::database(config, place.url())?,
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
    pub fn hash(&self, who: Chooser, password: Password) -> Result<PasswordHash, Failure> {
        let vault = Arc::new(self.vault()?);
        let passwords = app::passwords(self.config, &vault)?;
        let hash = actix_web::rt::System::new().block_on(passwords.choose(
            &self.db,
            who,
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
