//! `rosterd keys`: lists and rotates the keys that sign access tokens.

use clap::Subcommand;

use super::context::with_context;
use super::output::{self, Column, FormatFlags, TableRow};
use super::{CliError, print_stderr};
use crate::access::signing_keys::service::{self, KeyState, SigningKeyInfo};
use crate::platform::config::Config;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// List signing keys, newest first.
    #[command(after_help = "Examples:\n  rosterd keys ls\n  rosterd keys ls --json")]
    Ls {
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Create and publish a new signing key.
    #[command(after_help = "\
Examples:
  rosterd keys rotate
  rosterd keys rotate --compromised

The new key is published at once and signs tokens 15 minutes later, when verifiers have loaded it. The old key is \
accepted until its last token has expired. No restart is needed.

With --compromised the new key signs at once, and the old keys are rejected when the command has ended. Clients get new \
access tokens with their refresh tokens; no session ends.")]
    Rotate {
        /// Replace all keys at once, because a private key may have been disclosed: access tokens that they signed are
        /// rejected.
        #[arg(long)]
        compromised: bool,
        #[command(flatten)]
        format: FormatFlags,
    },
}

pub fn run(config: &Config, command: &KeysCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        KeysCommand::Ls { format } => output::list(*format, &context.db.read_now(service::list)?),
        KeysCommand::Rotate {
            compromised,
            format,
        } => {
            let vault = context.vault()?;
            let rotate = if *compromised {
                service::replace_compromised
            } else {
                service::rotate
            };
            let created = context
                .db
                .write_now(|tx| rotate(tx, &context.operator, &vault))?;
            if format.is_set() {
                return output::show(*format, &created);
            }
            print_stderr(&format!(
                "Key {} published. It signs tokens from {}.",
                created.kid,
                created.active_at_utc.format("%Y-%m-%d %H:%M:%SZ")
            ));
            Ok(())
        }
    })
}

impl KeyState {
    const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
        }
    }
}

impl TableRow for SigningKeyInfo {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("kid", "KEY", |key| (&key.kid).into()),
        Column::shown("state", "STATE", |key| key.state.name().into()),
        Column::extra("createdAtUtc", |key| key.created_at_utc.into()),
        Column::shown("activeAtUtc", "SIGNS FROM", |key| key.active_at_utc.into()),
        Column::shown("expiresAtUtc", "ENDS", |key| key.expires_at_utc.into()),
    ];
}
