//! One successful request for every operation of the OpenAPI document.

use serde_json::json;

use super::fixture::{ExampleRequest, ServiceFixture, string_member, unique_name};
use crate::support::PASSWORD;

/// An operation id and a function that prepares the required resources and builds the request.
pub type ExampleRow = (&'static str, fn(&ServiceFixture) -> ExampleRequest);

pub const EXAMPLE_REQUESTS: &[ExampleRow] = &[
    ("getJwks", |fixture| fixture.request().bearer("")),
    ("isLive", |fixture| fixture.request().bearer("")),
    ("isReady", |fixture| fixture.request().bearer("")),
    // Sign-in and the caller's own account.
    ("login", |fixture| {
        let name = unique_name("user");
        fixture.app.create_user(&name, "User", &[]);
        let body = json!({"username": name, "password": PASSWORD});
        fixture.request().bearer("").body(body)
    }),
    ("refresh", |fixture| {
        let token = string_member(&fixture.sign_in_new_user(), "refreshToken");
        let body = json!({"refreshToken": token});
        fixture.request().bearer("").body(body)
    }),
    ("logout", |fixture| {
        fixture.request().bearer(fixture.new_user_token())
    }),
    ("getMe", |fixture| {
        fixture.request().bearer(fixture.new_user_token())
    }),
    ("updateMe", |fixture| {
        let request = fixture.request().bearer(fixture.new_user_token());
        request.body(json!({"displayName": "Ada"}))
    }),
    ("deleteMe", |fixture| {
        let request = fixture.request().bearer(fixture.new_user_token());
        request.body(json!({"currentPassword": PASSWORD}))
    }),
    ("deleteMeByPost", |fixture| {
        let request = fixture.request().bearer(fixture.new_user_token());
        request.body(json!({"currentPassword": PASSWORD}))
    }),
    ("verifyCaller", |fixture| {
        fixture.request().bearer(fixture.new_user_token())
    }),
    ("checkPermissions", |fixture| {
        let body = json!({"permissions": ["users.read"]});
        fixture
            .request()
            .bearer(fixture.new_user_token())
            .body(body)
    }),
    ("changePassword", |fixture| {
        let body =
            json!({"currentPassword": PASSWORD, "newPassword": "six yellow bicycles by the lake"});
        fixture
            .request()
            .bearer(fixture.new_user_token())
            .body(body)
    }),
    ("register", |fixture| {
        let body = json!({"username": unique_name("user"), "password": PASSWORD});
        fixture.request().bearer("").body(body)
    }),
    ("resetPassword", |fixture| {
        let token = fixture.create_reset_link(&fixture.create_user());
        let body = json!({"token": token, "newPassword": "six yellow bicycles by the lake"});
        fixture.request().bearer("").body(body)
    }),
    ("requestPasswordReset", |fixture| {
        let body = json!({"email": "ada@example.org"});
        fixture.request().bearer("").body(body)
    }),
    ("requestEmailConfirmation", |fixture| {
        fixture.request().bearer(fixture.new_user_token())
    }),
    ("confirmEmail", |fixture| {
        let token = fixture.create_email_confirmation(&fixture.create_user());
        fixture.request().bearer("").body(json!({"token": token}))
    }),
    ("listOwnSessions", |fixture| {
        fixture.request().bearer(fixture.new_user_token())
    }),
    ("endOwnSession", |fixture| {
        let session = fixture.sign_in_new_user();
        let request = fixture
            .request()
            .param(string_member(&session["session"], "id"));
        request.bearer(string_member(&session, "accessToken"))
    }),
    ("endOtherOwnSessions", |fixture| {
        fixture.request().bearer(fixture.new_user_token())
    }),
    // Sessions of all accounts.
    ("listSessions", |fixture| {
        fixture.new_user_token();
        fixture.request()
    }),
    ("getSession", |fixture| fixture.request_for_session()),
    ("endSession", |fixture| fixture.request_for_session()),
    // Personal access tokens.
    ("listOwnTokens", |fixture| {
        fixture.request_with_own_token().0
    }),
    ("createOwnToken", |fixture| {
        let body = json!({"name": "export", "permissions": []});
        fixture
            .request()
            .bearer(fixture.new_user_token())
            .body(body)
    }),
    ("getOwnToken", |fixture| {
        let (request, token) = fixture.request_with_own_token();
        request.param(token)
    }),
    ("revokeOwnToken", |fixture| {
        let (request, token) = fixture.request_with_own_token();
        request.param(token)
    }),
    ("listUserTokens", |fixture| {
        let (user, _) = fixture.create_user_token();
        fixture.request().param(user)
    }),
    ("createUserToken", |fixture| {
        let body =
            json!({"name": "export", "permissions": [], "expiresAtUtc": "2099-01-01T00:00:00Z"});
        fixture.request_for_user().body(body)
    }),
    ("getUserToken", |fixture| {
        let (user, token) = fixture.create_user_token();
        fixture.request().param(user).param(token)
    }),
    ("revokeUserToken", |fixture| {
        let (user, token) = fixture.create_user_token();
        fixture.request().param(user).param(token)
    }),
    // Accounts.
    ("createUser", |fixture| {
        let body =
            json!({"username": unique_name("user"), "role": "User", "permissions": ["users.read"]});
        fixture.request().body(body)
    }),
    ("importUsers", |fixture| {
        let line = json!({"username": unique_name("user")}).to_string();
        fixture.request().raw_body("application/x-ndjson", line)
    }),
    ("listUsers", |fixture| {
        fixture.create_user();
        let mut request = fixture.request();
        request.query = "?limit=1&count=true";
        request
    }),
    ("getUser", |fixture| fixture.request_for_user()),
    ("updateUser", |fixture| {
        fixture
            .request_for_user()
            .body(json!({"displayName": "Ada"}))
    }),
    ("addUserTag", |fixture| {
        fixture.request_for_user().param("staff")
    }),
    ("removeUserTag", |fixture| {
        fixture.request_for_user().param("staff")
    }),
    ("replaceUserPermissions", |fixture| {
        fixture
            .request_for_user()
            .body(json!({"permissions": ["users.read"]}))
    }),
    ("addUserPermission", |fixture| {
        fixture.request_for_user().param("users.read")
    }),
    ("removeUserPermission", |fixture| {
        fixture.request_for_user().param("users.read")
    }),
    ("setUserStatus", |fixture| {
        fixture.request_for_user().body(json!({"isActive": false}))
    }),
    ("deleteUser", |fixture| fixture.request_for_user()),
    ("restoreUser", |fixture| {
        let user = fixture.create_user();
        let path = format!("/api/v1/users/{user}");
        let delete = fixture.app.delete(&path).bearer(&fixture.admin);
        delete.send().expect(204);
        fixture.request().param(user)
    }),
    ("resetUserPassword", |fixture| {
        let body = json!({"newPassword": "six yellow bicycles by the lake"});
        fixture.request_for_user().body(body)
    }),
    ("removeUserPassword", |fixture| fixture.request_for_user()),
    ("removeUserSecondFactor", |fixture| {
        fixture.request_for_user()
    }),
    ("signOutUser", |fixture| fixture.request_for_user()),
    ("actOnUsers", |fixture| {
        let body = json!({"action": "disable", "ids": [fixture.create_user()]});
        fixture.request().body(body)
    }),
    ("createPasswordResetLink", |fixture| {
        fixture
            .request_for_user()
            .body(json!({"expiresInSeconds": 600}))
    }),
    ("getPasswordResetLink", |fixture| {
        let user = fixture.create_user();
        fixture.create_reset_link(&user);
        fixture.request().param(user)
    }),
    ("revokePasswordResetLink", |fixture| {
        let user = fixture.create_user();
        fixture.create_reset_link(&user);
        fixture.request().param(user)
    }),
    // Roles and the catalogue.
    ("listRoles", |fixture| fixture.request()),
    ("createRole", |fixture| {
        let body = json!({"name": unique_name("Role"), "rank": 10, "permissions": ["users.read"]});
        fixture.request().body(body)
    }),
    ("getRole", |fixture| fixture.request().param("Admin")),
    ("updateRole", |fixture| {
        let request = fixture.request().param(fixture.create_role());
        request.body(json!({"description": "Edits texts"}))
    }),
    ("deleteRole", |fixture| {
        fixture.request().param(fixture.create_role())
    }),
    ("listPermissions", |fixture| fixture.request()),
    ("registerPermission", |fixture| {
        let body = json!({"name": unique_name("assets.read"), "description": "See assets"});
        fixture.request().body(body)
    }),
    ("getPermission", |fixture| {
        fixture.request().param("users.read")
    }),
    ("removePermission", |fixture| {
        let name = unique_name("assets.write");
        fixture.post("/api/v1/permissions", &json!({"name": name}));
        fixture.request().param(name)
    }),
    // Invites.
    ("createInvite", |fixture| {
        fixture.request().body(json!({"email": "ada@example.org"}))
    }),
    ("listInvites", |fixture| {
        fixture.create_invite();
        fixture.request()
    }),
    ("getInvite", |fixture| {
        fixture.request().param(fixture.create_invite())
    }),
    ("revokeInvite", |fixture| {
        fixture.request().param(fixture.create_invite())
    }),
    // Service clients.
    ("createClient", |fixture| {
        fixture
            .request()
            .body(json!({"name": unique_name("client"), "permissions": ["users.read"]}))
    }),
    ("listClients", |fixture| {
        fixture.create_client();
        let mut request = fixture.request();
        request.query = "?limit=1&count=true";
        request
    }),
    ("getClient", |fixture| fixture.request_for_client()),
    ("updateClient", |fixture| {
        fixture
            .request_for_client()
            .body(json!({"permissions": ["users.read"], "isActive": false}))
    }),
    ("deleteClient", |fixture| fixture.request_for_client()),
    ("rotateClientSecret", |fixture| fixture.request_for_client()),
    // The audit log.
    ("listAuditEvents", |fixture| {
        fixture.create_invite();
        fixture.request()
    }),
    ("listSignIns", |fixture| {
        fixture.new_user_token();
        fixture.request()
    }),
    // OAuth.
    ("getOAuthMetadata", |fixture| fixture.request().bearer("")),
    ("issueToken", |fixture| {
        let client = fixture.new_client_credentials();
        let form = format!("grant_type=client_credentials&scope=users.read&{client}");
        fixture.request().bearer("").form(form)
    }),
    ("introspectToken", |fixture| {
        let form = format!(
            "token={}&{}",
            fixture.new_user_token(),
            fixture.new_client_credentials()
        );
        fixture.request().bearer("").form(form)
    }),
    ("revokeToken", |fixture| {
        let token = string_member(&fixture.sign_in_new_user(), "refreshToken");
        let form = format!("token={token}&client_id=rosterd");
        fixture.request().bearer("").form(form)
    }),
    ("listRevocations", |fixture| {
        fixture.sign_in_new_user();
        let sql = "UPDATE sessions SET ended_at = now() WHERE user_id <> (SELECT user_id FROM sessions ORDER BY id LIMIT 1)";
        fixture.app.execute(sql);
        fixture.request()
    }),
];
