//! What a command works with: the settings, the database of this machine, and the operator as the actor.

use std::sync::Arc;

use uuid::Uuid;

use super::{CliError, print_stderr};
use crate::access::actor::{Actor, OsUser};
use crate::access::authentication::{Can, Need};
use crate::access::passwords::{Password, PasswordHash, PasswordOwner};
use crate::accounts::password_reset::LinkContext;
use crate::accounts::users::{self, UserRow};
use crate::platform::config::{Config, SecretKey};
use crate::platform::crypto::Vault;
use crate::platform::data_source::DataSource;
use crate::platform::db::private_cluster::MissingCluster;
use crate::platform::db::{Db, IdPrefix, Tx};
use crate::platform::error::AppError;
use crate::platform::passwd_file;
use crate::server;

/// An open database and the operator.
pub struct CliContext<'c> {
    /// The settings.
    pub config: &'c Config,
    /// The database.
    pub db: Db,
    /// The actor of everything that the command does.
    pub operator: Arc<Actor>,
    data_source: DataSource,
}

/// Opens the database, runs `command`, and closes the database whether or not the command succeeded. The service does
/// not have to run; a private cluster is started for as long as the command needs it.
pub fn with_context<T>(
    config: &Config,
    command: impl FnOnce(&CliContext<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let mut context = CliContext::open(config)?;
    let result = command(&context);
    let close_result = context.data_source.close();
    let value = result?;
    close_result?;
    Ok(value)
}

/// The operator who runs the command.
pub fn operator(config: &Config) -> Actor {
    let uid = passwd_file::current_uid();
    Actor::operator(OsUser {
        uid,
        name: passwd_file::name_of(uid),
        sudo_user: config.system_variables.sudo_user.clone(),
    })
}

impl<'c> CliContext<'c> {
    fn open(config: &'c Config) -> Result<Self, CliError> {
        let data_source = DataSource::open(config, MissingCluster::Fail, &print_stderr)?;
        let pending = data_source.migration_plan()?.pending.len();
        if pending > 0 {
            return Err(CliError::Failed(format!(
                "the schema is {pending} migrations behind: run `rosterd db migrate`"
            )));
        }
        Ok(Self {
            config,
            db: server::connect_database(config, data_source.url())?,
            operator: Arc::new(operator(config)),
            data_source,
        })
    }

    /// Proves that the operator holds the permission `N`.
    pub fn authorize<N: Need>(&self) -> Result<Can<N>, AppError> {
        Can::prove(Arc::clone(&self.operator))
    }

    /// The keys derived from the secret key.
    pub fn vault(&self) -> Result<Vault, AppError> {
        let previous_key = self.config.secret_key_previous.as_ref();
        Vault::with_previous(
            self.data_source.secret_key(),
            previous_key.map(SecretKey::expose),
        )
    }

    /// Derives password reset links.
    pub fn reset_links(&self) -> Result<LinkContext, AppError> {
        Ok(LinkContext {
            vault: Arc::new(self.vault()?),
            reset_url: self.config.reset_url.clone(),
        })
    }

    /// Checks a password against the policy and hashes it.
    pub fn hash_password(
        &self,
        owner: PasswordOwner,
        password: Password,
    ) -> Result<PasswordHash, CliError> {
        let vault = Arc::new(self.vault()?);
        let passwords = server::build_passwords(self.config, &self.db, &vault)?;
        let hash = actix_web::rt::System::new().block_on(passwords.validate_and_hash(
            &self.db,
            owner,
            password,
            "/password",
        ))?;
        Ok(hash)
    }

    /// The id that begins with `text`, if it is the only one; `None` if there is none, or if no id can begin with the text.
    pub fn complete_id(
        &self,
        text: &str,
        find_ids: impl Fn(&mut Tx<'_>, IdPrefix) -> Result<Vec<Uuid>, AppError>,
    ) -> Result<Option<String>, CliError> {
        let Some(prefix) = IdPrefix::parse(text) else {
            return Ok(None);
        };
        let ids = self.db.read_now(|tx| find_ids(tx, prefix))?;
        match ids.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(id.to_string())),
            _ => Err(CliError::Failed(format!(
                "several ids begin with {text}: type more of the id"
            ))),
        }
    }

    /// Finds an account by id, the beginning of an id, username or confirmed email address.
    pub fn find_account(&self, name: &str) -> Result<UserRow, CliError> {
        let mut found = self
            .db
            .read_now(|tx| users::service::find_by_any_name(tx, name))?;
        // A username can look like the beginning of the id of another user; then neither is meant.
        if let Some(id) = self.complete_id(name, users::service::find_ids)? {
            let by_id = self
                .db
                .read_now(|tx| users::service::find_by_any_name(tx, &id))?;
            let known = found.first().map(|row| row.id);
            found.extend(by_id.into_iter().filter(|row| Some(row.id) != known));
        }
        match (found.pop(), found.first()) {
            (Some(row), None) => Ok(row),
            (Some(one), Some(other)) => Err(CliError::Failed(format!(
                "{name} can mean {} or {}: use the id, {} or {}",
                other.username, one.username, other.id, one.id
            ))),
            (None, _) if name.contains('@') => Err(CliError::Failed(format!(
                "no user has the confirmed email address {name}; use the username or id"
            ))),
            (None, _) => Err(CliError::Failed(format!("there is no user called {name}"))),
        }
    }
}
