//! Who may do what to whom, asked of the running service and written down in `policy_table.txt`: a change of rights shows in the
//! difference of that file. After a change that is meant: `cargo test --test api write_the_policy -- --ignored`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, User, operations};

/// An account as a party to the table: what it is called there, its role, and its direct grants.
#[derive(Clone, Copy)]
struct Party {
    name: &'static str,
    role: &'static str,
    grants: &'static [&'static str],
}

const fn party(name: &'static str, role: &'static str, grants: &'static [&'static str]) -> Party {
    Party { name, role, grants }
}

const SUPER_ADMIN: Party = party("SuperAdmin", "SuperAdmin", &[]);
const ADMIN: Party = party("Admin", "Admin", &[]);
const USER: Party = party("User", "User", &[]);
/// Ranks with the least and is permitted much.
const HELPER: Party = party(
    "User + users.*",
    "User",
    &[
        "users.create",
        "users.delete",
        "users.disable",
        "users.managePermissions",
        "users.read",
        "users.resetPassword",
        "users.update",
        "sessions.revoke",
    ],
);
/// Ranks with the least and holds what an Admin lacks.
const KEEPER: Party = party("User + roles.manage", "User", &["roles.manage"]);

const ACTORS: [Party; 4] = [SUPER_ADMIN, ADMIN, HELPER, USER];
const TARGETS: [Party; 4] = [SUPER_ADMIN, ADMIN, USER, KEEPER];

/// One thing done to an account.
struct Deed {
    name: &'static str,
    /// The id of the operation, and what follows its path.
    operation: &'static str,
    query: &'static str,
    body: Option<fn() -> Value>,
    /// How the account has to be before, as SQL sets it.
    before: Option<&'static str>,
}

const fn deed(name: &'static str, operation: &'static str) -> Deed {
    Deed {
        name,
        operation,
        query: "",
        body: None,
        before: None,
    }
}

impl Deed {
    const fn body(mut self, body: fn() -> Value) -> Self {
        self.body = Some(body);
        self
    }

    const fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    const fn when(mut self, before: &'static str) -> Self {
        self.before = Some(before);
        self
    }
}

const DEEDS: &[Deed] = &[
    deed("edit", "updateUser").body(|| json!({"displayName": "Ada"})),
    deed("tag", "addUserTag"),
    deed("untag", "removeUserTag"),
    deed("change the email", "updateUser").body(|| json!({"email": "ada@example.org"})),
    deed("let another identity in", "updateUser").body(|| json!({"authId": "7"})),
    deed("make it a SuperAdmin", "updateUser").body(|| json!({"role": "SuperAdmin"})),
    deed("make it an Admin", "updateUser").body(|| json!({"role": "Admin"})),
    deed("make it a User", "updateUser").body(|| json!({"role": "User"})),
    deed("grant what Admin holds", "replaceUserPermissions")
        .body(|| json!({"permissions": ["users.read"]})),
    deed("grant what Admin lacks", "replaceUserPermissions")
        .body(|| json!({"permissions": ["webhooks.manage"]})),
    deed("withdraw a grant", "replaceUserPermissions")
        .body(|| json!({"permissions": []}))
        .when("permissions = permissions || '{webhooks.manage}'"),
    deed("switch off", "setUserStatus").body(|| json!({"isActive": false})),
    deed("switch on", "setUserStatus")
        .body(|| json!({"isActive": true}))
        .when("is_active = false"),
    deed("switch off by a patch", "updateUser").body(|| json!({"isActive": false})),
    deed("let it expire", "updateUser").body(|| json!({"expiresAtUtc": "2099-01-01T00:00:00Z"})),
    deed("delete", "deleteUser"),
    deed("purge", "deleteUser").query("?purge=true"),
    deed("restore", "restoreUser").when("deleted_at = now()"),
    deed("reset the password", "resetUserPassword")
        .body(|| json!({"newPassword": "six yellow bicycles by the lake"})),
    deed("remove the password", "removeUserPassword"),
    deed("remove the second factor", "removeUserSecondFactor"),
    deed("make a reset link", "createPasswordResetLink").body(|| json!({})),
    deed("revoke the reset link", "revokePasswordResetLink"),
    deed("make a token for it", "createUserToken").body(|| json!({"name": "t", "permissions": []})),
    deed("sign out", "signOutUser"),
];

/// Who is made, in the rows of the first table.
const MADE: [Party; 4] = [
    SUPER_ADMIN,
    ADMIN,
    USER,
    party("User + users.read", "User", &["users.read"]),
];

const BELOW_AN_ACCOUNT: &str = "/api/v1/users/{id}";

fn outcome(answer: &Answer) -> String {
    match answer.status {
        200..300 => "yes".to_owned(),
        _ => answer.body["code"].as_str().unwrap().to_owned(),
    }
}

/// One account after another that a deed can be done to; the same one for as long as nothing happens to it.
struct Target {
    party: Party,
    signs_in: bool,
    now: Option<(User, String)>,
}

impl Target {
    fn new(party: Party, signs_in: bool) -> Self {
        Self {
            party,
            signs_in,
            now: None,
        }
    }

    fn take(&mut self, app: &TestApp) -> (User, String) {
        let Party { role, grants, .. } = self.party;
        self.now.take().unwrap_or_else(|| {
            let name = format!("target-{}", uuid::Uuid::now_v7());
            let user = app.user(&name, role, grants);
            let signed_in = self.signs_in.then(|| app.token(&name));
            (user, signed_in.unwrap_or_default())
        })
    }

    /// Does the deed to it, with this token or else its own.
    fn suffer(&mut self, app: &TestApp, deed: &Deed, token: Option<&str>) -> String {
        if deed.before.is_some() {
            // One that no replica remembers.
            self.now = None;
        }
        let (user, own_token) = self.take(app);
        if let Some(before) = deed.before {
            app.execute(&format!(
                "UPDATE users SET {before} WHERE id = '{}'",
                user.id
            ));
        }
        let operations = operations();
        let mut named = operations.iter().filter(|one| one.id == deed.operation);
        let operation = named.next().unwrap();
        let path = operation.path.replace("{id}", &user.id);
        let path = format!("{}{}", path.replace("{tag}", "staff"), deed.query);
        let mut call = app
            .call(&operation.method, &path)
            .by(token.unwrap_or(&own_token));
        if let Some(body) = deed.body {
            call = call.json(&body());
        }
        let outcome = outcome(&call.send());
        if outcome == "yes" || deed.before.is_some() {
            app.execute(&format!("DELETE FROM users WHERE id = '{}'", user.id));
        } else {
            self.now = Some((user, own_token));
        }
        outcome
    }
}

/// The whole policy, as it is written down.
fn policy() -> String {
    let app = TestApp::start();
    // There is always another SuperAdmin: what protects the last one is not the business of this table.
    app.someone("SuperAdmin", &[]);
    let mut text = "Who may make whom.\n\n".to_owned();
    row(
        &mut text,
        "",
        &ACTORS.map(|actor| format!("by {}", actor.name)),
    );
    let tokens = ACTORS.map(|actor| app.someone(actor.role, actor.grants).1);
    for made in MADE {
        let cells = tokens.each_ref().map(|token| {
            let username = format!("made-{}", uuid::Uuid::now_v7());
            let body = json!({"username": username, "role": made.role, "permissions": made.grants});
            outcome(&app.post("/api/v1/users").by(token).json(&body).send())
        });
        row(&mut text, made.name, &cells);
    }
    for (actor, token) in ACTORS.into_iter().zip(&tokens) {
        writeln!(text, "\nWhat {} may do.\n", actor.name).unwrap();
        let mut head = TARGETS.map(|target| format!("to {}", target.name)).to_vec();
        head.push("to oneself".to_owned());
        row(&mut text, "", &head);
        let mut others = TARGETS.map(|target| Target::new(target, false));
        let mut oneself = Target::new(actor, true);
        for deed in DEEDS {
            let done = |target: &mut Target| target.suffer(&app, deed, Some(token));
            let mut cells: Vec<String> = others.iter_mut().map(done).collect();
            cells.push(oneself.suffer(&app, deed, None));
            row(&mut text, deed.name, &cells);
        }
    }
    text
}

fn row(text: &mut String, name: &str, cells: &[String]) {
    let mut line = format!("{name:<26}");
    for cell in cells {
        write!(line, "{cell:<32}").unwrap();
    }
    writeln!(text, "{}", line.trim_end()).unwrap();
}

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/api/invariants/policy_table.txt"
);

#[test]
fn the_policy_is_the_one_that_is_written_down() {
    let written = std::fs::read_to_string(FILE).unwrap();
    let policy = policy();
    for (number, (now, then)) in policy.lines().zip(written.lines()).enumerate() {
        assert_eq!(now, then, "line {}", number + 1);
    }
    assert_eq!(policy, written);
}

#[test]
#[ignore = "writes tests/api/invariants/policy_table.txt"]
fn write_the_policy() {
    std::fs::write(FILE, policy()).unwrap();
}

/// A new operation that changes an account, or hands out something of it, fails here until it is in the table.
#[test]
fn whatever_can_be_done_to_an_account_is_in_the_policy() {
    let known: BTreeSet<&str> = DEEDS.iter().map(|deed| deed.operation).collect();
    for operation in operations() {
        // Revoking one token needs one; whoever may make it may revoke it (tokens.rs).
        let changes = operation.method != "GET"
            && operation.path.starts_with(BELOW_AN_ACCOUNT)
            && operation.id != "revokeUserToken";
        assert_eq!(
            known.contains(operation.id.as_str()),
            changes,
            "{}",
            operation.id
        );
    }
}
