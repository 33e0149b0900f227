//! `rosterd passwd`: sets or removes a user's password without a sign-in, for example when the last administrator lost
//! theirs.

use clap::Args;

use super::context::with_context;
use super::prompt::{PasswordFlags, YesFlag};
use super::{CliError, print_stderr, print_stdout};
use crate::access::passwords::PasswordOwner;
use crate::access::tokens::PersonalTokens;
use crate::accounts::credentials;
use crate::platform::config::Config;
use crate::platform::http::IfMatch;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd passwd ada
  pass show ada | rosterd passwd ada --password-stdin
  rosterd passwd ada --generate-password
  rosterd passwd ada --rm
  rosterd passwd ada --keep-tokens")]
pub struct PasswdArgs {
    /// Username, id or email address.
    name: String,
    #[command(flatten)]
    password: PasswordFlags,
    /// Remove the password; the user can't sign in with a password until a new one is set.
    #[arg(long, conflicts_with = "password-source")]
    rm: bool,
    /// Keep the personal access tokens of the user.
    #[arg(long)]
    keep_tokens: bool,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, args: PasswdArgs) -> Result<(), CliError> {
    with_context(config, |context| {
        let user = context.find_account(&args.name)?;
        let actor = context.authorize()?;
        let any_version = IfMatch::Absent;
        let tokens = PersonalTokens::end_unless(args.keep_tokens);
        let ended = if args.keep_tokens {
            "all sessions were ended"
        } else {
            "all sessions and access tokens were ended"
        };
        if args.rm {
            let question = format!("Remove the password of {}?", user.username);
            args.yes.confirm(&question)?;
            context.db.write_now(|tx| {
                credentials::service::remove_password(tx, &actor, user.id, tokens, &any_version)
            })?;
            print_stderr(&format!("Password of {} removed; {ended}.", user.username));
            return Ok(());
        }
        let input = args.password.read_or_prompt()?;
        let hash =
            context.hash_password(PasswordOwner::ExistingAccount(user.id), input.password)?;
        context.db.write_now(|tx| {
            credentials::service::reset_password(tx, &actor, user.id, &hash, tokens, &any_version)
        })?;
        print_stderr(&format!("Password of {} set; {ended}.", user.username));
        if let Some(password) = input.generated {
            print_stdout(&format!("{password}\n"))?;
        }
        Ok(())
    })
}
