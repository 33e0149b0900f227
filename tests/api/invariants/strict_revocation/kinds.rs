//! The kinds of revocation: how a credential is prepared, and the request that revokes it.

use diesel::connection::SimpleConnection;
use serde_json::json;
use uuid::Uuid;

use super::replicas::{Call, Replicas, SignedInUser, Target};
use crate::support::{PASSWORD, password_hash};

const USERS: &str = "/api/v1/users?limit=1";
const ME: &str = "/api/v1/auth/me";
const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// A way to revoke access.
pub struct Kind {
    pub name: &'static str,
    /// `None` if a replica could not be reached.
    pub prepare: fn(&Replicas) -> Option<Target>,
}

/// A revocation that an administrator performs on an account with the role Admin.
macro_rules! admin_kind {
    ($name:literal, $status:literal, $revocation:expr) => {
        Kind {
            name: $name,
            prepare: |replicas| {
                let user = replicas.create_signed_in_user("Admin", &[], None)?;
                let revocation: fn(&SignedInUser) -> Call = $revocation;
                Some(by_admin(
                    replicas,
                    USERS,
                    &user.access_token,
                    $status,
                    revocation(&user),
                ))
            },
        }
    };
}
/// The number of kinds at the start of [`KINDS`] that hash no password and do not invalidate the cache of all callers.
pub const FREQUENT_KINDS: usize = 21;

pub const KINDS: &[Kind] = &[
    admin_kind!("status", 401, |user| Call::new(
        "POST",
        user.path("/status")
    )
    .json(json!({"isActive": false}))),
    admin_kind!("update isActive", 401, |user| Call::new(
        "PATCH",
        user.path("")
    )
    .json(json!({"isActive": false}))),
    admin_kind!("update role", 403, |user| Call::new("PATCH", user.path(""))
        .json(json!({"role": "User"}))),
    admin_kind!("update expiry", 401, |user| Call::new(
        "PATCH",
        user.path("")
    )
    .json(json!({"expiresAtUtc": "2020-01-01T00:00:00Z"}))),
    admin_kind!("remove password", 401, |user| Call::new(
        "DELETE",
        user.path("/password")
    )),
    admin_kind!("sign out everywhere", 401, |user| Call::new(
        "DELETE",
        user.path("/sessions")
    )),
    admin_kind!("end session", 401, |user| Call::new(
        "DELETE",
        format!("/api/v1/sessions/{}", user.session)
    )),
    admin_kind!("delete", 401, |user| Call::new("DELETE", user.path(""))),
    admin_kind!("purge", 401, |user| Call::new(
        "DELETE",
        user.path("?purge=true")
    )),
    admin_kind!("bulk disable", 401, |user| bulk("disable", user)),
    admin_kind!("bulk delete", 401, |user| bulk("delete", user)),
    admin_kind!("bulk sign-out", 401, |user| bulk("signOut", user)),
    Kind {
        name: "permissions",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &["users.read"], None)?;
            let revocation =
                Call::new("PATCH", user.path("/permissions")).json(json!({"permissions": []}));
            Some(by_admin(
                replicas,
                USERS,
                &user.access_token,
                403,
                revocation,
            ))
        },
    },
    Kind {
        name: "token",
        prepare: |replicas| {
            let (user, id, token) = with_personal_token(replicas)?;
            let revocation = Call::new("DELETE", user.path(&format!("/tokens/{id}")));
            Some(by_admin(replicas, ME, &token, 401, revocation))
        },
    },
    Kind {
        name: "own token",
        prepare: |replicas| {
            let (user, id, token) = with_personal_token(replicas)?;
            let revocation = Call::new("DELETE", format!("/api/v1/auth/tokens/{id}"));
            Some(by_owner(&user.access_token, &token, revocation))
        },
    },
    Kind {
        name: "own session",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &[], None)?;
            let other = replicas.add_session(user.id)?;
            let revocation =
                Call::new("DELETE", format!("/api/v1/auth/sessions/{}", other.session));
            Some(by_owner(
                &user.access_token,
                &other.access_token,
                revocation,
            ))
        },
    },
    Kind {
        name: "own other sessions",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &[], None)?;
            let other = replicas.add_session(user.id)?;
            let revocation = Call::new("DELETE", "/api/v1/auth/sessions");
            Some(by_owner(
                &user.access_token,
                &other.access_token,
                revocation,
            ))
        },
    },
    Kind {
        name: "OAuth revocation",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &[], None)?;
            let form = format!("token={}&client_id=rosterd", user.refresh_token);
            let revocation = Call::new("POST", "/api/v1/oauth/revoke").form(form);
            Some(target(ME, &user.access_token, 401, revocation))
        },
    },
    Kind {
        name: "client deletion",
        prepare: |replicas| {
            client_kind(replicas, 401, |id| {
                Call::new("DELETE", format!("/api/v1/clients/{id}"))
            })
        },
    },
    Kind {
        name: "client secret",
        prepare: |replicas| {
            client_kind(replicas, 401, |id| {
                Call::new("POST", format!("/api/v1/clients/{id}/rotate-secret"))
            })
        },
    },
    Kind {
        name: "client permissions",
        prepare: |replicas| {
            client_kind(replicas, 403, |id| {
                Call::new("PATCH", format!("/api/v1/clients/{id}")).json(json!({"permissions": []}))
            })
        },
    },
    // Less frequent in the long test.
    admin_kind!("reset password", 401, |user| {
        Call::new("POST", user.path("/reset-password")).json(json!({"newPassword": NEW_PASSWORD}))
    }),
    Kind {
        name: "reset link",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &[], None)?;
            let link = Call::new("POST", user.path("/password-reset-link")).json(json!({}));
            let link = replicas.send_as_admin(&link)?;
            let body = json!({"token": link.data()["token"], "newPassword": NEW_PASSWORD});
            let revocation = Call::new("POST", "/api/v1/auth/reset-password").json(body);
            Some(target(ME, &user.access_token, 401, revocation))
        },
    },
    Kind {
        name: "own password",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &[], Some(password_hash()))?;
            let other = replicas.add_session(user.id)?;
            let body = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
            let revocation = Call::new("POST", "/api/v1/auth/change-password").json(body);
            Some(by_owner(
                &user.access_token,
                &other.access_token,
                revocation,
            ))
        },
    },
    Kind {
        name: "own deletion",
        prepare: |replicas| {
            let user = replicas.create_signed_in_user("User", &[], Some(password_hash()))?;
            let revocation = Call::new("DELETE", ME).json(json!({"currentPassword": PASSWORD}));
            Some(by_owner(&user.access_token, &user.access_token, revocation))
        },
    },
    Kind {
        name: "role permissions",
        prepare: |replicas| {
            let (role, token) = with_own_role(replicas)?;
            let revocation = Call::new("PATCH", format!("/api/v1/roles/{role}"))
                .json(json!({"permissions": []}));
            Some(by_admin(replicas, USERS, &token, 403, revocation))
        },
    },
    Kind {
        name: "role deletion",
        prepare: |replicas| {
            let (role, token) = with_own_role(replicas)?;
            let revocation = Call::new("DELETE", format!("/api/v1/roles/{role}?moveTo=User"));
            Some(by_admin(replicas, USERS, &token, 403, revocation))
        },
    },
];

impl SignedInUser {
    /// The URL path of the account or of a sub-resource.
    fn path(&self, suffix: &str) -> String {
        format!("/api/v1/users/{}{suffix}", self.id)
    }
}

fn target(path: &str, token: &str, refused_with: u16, revocation: Call) -> Target {
    Target {
        probe: Call::new("GET", path).bearer(token),
        refused_with,
        revocation,
    }
}

fn by_admin(
    replicas: &Replicas,
    path: &str,
    token: &str,
    refused_with: u16,
    revocation: Call,
) -> Target {
    target(
        path,
        token,
        refused_with,
        revocation.bearer(replicas.admin()),
    )
}

/// A credential of an account that revokes it itself.
fn by_owner(owner_token: &str, token: &str, revocation: Call) -> Target {
    target(ME, token, 401, revocation.bearer(owner_token))
}

fn bulk(action: &str, user: &SignedInUser) -> Call {
    Call::new("POST", "/api/v1/users/bulk").json(json!({"action": action, "ids": [user.id]}))
}

/// An account with a personal access token: the account, and the id and the secret of the token.
pub fn with_personal_token(replicas: &Replicas) -> Option<(SignedInUser, String, String)> {
    let user = replicas.create_signed_in_user("User", &[], None)?;
    let body = json!({"name": "export", "permissions": []});
    let created = replicas.send_as_admin(&Call::new("POST", user.path("/tokens")).json(body))?;
    let member = |name: &str| created.data()[name].as_str().unwrap().to_owned();
    Some((user, member("id"), member("token")))
}

/// A revocation of the access token of a new service client with this id.
fn client_kind(
    replicas: &Replicas,
    refused_with: u16,
    revocation: impl FnOnce(&str) -> Call,
) -> Option<Target> {
    let (id, token) = with_client_token(replicas)?;
    Some(by_admin(
        replicas,
        USERS,
        &token,
        refused_with,
        revocation(&id),
    ))
}

/// The id of a new service client, and an access token of it.
pub fn with_client_token(replicas: &Replicas) -> Option<(String, String)> {
    let name = format!("c{}", Uuid::new_v4().simple());
    let body = json!({"name": name, "permissions": ["users.read"]});
    let created = replicas.send_as_admin(&Call::new("POST", "/api/v1/clients").json(body))?;
    let member = |name: &str| created.data()[name].as_str().unwrap().to_owned();
    let (id, secret) = (member("clientId"), member("clientSecret"));
    // One user may create a limited number of clients.
    let sql = format!("UPDATE service_clients SET created_by = NULL WHERE id = '{id}'");
    replicas.connect().batch_execute(&sql).ok()?;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let token = replicas.send(&Call::new("POST", "/api/v1/oauth/token").form(form))?;
    Some((id, token.body["access_token"].as_str().unwrap().to_owned()))
}

/// A role with `users.read`, and the access token of an account that has the role.
pub fn with_own_role(replicas: &Replicas) -> Option<(String, String)> {
    let role = format!("R{}", Uuid::new_v4().simple());
    let body = json!({"name": role, "rank": 10, "permissions": ["users.read"]});
    replicas.send_as_admin(&Call::new("POST", "/api/v1/roles").json(body))?;
    let user = replicas.create_signed_in_user(&role, &[], None)?;
    Some((role, user.access_token))
}
