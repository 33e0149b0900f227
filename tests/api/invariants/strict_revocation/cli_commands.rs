//! Revocation from the command line: which commands exit only when no replica accepts what they revoked.
//!
//! A new command fails the test until it has a row in [`REVOKING_COMMANDS`] or [`OTHER_COMMANDS`].

use std::collections::BTreeSet;
use std::fs;

use diesel::RunQueryDsl;
use diesel::sql_types::Double;

use super::kinds;
use super::replicas::{Call, Replicas, Tally, Target};
use crate::support::binary::TempDir;
use crate::support::{Cli, TestApp};

const ME: &str = "/api/v1/auth/me";
const USERS: &str = "/api/v1/users?limit=1";

/// A command that takes away access.
pub struct RevokingCommand {
    /// The command, as in the name of its manual page.
    name: &'static str,
    /// The command line with `{user}`, `{session}`, `{token}`, `{client}` or `{role}`.
    line: &'static str,
    /// What the command revokes.
    credential: Credential,
    /// The status of a request with the credential afterwards.
    refused_with: u16,
}

/// The credential that a command revokes.
enum Credential {
    /// A session of an account with the role Admin.
    Session,
    /// A session of an account whose only permission is a direct grant of `users.read`.
    DirectGrant,
    /// A personal access token.
    Token,
    /// An access token of a service client.
    Client,
    /// A session of an account with a custom role that has `users.read`.
    Role,
}
use Credential::{Client, DirectGrant, Role, Session, Token};

const fn row(
    name: &'static str,
    line: &'static str,
    credential: Credential,
    refused_with: u16,
) -> RevokingCommand {
    RevokingCommand {
        name,
        line,
        credential,
        refused_with,
    }
}

pub const REVOKING_COMMANDS: &[RevokingCommand] = &[
    row("users-deactivate", "users deactivate {user}", Session, 401),
    row("users-rm", "users rm {user} --yes", Session, 401),
    row("users-rm", "users rm {user} --purge --yes", Session, 401),
    row("users-sign-out", "users sign-out {user}", Session, 401),
    row("users-mod", "users mod {user} --role User", Session, 403),
    row(
        "users-permissions-set",
        "users permissions set {user}",
        DirectGrant,
        403,
    ),
    row(
        "users-mod",
        "users mod {user} --expires-at 2020-01-01",
        Session,
        401,
    ),
    row(
        "users-mod",
        "users mod {user} --generate-password",
        Session,
        401,
    ),
    row("passwd", "passwd {user} --generate-password", Session, 401),
    row("passwd", "passwd {user} --rm --yes", Session, 401),
    row("auth-rm", "auth rm {session}", Session, 401),
    row("auth-rm", "auth rm {token}", Token, 401),
    row("clients-rm", "clients rm {client} --yes", Client, 401),
    row(
        "clients-mod",
        "clients mod {client} --no-permission users.read",
        Client,
        403,
    ),
    row(
        "clients-rotate-secret",
        "clients rotate-secret {client} --yes",
        Client,
        401,
    ),
    row(
        "roles-mod",
        "roles mod {role} --no-permission users.read",
        Role,
        403,
    ),
    row(
        "roles-rm",
        "roles rm {role} --move-to User --yes",
        Role,
        403,
    ),
];

/// Commands that affect everybody.
const GLOBAL_COMMANDS: [(&str, &str); 3] = [
    ("permissions-rm", "permissions rm assets.read --yes"),
    ("auth-reset", "auth reset --yes"),
    ("users-reset", "users reset --yes"),
];

const READS: &str = "it changes nothing";
const CREATES: &str = "it creates something and takes nothing away";
const NO_ACCESS: &str = "it changes nothing that gives access";
const NOT_CACHED: &str = "links and invites are not cached";
const NO_ACCOUNTS: &str = "it does not change accounts";

/// The commands that need not wait, with the reason.
const OTHER_COMMANDS: &[(&str, &str)] = &[
    ("audit-events", READS),
    ("audit-logins", READS),
    ("audit-reset", NO_ACCOUNTS),
    ("audit-verify", READS),
    ("auth-add", CREATES),
    ("auth-ls", READS),
    ("auth-show", READS),
    ("clients-add", CREATES),
    ("clients-ls", READS),
    ("clients-show", READS),
    ("completions", READS),
    ("db-backup", READS),
    ("db-migrate", NO_ACCOUNTS),
    ("db-restore", "it replaces the whole database"),
    ("db-upgrade", "the service is stopped, and nothing ends"),
    ("doctor", READS),
    ("health", READS),
    ("invites-add", CREATES),
    ("invites-ls", READS),
    ("invites-revoke", NOT_CACHED),
    ("keys-ls", READS),
    (
        "keys-rotate",
        "the old key is accepted until its last token has expired; with --compromised it waits",
    ),
    ("man", READS),
    ("openapi", READS),
    ("permissions-add", CREATES),
    ("permissions-ls", READS),
    ("roles-add", CREATES),
    ("roles-ls", READS),
    ("roles-show", READS),
    ("secret-key-rotate", NO_ACCOUNTS),
    ("serve", NO_ACCOUNTS),
    (
        "users-activate",
        "it gives access, and no session or token comes back",
    ),
    ("users-add", CREATES),
    ("users-can", READS),
    ("users-confirm", NO_ACCESS),
    ("users-ls", READS),
    ("users-reset-link", NOT_CACHED),
    (
        "users-restore",
        "it gives access, and no session or token comes back",
    ),
    ("users-show", READS),
    ("users-tag", NO_ACCESS),
    ("users-unconfirm", NO_ACCESS),
    ("users-untag", NO_ACCESS),
];

/// The leaf commands: those whose manual page has no subcommands.
fn leaf_commands() -> BTreeSet<String> {
    let directory = TempDir::new();
    let path = directory.path().to_str().unwrap();
    Cli::new(Vec::new()).run(&format!("man {path}")).expect(0);
    fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|page| {
            !fs::read_to_string(page)
                .unwrap()
                .contains(".SH SUBCOMMANDS")
        })
        .filter_map(|page| {
            let name = page.file_name()?.to_str()?.strip_prefix("rosterd-")?;
            name.strip_suffix(".1").map(str::to_owned)
        })
        .collect()
}

#[test]
fn every_command_is_listed_as_waiting_for_the_replicas_or_not() {
    let listed: BTreeSet<String> = REVOKING_COMMANDS
        .iter()
        .map(|command| command.name)
        .chain(
            GLOBAL_COMMANDS
                .iter()
                .chain(OTHER_COMMANDS)
                .map(|(name, _)| *name),
        )
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, leaf_commands());
}

/// The command exits at least as long after the start of its transaction as a replica may use its cache.
#[test]
fn revoking_command_exits_when_the_leases_of_the_replicas_have_expired() {
    let app = TestApp::start();
    let replicas = Replicas::new(vec![app.base.clone()], &app.url(), app.super_admin_token());
    let cli = app.cli();
    let mut clock = app.sql();
    let mut age_of_last_change = || -> f64 {
        let sql =
            "(SELECT extract(epoch FROM clock_timestamp() - max(at)) FROM audit_events)::float8";
        diesel::select(diesel::dsl::sql::<Double>(sql))
            .get_result(&mut clock)
            .unwrap()
    };
    for command in REVOKING_COMMANDS {
        let (target, line) = command.prepare(&replicas).unwrap();
        replicas.warm_up(&target.probe).unwrap();
        cli.run(&line).expect(0);
        let age = age_of_last_change();
        assert!(age >= 0.105, "{line}: exited after {age} s");
        let tally = Tally::default();
        replicas.probe_all(&line, &target, &tally);
        tally.assert_none_accepted();
    }
    cli.run("permissions add assets.read").expect(0);
    for (_, line) in GLOBAL_COMMANDS {
        cli.run(line).expect(0);
        let age = age_of_last_change();
        assert!(age >= 0.105, "{line}: exited after {age} s");
    }
}

/// Prepares the credential, revokes it with the command, and uses it on all replicas right after the exit.
pub fn revoke_with_command(
    replicas: &Replicas,
    cli: &Cli,
    command: &RevokingCommand,
    tally: &Tally,
) {
    let (target, line) = command.prepare(replicas).unwrap();
    replicas.warm_up(&target.probe).unwrap();
    cli.run(&line).expect(0);
    tally.count_revocation();
    replicas.probe_all(&line, &target, tally);
}

impl RevokingCommand {
    /// The credential that the command revokes, and the command line.
    fn prepare(&self, replicas: &Replicas) -> Option<(Target, String)> {
        let (path, token, placeholder, value) = match self.credential {
            Session | DirectGrant => {
                let user = match self.credential {
                    DirectGrant => replicas.create_signed_in_user("User", &["users.read"], None)?,
                    _ => replicas.create_signed_in_user("Admin", &[], None)?,
                };
                let (placeholder, id) = if self.line.contains("{session}") {
                    ("{session}", user.session)
                } else {
                    ("{user}", user.id)
                };
                (
                    USERS.to_owned(),
                    user.access_token,
                    placeholder,
                    id.to_string(),
                )
            }
            Token => {
                let (_, id, token) = kinds::with_personal_token(replicas)?;
                (ME.to_owned(), token, "{token}", id)
            }
            Client => {
                let (id, token) = kinds::with_client_token(replicas)?;
                (USERS.to_owned(), token, "{client}", id)
            }
            Role => {
                let (role, token) = kinds::with_own_role(replicas)?;
                (USERS.to_owned(), token, "{role}", role)
            }
        };
        let target = Target {
            probe: Call::new("GET", path).bearer(&token),
            refused_with: self.refused_with,
            revocation: Call::new("GET", ME),
        };
        Some((target, self.line.replace(placeholder, &value)))
    }
}
