//! `rosterd keys`: the keys that sign access tokens, which verifiers know from the published set.

use clap::Subcommand;

use super::output::{self, Column, FormFlags, Row};
use super::{Failure, context, tell};
use crate::access::authentication::keys::{self, KeyState, SigningKey};
use crate::platform::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// List the keys, the last to sign first.
    #[command(after_help = "Examples:\n  rosterd keys ls\n  rosterd keys ls --json")]
    Ls {
        #[command(flatten)]
        form: FormFlags,
    },
    /// Make another key. It is published at once and signs a quarter of an hour later, when every verifier knows it; the one
    /// before is accepted until its last token is dead. Nothing has to be restarted.
    #[command(after_help = "Example:\n  rosterd keys rotate")]
    Rotate {
        #[command(flatten)]
        form: FormFlags,
    },
}

pub fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Ls { form } => output::list(*form, &desk.db.read_now(keys::list)?),
        Command::Rotate { form } => {
            let vault = desk.vault()?;
            let made = desk
                .db
                .write_now(|tx| keys::rotate(tx, &desk.operator, &vault))?;
            if form.is_asked() {
                return output::show(*form, &made);
            }
            tell(&format!(
                "The key {} is published. It signs from {} on.",
                made.kid,
                made.active_at_utc.format("%Y-%m-%d %H:%M:%SZ")
            ));
            Ok(())
        }
    })
}

impl KeyState {
    const fn word(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
        }
    }
}

impl Row for SigningKey {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("kid", "KEY", |key| (&key.kid).into()),
        Column::shown("state", "STATE", |key| key.state.word().into()),
        Column::extra("createdAtUtc", |key| key.created_at_utc.into()),
        Column::shown("activeAtUtc", "SIGNS FROM", |key| key.active_at_utc.into()),
        Column::shown("expiresAtUtc", "ENDS", |key| key.expires_at_utc.into()),
    ];
}
