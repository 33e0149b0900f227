//! Access to every operation: the status for an anonymous caller and for a caller without permissions, and the
//! permissions that give access.
//!
//! Each operation is called for a resource that does not exist, with an empty body. A new operation fails the tests
//! until it has a row in [`EXPECTED_ACCESS`], at the end of this file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::{Operation, PASSWORD, Response, TestApp, operations};

/// One row of the table.
struct ExpectedAccess {
    operation_id: &'static str,
    /// Whether the operation needs no authentication.
    is_public: bool,
    anonymous_status: u16,
    /// The status for an account without permissions.
    powerless_status: u16,
    /// Each of these permissions alone gives access. Empty if no permission is needed.
    permissions: &'static [&'static str],
}

const fn public(
    operation_id: &'static str,
    anonymous_status: u16,
    powerless_status: u16,
) -> ExpectedAccess {
    ExpectedAccess {
        operation_id,
        is_public: true,
        anonymous_status,
        powerless_status,
        permissions: &[],
    }
}

/// An operation on the caller's own account, which needs no permission.
const fn own_account(operation_id: &'static str, powerless_status: u16) -> ExpectedAccess {
    ExpectedAccess {
        operation_id,
        is_public: false,
        anonymous_status: 401,
        powerless_status,
        permissions: &[],
    }
}

const fn requires(
    permissions: &'static [&'static str],
    operation_id: &'static str,
) -> ExpectedAccess {
    ExpectedAccess {
        operation_id,
        is_public: false,
        anonymous_status: 401,
        powerless_status: 403,
        permissions,
    }
}

/// The operations that an account without permissions, or a caller without an account, can call.
pub(super) fn operations_without_permission() -> BTreeSet<&'static str> {
    let open = EXPECTED_ACCESS
        .iter()
        .filter(|row| row.permissions.is_empty());
    open.map(|row| row.operation_id).collect()
}

/// Calls the operation for a resource that does not exist, with an empty JSON object where a body is expected.
fn call_operation(app: &TestApp, operation: &Operation, token: Option<&str>) -> Response {
    let unknown_id = "00000000-0000-0000-0000-000000000000";
    let path: Vec<&str> = operation
        .path
        .split('/')
        .map(|part| {
            if part.starts_with('{') {
                unknown_id
            } else {
                part
            }
        })
        .collect();
    let mut request = app.call(&operation.method, &path.join("/"));
    if let Some(token) = token {
        request = request.bearer(token);
    }
    if !operation.definition["requestBody"].is_null() {
        request = request.json(&json!({}));
    }
    request.send()
}

/// Every operation with its row.
fn operations_with_access() -> Vec<(&'static Operation, &'static ExpectedAccess)> {
    let rows: BTreeMap<&str, &ExpectedAccess> = EXPECTED_ACCESS
        .iter()
        .map(|access| (access.operation_id, access))
        .collect();
    let pairs = operations().iter().map(|operation| {
        let access = rows.get(operation.id.as_str()).copied();
        let access =
            access.unwrap_or_else(|| panic!("{} has no row in EXPECTED_ACCESS", operation.id));
        (operation, access)
    });
    pairs.collect()
}

#[test]
fn table_has_one_row_for_every_operation() {
    let mut operation_ids: Vec<&str> = operations()
        .iter()
        .map(|operation| operation.id.as_str())
        .collect();
    let mut row_ids: Vec<&str> = EXPECTED_ACCESS
        .iter()
        .map(|access| access.operation_id)
        .collect();
    operation_ids.sort_unstable();
    row_ids.sort_unstable();
    assert_eq!(row_ids, operation_ids);
}

// SECURITY: C06
#[test]
fn anonymous_and_powerless_callers_get_the_expected_status() {
    let app = TestApp::start();
    let (_, powerless_token) = app.create_signed_in_user("User", &[]);
    for (operation, access) in operations_with_access() {
        let id = &operation.id;
        let anonymous = call_operation(&app, operation, None);
        assert_eq!(
            anonymous.status, access.anonymous_status,
            "{id}: {}",
            anonymous.text
        );
        assert_eq!(operation.is_public, access.is_public, "{id}");
        if !access.is_public {
            anonymous.expect_problem(401, "auth_required");
        }

        // A new account for operations that may end the caller's own session or account.
        let new_token = access
            .permissions
            .is_empty()
            .then(|| app.create_signed_in_user("User", &[]).1);
        let token = new_token.as_ref().unwrap_or(&powerless_token);
        let response = call_operation(&app, operation, Some(token));
        assert_eq!(
            response.status, access.powerless_status,
            "{id}: {}",
            response.text
        );
        if !access.permissions.is_empty() {
            response.expect_problem(403, "permission_required");
        }
    }
}

// SECURITY: C06
#[test]
fn token_of_a_disabled_super_admin_is_rejected_by_every_operation() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("SuperAdmin", &[]);
    app.execute(&format!(
        "UPDATE users SET is_active = false WHERE id = '{}'",
        user.id
    ));
    for (operation, access) in operations_with_access() {
        if !operation.is_public {
            let response = call_operation(&app, operation, Some(&token));
            assert_eq!(response.status, access.anonymous_status, "{}", operation.id);
            response.expect_problem(401, "auth_token_invalid");
        }
    }
}

// SECURITY: C06
#[test]
fn token_for_an_application_is_rejected_by_every_operation_about_anything_but_the_token() {
    const RESOURCE: &str = "https://photos.example.org";
    let app = TestApp::start_with(&[("ROSTERD_APP_AUDIENCES", RESOURCE)]);
    let user = app.create_user("ada", "SuperAdmin", &[]);
    let body = json!({"username": user.username, "password": PASSWORD, "resource": RESOURCE});
    let login = app
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(200);
    let token = login.data()["accessToken"].as_str().unwrap();
    let mut accepted = Vec::new();
    for (operation, access) in operations_with_access() {
        if access.is_public {
            continue;
        }
        let response = call_operation(&app, operation, Some(token));
        if response.status == 401 {
            response.expect_problem(401, "auth_token_invalid");
        } else {
            accepted.push(operation.id.as_str());
        }
    }
    assert_eq!(accepted, ["logout"]);
}

#[test]
fn each_operation_is_allowed_by_its_permissions_and_no_others() {
    let app = TestApp::start();
    let all_permissions: BTreeSet<&str> = EXPECTED_ACCESS
        .iter()
        .flat_map(|access| access.permissions)
        .copied()
        .collect();
    let tokens_by_permission: BTreeMap<&str, String> = all_permissions
        .iter()
        .map(|permission| {
            let (_, token) = app.create_signed_in_user("User", &[permission]);
            (*permission, token)
        })
        .collect();
    let mut tokens_by_requirement: BTreeMap<&[&str], String> = BTreeMap::new();
    for (operation, access) in operations_with_access() {
        if access.permissions.is_empty() {
            continue;
        }
        let denied_token = tokens_by_requirement
            .entry(access.permissions)
            .or_insert_with(|| {
                let mut others = all_permissions.clone();
                others.retain(|permission| !access.permissions.contains(permission));
                let others: Vec<&str> = others.into_iter().collect();
                app.create_signed_in_user("User", &others).1
            });
        call_operation(&app, operation, Some(denied_token))
            .expect_problem(403, "permission_required");
        let description = operation.definition["description"]
            .as_str()
            .unwrap_or_default();
        for permission in access.permissions {
            let response = call_operation(&app, operation, Some(&tokens_by_permission[permission]));
            let is_allowed =
                response.status != 401 && response.body["code"] != "permission_required";
            assert!(is_allowed, "{}: {}", operation.id, response.text);
            assert!(
                description.contains(&format!("`{permission}`")),
                "the description of {} does not name {permission}",
                operation.id
            );
        }
    }
}

/// Operations that a service client may call without any permission.
const ALLOWED_FOR_EVERY_CLIENT: [&str; 3] = ["verifyCaller", "checkPermissions", "listRevocations"];

/// A service client has no account. It is refused by operations on the caller's own account, and by all others because
/// it has no permissions.
// SECURITY: C06
#[test]
fn client_without_permissions_is_refused_by_every_operation() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({"name": "powerless", "permissions": []});
    let created = app
        .post("/api/v1/clients")
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        created.data()["clientId"].as_str().unwrap(),
        created.data()["clientSecret"].as_str().unwrap()
    );
    let response = app
        .post("/api/v1/oauth/token")
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    let token = response.body["access_token"].as_str().unwrap();
    for (operation, access) in operations_with_access() {
        if access.is_public {
            continue;
        }
        let response = call_operation(&app, operation, Some(token));
        if ALLOWED_FOR_EVERY_CLIENT.contains(&operation.id.as_str()) {
            assert_ne!(response.status, 403, "{}", operation.id);
        } else {
            let code = response.body["code"].as_str().unwrap_or_default();
            let is_refused = matches!(code, "permission_required" | "auth_session_required");
            assert!(
                response.status == 403 && is_refused,
                "{}: {}",
                operation.id,
                response.text
            );
        }
    }
}

const EXPECTED_ACCESS: &[ExpectedAccess] = &[
    public("getJwks", 200, 200),
    public("isLive", 200, 200),
    public("isReady", 200, 200),
    public("login", 400, 400),
    public("refresh", 400, 400),
    // Closed by default (ROSTERD_REGISTRATION).
    public("register", 403, 403),
    public("resetPassword", 400, 400),
    public("requestPasswordReset", 400, 400),
    public("confirmEmail", 400, 400),
    // Also takes the change token of a sign-in that requires a new password.
    public("changePassword", 401, 400),
    own_account("logout", 204),
    own_account("getMe", 200),
    own_account("updateMe", 200),
    own_account("deleteMe", 400),
    own_account("deleteMeByPost", 400),
    own_account("verifyCaller", 200),
    own_account("requestEmailConfirmation", 202),
    own_account("checkPermissions", 400),
    own_account("listOwnSessions", 200),
    own_account("endOwnSession", 404),
    own_account("endOtherOwnSessions", 204),
    requires(&["sessions.read"], "listSessions"),
    requires(&["sessions.read"], "getSession"),
    requires(&["sessions.revoke"], "endSession"),
    own_account("listOwnTokens", 200),
    own_account("createOwnToken", 400),
    own_account("getOwnToken", 404),
    own_account("revokeOwnToken", 404),
    requires(&["tokens.read"], "listUserTokens"),
    requires(&["tokens.read"], "getUserToken"),
    requires(&["tokens.manage"], "createUserToken"),
    requires(&["tokens.manage"], "revokeUserToken"),
    requires(&["users.read"], "listUsers"),
    requires(&["users.read"], "getUser"),
    requires(&["users.create"], "createUser"),
    requires(&["users.create"], "importUsers"),
    requires(&["users.update"], "updateUser"),
    requires(&["users.update"], "addUserTag"),
    requires(&["users.update"], "removeUserTag"),
    requires(&["users.managePermissions"], "replaceUserPermissions"),
    requires(&["users.managePermissions"], "addUserPermission"),
    requires(&["users.managePermissions"], "removeUserPermission"),
    requires(&["users.disable"], "setUserStatus"),
    requires(&["users.delete"], "deleteUser"),
    requires(&["users.delete"], "restoreUser"),
    requires(&["users.resetPassword"], "resetUserPassword"),
    requires(&["users.resetPassword"], "removeUserPassword"),
    requires(&["users.resetPassword"], "removeUserSecondFactor"),
    requires(&["users.resetPassword"], "createPasswordResetLink"),
    requires(&["users.resetPassword"], "getPasswordResetLink"),
    requires(&["users.resetPassword"], "revokePasswordResetLink"),
    requires(&["sessions.revoke"], "signOutUser"),
    requires(
        &[
            "users.disable",
            "users.delete",
            "users.update",
            "sessions.revoke",
        ],
        "actOnUsers",
    ),
    requires(&["roles.read"], "listRoles"),
    requires(&["roles.read"], "getRole"),
    requires(&["roles.read"], "listPermissions"),
    requires(&["roles.read"], "getPermission"),
    requires(&["roles.manage"], "createRole"),
    requires(&["roles.manage"], "updateRole"),
    requires(&["roles.manage"], "deleteRole"),
    requires(&["roles.manage"], "registerPermission"),
    requires(&["roles.manage"], "removePermission"),
    requires(&["invites.read"], "listInvites"),
    requires(&["invites.read"], "getInvite"),
    requires(&["invites.manage"], "createInvite"),
    requires(&["invites.manage"], "revokeInvite"),
    requires(&["clients.read"], "listClients"),
    requires(&["clients.read"], "getClient"),
    requires(&["clients.manage"], "createClient"),
    requires(&["clients.manage"], "updateClient"),
    requires(&["clients.manage"], "deleteClient"),
    requires(&["clients.manage"], "rotateClientSecret"),
    requires(&["audit.read"], "listAuditEvents"),
    requires(&["audit.read"], "listSignIns"),
    // The next three authenticate the client from its credentials, not with a bearer token. They answer 400, because the body
    // sent here is JSON and not form-encoded.
    public("issueToken", 400, 400),
    public("introspectToken", 400, 400),
    public("revokeToken", 400, 400),
    public("getOAuthMetadata", 200, 200),
    own_account("listRevocations", 200),
];
