//! Who gets past the door of every operation. An operation that the table at the end does not know fails here until it
//! does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::{Answer, Operation, TestApp, operations};

/// What an operation answers to nobody, to somebody without any permission, and which permissions open it, each alone.
/// They ask for things that do not exist, with an empty body.
struct Door {
    id: &'static str,
    /// Whether a token is not asked for.
    is_public: bool,
    anonymous: u16,
    powerless: u16,
    permissions: &'static [&'static str],
}

const fn public(id: &'static str, anonymous: u16, powerless: u16) -> Door {
    Door {
        id,
        is_public: true,
        anonymous,
        powerless,
        permissions: &[],
    }
}

const fn of_ones_own(id: &'static str, powerless: u16) -> Door {
    Door {
        id,
        is_public: false,
        anonymous: 401,
        powerless,
        permissions: &[],
    }
}

const fn opened_by(permissions: &'static [&'static str], id: &'static str) -> Door {
    Door {
        id,
        is_public: false,
        anonymous: 401,
        powerless: 403,
        permissions,
    }
}

fn knock(app: &TestApp, operation: &Operation, token: Option<&str>) -> Answer {
    let nothing = "00000000-0000-0000-0000-000000000000";
    let path: Vec<&str> = operation
        .path
        .split('/')
        .map(|part| if part.starts_with('{') { nothing } else { part })
        .collect();
    let mut call = app.call(&operation.method, &path.join("/"));
    if let Some(token) = token {
        call = call.by(token);
    }
    if !operation.said["requestBody"].is_null() {
        call = call.json(&json!({}));
    }
    call.send()
}

fn doors() -> Vec<(&'static Operation, &'static Door)> {
    let doors: BTreeMap<&str, &Door> = DOORS.iter().map(|door| (door.id, door)).collect();
    let paired = operations().iter().map(|operation| {
        let door = doors.get(operation.id.as_str()).copied();
        let door = door.unwrap_or_else(|| {
            panic!(
                "{}: the table in access.rs does not say who gets in",
                operation.id
            )
        });
        (operation, door)
    });
    paired.collect()
}

#[test]
fn the_table_knows_every_operation_once_and_no_other() {
    let mut ids: Vec<&str> = operations().iter().map(|one| one.id.as_str()).collect();
    let mut known: Vec<&str> = DOORS.iter().map(|door| door.id).collect();
    ids.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, ids);
}

#[test]
fn c06_every_operation_answers_nobody_and_the_powerless_as_the_table_says() {
    let app = TestApp::start();
    let (_, powerless) = app.someone("User", &[]);
    for (operation, door) in doors() {
        let id = &operation.id;
        let nobody = knock(&app, operation, None);
        assert_eq!(nobody.status, door.anonymous, "{id}: {}", nobody.text);
        assert_eq!(operation.is_public, door.is_public, "{id}");
        if !door.is_public {
            nobody.expect_problem(401, "auth_required");
        }

        // Some end their own session or account.
        let spent = door
            .permissions
            .is_empty()
            .then(|| app.someone("User", &[]).1);
        let token = spent.as_ref().unwrap_or(&powerless);
        let answer = knock(&app, operation, Some(token));
        assert_eq!(answer.status, door.powerless, "{id}: {}", answer.text);
        if !door.permissions.is_empty() {
            answer.expect_problem(403, "permission_required");
        }
    }
}

#[test]
fn c06_whoever_was_signed_in_and_is_no_more_is_nobody() {
    let app = TestApp::start();
    let (user, disabled) = app.someone("SuperAdmin", &[]);
    app.execute(&format!(
        "UPDATE users SET is_active = false WHERE id = '{}'",
        user.id
    ));
    for (operation, door) in doors() {
        if !operation.is_public {
            let answer = knock(&app, operation, Some(&disabled));
            assert_eq!(answer.status, door.anonymous, "{}", operation.id);
            answer.expect_problem(401, "auth_token_invalid");
        }
    }
}

#[test]
fn c06_one_permission_opens_each_door_and_no_other_does() {
    let app = TestApp::start();
    let every: BTreeSet<&str> = DOORS
        .iter()
        .flat_map(|door| door.permissions)
        .copied()
        .collect();
    let with: BTreeMap<&str, String> = every
        .iter()
        .map(|permission| (*permission, app.someone("User", &[permission]).1))
        .collect();
    let mut without: BTreeMap<&[&str], String> = BTreeMap::new();
    for (operation, door) in doors() {
        if door.permissions.is_empty() {
            continue;
        }
        let outsider = without.entry(door.permissions).or_insert_with(|| {
            let mut others = every.clone();
            others.retain(|one| !door.permissions.contains(one));
            let others: Vec<&str> = others.into_iter().collect();
            app.someone("User", &others).1
        });
        knock(&app, operation, Some(outsider)).expect_problem(403, "permission_required");
        let said = operation.said["description"].as_str().unwrap_or_default();
        for permission in door.permissions {
            let answer = knock(&app, operation, Some(&with[permission]));
            let gets_in = answer.status != 401 && answer.body["code"] != "permission_required";
            assert!(gets_in, "{}: {}", operation.id, answer.text);
            assert!(
                said.contains(&format!("`{permission}`")),
                "{} does not say that it needs {permission}",
                operation.id
            );
        }
    }
}

/// What everybody known may ask, a program too.
const FOR_PROGRAMS: [&str; 3] = ["verifyCaller", "checkPermissions", "listRevocations"];

/// A service client has no account of its own, so it is refused where a person is meant, and everywhere without a permission.
#[test]
fn c06_a_powerless_client_gets_in_nowhere() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body = json!({"name": "powerless", "permissions": []});
    let made = app
        .post("/api/v1/clients")
        .by(&admin)
        .json(&body)
        .send()
        .expect(201);
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        made.data()["clientId"].as_str().unwrap(),
        made.data()["clientSecret"].as_str().unwrap()
    );
    let call = app.post("/api/v1/oauth/token");
    let answer = call
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    let token = answer.body["access_token"].as_str().unwrap();
    for (operation, door) in doors() {
        if door.is_public {
            continue;
        }
        let answer = knock(&app, operation, Some(token));
        if FOR_PROGRAMS.contains(&operation.id.as_str()) {
            assert_ne!(answer.status, 403, "{}", operation.id);
        } else {
            let code = answer.body["code"].as_str().unwrap_or_default();
            let is_refused = matches!(code, "permission_required" | "auth_session_required");
            assert!(
                answer.status == 403 && is_refused,
                "{}: {}",
                operation.id,
                answer.text
            );
        }
    }
}

const DOORS: &[Door] = &[
    public("getJwks", 200, 200),
    public("isLive", 200, 200),
    public("isReady", 200, 200),
    public("login", 400, 400),
    public("refresh", 400, 400),
    // Closed, unless a setting opens it.
    public("register", 403, 403),
    public("resetPassword", 400, 400),
    public("requestPasswordReset", 400, 400),
    public("confirmEmail", 400, 400),
    // With the token of a sign-in that was told to change the password first.
    public("changePassword", 401, 400),
    of_ones_own("logout", 204),
    of_ones_own("getMe", 200),
    of_ones_own("updateMe", 200),
    of_ones_own("deleteMe", 400),
    of_ones_own("verifyCaller", 200),
    of_ones_own("requestEmailConfirmation", 202),
    of_ones_own("checkPermissions", 400),
    of_ones_own("listOwnSessions", 200),
    of_ones_own("endOwnSession", 404),
    of_ones_own("endOtherOwnSessions", 204),
    opened_by(&["sessions.read"], "listSessions"),
    opened_by(&["sessions.read"], "getSession"),
    opened_by(&["sessions.revoke"], "endSession"),
    of_ones_own("listOwnTokens", 200),
    of_ones_own("createOwnToken", 400),
    of_ones_own("getOwnToken", 404),
    of_ones_own("revokeOwnToken", 404),
    opened_by(&["tokens.read"], "listUserTokens"),
    opened_by(&["tokens.read"], "getUserToken"),
    opened_by(&["tokens.manage"], "createUserToken"),
    opened_by(&["tokens.manage"], "revokeUserToken"),
    opened_by(&["users.read"], "listUsers"),
    opened_by(&["users.read"], "getUser"),
    opened_by(&["users.create"], "createUser"),
    opened_by(&["users.create"], "importUsers"),
    opened_by(&["users.update"], "updateUser"),
    opened_by(&["users.update"], "addUserTag"),
    opened_by(&["users.update"], "removeUserTag"),
    opened_by(&["users.managePermissions"], "replaceUserPermissions"),
    opened_by(&["users.disable"], "setUserStatus"),
    opened_by(&["users.delete"], "deleteUser"),
    opened_by(&["users.delete"], "restoreUser"),
    opened_by(&["users.resetPassword"], "resetUserPassword"),
    opened_by(&["users.resetPassword"], "removeUserPassword"),
    opened_by(&["users.resetPassword"], "removeUserSecondFactor"),
    opened_by(&["users.resetPassword"], "createPasswordResetLink"),
    opened_by(&["users.resetPassword"], "getPasswordResetLink"),
    opened_by(&["users.resetPassword"], "revokePasswordResetLink"),
    opened_by(&["sessions.revoke"], "signOutUser"),
    opened_by(
        &[
            "users.disable",
            "users.delete",
            "users.update",
            "sessions.revoke",
        ],
        "actOnUsers",
    ),
    opened_by(&["roles.read"], "listRoles"),
    opened_by(&["roles.read"], "getRole"),
    opened_by(&["roles.read"], "listPermissions"),
    opened_by(&["roles.manage"], "createRole"),
    opened_by(&["roles.manage"], "updateRole"),
    opened_by(&["roles.manage"], "deleteRole"),
    opened_by(&["roles.manage"], "registerPermission"),
    opened_by(&["roles.manage"], "removePermission"),
    opened_by(&["invites.read"], "listInvites"),
    opened_by(&["invites.read"], "getInvite"),
    opened_by(&["invites.manage"], "createInvite"),
    opened_by(&["invites.manage"], "revokeInvite"),
    opened_by(&["clients.read"], "listClients"),
    opened_by(&["clients.read"], "getClient"),
    opened_by(&["clients.manage"], "createClient"),
    opened_by(&["clients.manage"], "updateClient"),
    opened_by(&["clients.manage"], "deleteClient"),
    opened_by(&["clients.manage"], "rotateClientSecret"),
    opened_by(&["audit.read"], "listAuditEvents"),
    opened_by(&["audit.read"], "listSignIns"),
    // They ask for a client and not for a caller; what is sent here is no form.
    public("issueToken", 400, 400),
    public("introspectToken", 400, 400),
    public("revokeToken", 400, 400),
    public("getOAuthMetadata", 200, 200),
    of_ones_own("listRevocations", 200),
];
