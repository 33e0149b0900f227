//! The account management policy: for each caller and target, the outcome of every operation that changes an account.
//!
//! The outcomes of the running service are compared with `account_management_policy.txt`, so a change of authorization
//! shows in the diff of that file. `UPDATE=1 cargo test --test api account_management_policy` rewrites it. A new
//! operation below `/users/{id}` fails the test until it has a row.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser, assert_matches_golden_file, operations};

const GOLDEN_FILE: &str = "tests/api/invariants/account_management_policy.txt";

/// A caller or target: its name in the table, its role and its direct grants.
#[derive(Clone, Copy)]
struct AccountKind {
    name: &'static str,
    role: &'static str,
    grants: &'static [&'static str],
}

const fn kind(
    name: &'static str,
    role: &'static str,
    grants: &'static [&'static str],
) -> AccountKind {
    AccountKind { name, role, grants }
}

const SUPER_ADMIN: AccountKind = kind("SuperAdmin", "SuperAdmin", &[]);
const ADMIN: AccountKind = kind("Admin", "Admin", &[]);
const USER: AccountKind = kind("User", "User", &[]);
/// Rank 0, with every permission to manage accounts.
const USER_MANAGER: AccountKind = kind(
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
/// Rank 0, with a permission that an Admin lacks.
const ROLE_MANAGER: AccountKind = kind("User + roles.manage", "User", &["roles.manage"]);

const CALLERS: [AccountKind; 4] = [SUPER_ADMIN, ADMIN, USER_MANAGER, USER];
const TARGETS: [AccountKind; 4] = [SUPER_ADMIN, ADMIN, USER, ROLE_MANAGER];

/// The kinds of account that each caller tries to create.
const CREATED: [AccountKind; 4] = [
    SUPER_ADMIN,
    ADMIN,
    USER,
    kind("User + users.read", "User", &["users.read"]),
];

/// The rule about reading, which the tables do not show.
const READING: &str = "An operation that changes an account returns it: whoever may change an account may read it, also without users.read.";

/// One row of the tables below: a request that changes an account.
struct PolicyAction {
    name: &'static str,
    operation_id: &'static str,
    query: &'static str,
    body: Option<fn() -> Value>,
    /// The SQL assignment that puts the account into the required state.
    precondition: Option<&'static str>,
}

const fn action(name: &'static str, operation_id: &'static str) -> PolicyAction {
    PolicyAction {
        name,
        operation_id,
        query: "",
        body: None,
        precondition: None,
    }
}

impl PolicyAction {
    const fn body(mut self, body: fn() -> Value) -> Self {
        self.body = Some(body);
        self
    }

    const fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    const fn precondition(mut self, assignment: &'static str) -> Self {
        self.precondition = Some(assignment);
        self
    }
}

const ACTIONS: &[PolicyAction] = &[
    action("change display name", "updateUser").body(|| json!({"displayName": "Ada"})),
    action("add tag", "addUserTag"),
    action("remove tag", "removeUserTag"),
    action("change email", "updateUser").body(|| json!({"email": "ada@example.org"})),
    action("link outside identity", "updateUser").body(|| json!({"authId": "7"})),
    action("set role SuperAdmin", "updateUser").body(|| json!({"role": "SuperAdmin"})),
    action("set role Admin", "updateUser").body(|| json!({"role": "Admin"})),
    action("set role User", "updateUser").body(|| json!({"role": "User"})),
    action("grant held by Admin", "replaceUserPermissions")
        .body(|| json!({"permissions": ["users.read"]})),
    action("grant not held by Admin", "replaceUserPermissions")
        .body(|| json!({"permissions": ["webhooks.manage"]})),
    action("revoke grant", "replaceUserPermissions")
        .body(|| json!({"permissions": []}))
        .precondition("permissions = permissions || '{webhooks.manage}'"),
    action("add grant held by Admin", "addUserPermission"),
    action("remove grant", "removeUserPermission")
        .precondition("permissions = permissions || '{webhooks.manage}'"),
    action("disable", "setUserStatus").body(|| json!({"isActive": false})),
    action("enable", "setUserStatus")
        .body(|| json!({"isActive": true}))
        .precondition("is_active = false"),
    action("disable by PATCH", "updateUser").body(|| json!({"isActive": false})),
    action("set expiry", "updateUser").body(|| json!({"expiresAtUtc": "2099-01-01T00:00:00Z"})),
    action("delete", "deleteUser"),
    action("purge", "deleteUser").query("?purge=true"),
    action("restore", "restoreUser").precondition("deleted_at = now()"),
    action("reset password", "resetUserPassword")
        .body(|| json!({"newPassword": "six yellow bicycles by the lake"})),
    action("remove password", "removeUserPassword"),
    action("remove second factor", "removeUserSecondFactor"),
    action("create reset link", "createPasswordResetLink").body(|| json!({})),
    action("revoke reset link", "revokePasswordResetLink"),
    action("create token", "createUserToken").body(|| json!({"name": "t", "permissions": []})),
    action("sign out", "signOutUser"),
];

/// `yes`, or the error code.
fn outcome(response: &Response) -> String {
    match response.status {
        200..300 => "yes".to_owned(),
        _ => response.body["code"].as_str().unwrap().to_owned(),
    }
}

/// Creates the target accounts of one column. An account is reused until an action changes it.
struct TargetColumn {
    kind: AccountKind,
    /// Whether the target is the caller itself.
    is_caller: bool,
    unchanged: Option<(TestUser, String)>,
}

impl TargetColumn {
    fn new(kind: AccountKind, is_caller: bool) -> Self {
        Self {
            kind,
            is_caller,
            unchanged: None,
        }
    }

    fn take_account(&mut self, app: &TestApp) -> (TestUser, String) {
        let AccountKind { role, grants, .. } = self.kind;
        self.unchanged.take().unwrap_or_else(|| {
            let name = format!("target-{}", uuid::Uuid::now_v7());
            let user = app.create_user(&name, role, grants);
            let token = self.is_caller.then(|| app.token(&name));
            (user, token.unwrap_or_default())
        })
    }

    /// Performs the action on a target, as the owner of `caller_token` or as the target itself. Returns the outcome.
    fn perform(
        &mut self,
        app: &TestApp,
        action: &PolicyAction,
        caller_token: Option<&str>,
    ) -> String {
        if action.precondition.is_some() {
            // A new account, because the SQL below does not invalidate the replica's cache.
            self.unchanged = None;
        }
        let (user, own_token) = self.take_account(app);
        if let Some(assignment) = action.precondition {
            app.execute(&format!(
                "UPDATE users SET {assignment} WHERE id = '{}'",
                user.id
            ));
        }
        let mut matching = operations()
            .iter()
            .filter(|operation| operation.id == action.operation_id);
        let operation = matching.next().unwrap();
        let path = operation.path.replace("{id}", &user.id);
        let path = format!("{}{}", path.replace("{tag}", "staff"), action.query)
            .replace("{name}", "users.read");
        let mut request = app
            .call(&operation.method, &path)
            .bearer(caller_token.unwrap_or(&own_token));
        if let Some(body) = action.body {
            request = request.json(&body());
        }
        let outcome = outcome(&request.send());
        if outcome == "yes" || action.precondition.is_some() {
            app.execute(&format!("DELETE FROM users WHERE id = '{}'", user.id));
        } else {
            self.unchanged = Some((user, own_token));
        }
        outcome
    }
}

/// Performs every action as each caller on each target, and renders the results as tables.
fn render_policy() -> String {
    let app = TestApp::start();
    // A second SuperAdmin, so that the protection of the last one does not appear in the table.
    app.create_signed_in_user("SuperAdmin", &[]);
    let mut text = format!("{READING}\n\nCreating an account.\n\n");
    let mut header = CALLERS.map(|caller| format!("by {}", caller.name)).to_vec();
    write_row(&mut text, "", &header);
    let tokens = CALLERS.map(|caller| app.create_signed_in_user(caller.role, caller.grants).1);
    for created in CREATED {
        let cells = tokens.each_ref().map(|token| {
            let username = format!("created-{}", uuid::Uuid::now_v7());
            let body =
                json!({"username": username, "role": created.role, "permissions": created.grants});
            outcome(&app.post("/api/v1/users").bearer(token).json(&body).send())
        });
        write_row(&mut text, created.name, &cells);
    }
    header = TARGETS
        .iter()
        .map(|target| format!("target {}", target.name))
        .collect();
    header.push("target is the caller".to_owned());
    for (caller, token) in CALLERS.into_iter().zip(&tokens) {
        writeln!(text, "\nActions of {}.\n", caller.name).unwrap();
        write_row(&mut text, "", &header);
        let mut others = TARGETS.map(|target| TargetColumn::new(target, false));
        let mut caller_itself = TargetColumn::new(caller, true);
        for action in ACTIONS {
            let mut cells: Vec<String> = others
                .iter_mut()
                .map(|target| target.perform(&app, action, Some(token)))
                .collect();
            cells.push(caller_itself.perform(&app, action, None));
            write_row(&mut text, action.name, &cells);
        }
    }
    text
}

fn write_row(text: &mut String, name: &str, cells: &[String]) {
    let mut line = format!("{name:<26}");
    for cell in cells {
        write!(line, "{cell:<32}").unwrap();
    }
    writeln!(text, "{}", line.trim_end()).unwrap();
}

#[test]
fn outcomes_match_the_checked_in_policy() {
    assert_matches_golden_file(GOLDEN_FILE, &render_policy());
}

#[test]
fn every_operation_that_changes_an_account_has_a_row() {
    let with_row: BTreeSet<&str> = ACTIONS.iter().map(|action| action.operation_id).collect();
    for operation in operations() {
        // The rules for revoking one token are those for creating it; `tokens.rs` tests them.
        let changes_account = operation.method != "GET"
            && operation.path.starts_with("/api/v1/users/{id}")
            && operation.id != "revokeUserToken";
        assert_eq!(
            with_row.contains(operation.id.as_str()),
            changes_account,
            "{}",
            operation.id
        );
    }
}
