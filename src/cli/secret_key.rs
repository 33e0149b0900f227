//! `rosterd secret-key`: replaces the key that encrypts secrets in the database.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::{CliContext, with_context};
use super::interrupt::Interrupt;
use super::{CliError, print_stderr};
use crate::access::{peppers, replicas, signing_keys};
use crate::audit::{self, AuditEntry, Subject, chain};
use crate::platform::config::Config;
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::{idempotency, mail};

#[derive(Subcommand)]
pub enum SecretKeyCommand {
    /// Encrypt the secrets in the database with the new secret key.
    #[command(after_help = "\
Example:
  rosterd secret-key rotate

Set ROSTERD_SECRET_KEY to the new key and ROSTERD_SECRET_KEY_PREVIOUS to the old one, restart all replicas with both, and \
run this command as the owner of the tables. Remove ROSTERD_SECRET_KEY_PREVIOUS a day later. The command works in batches \
and can be repeated.")]
    Rotate,
}

/// How many values were encrypted or authenticated with the previous key.
#[derive(Default)]
struct Counts {
    signing_keys: usize,
    peppers: usize,
    mail: usize,
    responses: usize,
    audit: usize,
}

pub fn run(config: &Config, command: &SecretKeyCommand) -> Result<(), CliError> {
    let SecretKeyCommand::Rotate = command;
    with_context(config, |context| {
        let vault = context.vault()?;
        check_keys(context, &vault)?;
        let interrupt = Interrupt::watch()?;
        let counts = reseal(context, &vault, &interrupt)?;
        if interrupt.is_pressed() {
            return Err(CliError::InterruptedAfter(format!(
                "interrupted after {} signing keys, {} messages, {} stored responses and {} links of the audit log: run the \
                 command again",
                counts.signing_keys, counts.mail, counts.responses, counts.audit
            )));
        }
        record(context, &counts)?;
        print_stderr(&format!(
            "Encrypted with the new key: {} signing keys, {} password peppers, {} messages, {} stored responses. Authenticated with the new key: \
             {} links of the audit log.\nKeep ROSTERD_SECRET_KEY_PREVIOUS for 24 hours, for repeated requests.",
            counts.signing_keys, counts.peppers, counts.mail, counts.responses, counts.audit
        ));
        Ok(())
    })
}

/// Checks that there are two keys and that all running replicas have the new one.
fn check_keys(context: &CliContext<'_>, vault: &Vault) -> Result<(), CliError> {
    if !vault.has_previous() {
        let message = "ROSTERD_SECRET_KEY_PREVIOUS is not set: set it to the old key, and ROSTERD_SECRET_KEY to the new one";
        return Err(CliError::Failed(message.to_owned()));
    }
    let key_id = vault.mac(KeyPurpose::SecretKeyId, b"");
    let count_others = |tx: &mut Tx<'_>| replicas::service::count_with_other_key(tx, &key_id);
    match context.db.read_now(count_others)? {
        0 => Ok(()),
        count => Err(CliError::Failed(format!(
            "running replicas that do not use the new key yet: {count}; restart them with both keys first"
        ))),
    }
}

/// Works in batches, and stops after the current one when interrupted.
fn reseal(
    context: &CliContext<'_>,
    vault: &Vault,
    interrupt: &Interrupt,
) -> Result<Counts, AppError> {
    let db = &context.db;
    let is_peppered = context.config.password_pepper;
    let mut counts = Counts {
        signing_keys: db.write_now(|tx| signing_keys::service::reseal(tx, vault))?,
        peppers: db.write_now(|tx| peppers::service::reseal(tx, vault, is_peppered))?,
        ..Counts::default()
    };
    let (mut batch, mut last) =
        db.write_now(|tx| Ok(mail::service::reseal_batch(tx, vault, None)?))?;
    while last.is_some() && !interrupt.is_pressed() {
        counts.mail += batch;
        (batch, last) = db.write_now(|tx| Ok(mail::service::reseal_batch(tx, vault, last)?))?;
    }
    let (mut batch, mut last) =
        db.write_now(|tx| Ok(idempotency::service::reseal_batch(tx, vault, None)?))?;
    while let Some(after) = last.filter(|_| !interrupt.is_pressed()) {
        counts.responses += batch;
        let next =
            |tx: &mut Tx<'_>| Ok(idempotency::service::reseal_batch(tx, vault, Some(&after))?);
        (batch, last) = db.write_now(next)?;
    }
    let mut next = Some(0);
    while let Some(after) = next.filter(|_| !interrupt.is_pressed()) {
        let links = db.write_now(|tx| Ok(chain::service::reseal_batch(tx, vault, after)?))?;
        counts.audit += links.0;
        next = links.1;
    }
    Ok(counts)
}

fn record(context: &CliContext<'_>, counts: &Counts) -> Result<(), AppError> {
    let after = json!({
        "signingKeys": counts.signing_keys,
        "passwordPeppers": counts.peppers,
        "mail": counts.mail,
        "responses": counts.responses,
        "auditLinks": counts.audit,
    });
    context.db.write_now(|tx| {
        let entry = AuditEntry::new("secretKey.rotate", Subject::None);
        let entry = entry.with_change(Value::Null, after.clone());
        Ok(audit::record(tx, &context.operator, entry)?)
    })
}
