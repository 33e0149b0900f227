//! Every operation called once so that it succeeds, and what must then be true of it. An operation that the table at the end
//! does not know fails here until it does.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::support::{Answer, Call, Operation, OwnRole, PASSWORD, TestApp, document, operations};

/// The service, and somebody who may everything.
struct World {
    app: TestApp,
    admin: String,
}

/// How an operation is called so that it succeeds.
struct Attempt {
    /// What stands in the braces of its path, in their order.
    path: Vec<String>,
    query: &'static str,
    body: Option<Value>,
    /// A body that is no JSON, and its type.
    other: Option<(&'static str, String)>,
    /// Who calls; nobody when empty.
    by: String,
}

impl Attempt {
    fn at(mut self, place: impl Into<String>) -> Self {
        self.path.push(place.into());
        self
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn form(self, form: String) -> Self {
        self.other("application/x-www-form-urlencoded", form)
    }

    fn other(mut self, content_type: &'static str, body: String) -> Self {
        self.other = Some((content_type, body));
        self
    }

    fn by(mut self, token: impl Into<String>) -> Self {
        self.by = token.into();
        self
    }

    fn call(&self, app: &TestApp, operation: &Operation) -> Call {
        let mut path = operation.path.clone();
        for place in &self.path {
            let (open, close) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(open..=close, place);
        }
        assert!(!path.contains('{'), "{path} lacks something");
        let mut call = app.call(&operation.method, &format!("{path}{}", self.query));
        if !self.by.is_empty() {
            call = call.by(&self.by);
        }
        match (&self.body, &self.other) {
            (Some(body), _) => call.json(body),
            (None, Some((content_type, body))) => call.body(content_type, body.as_str()),
            (None, None) => call,
        }
    }
}

impl World {
    fn new() -> Self {
        let app = TestApp::with(&[("ROSTERD_REGISTRATION", "open")]);
        let admin = app.super_admin();
        Self { app, admin }
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            path: Vec::new(),
            query: "",
            body: None,
            other: None,
            by: self.admin.clone(),
        }
    }

    /// An attempt on an account that was just made.
    fn on_user(&self) -> Attempt {
        self.attempt().at(self.user())
    }

    fn user(&self) -> String {
        self.app.user(&name("user"), "User", &[]).id
    }

    /// What signing in gives to an account that was just made.
    fn signed_in(&self) -> Value {
        let name = name("user");
        self.app.user(&name, "User", &[]);
        self.app.sign_in(&name)
    }

    fn token(&self) -> String {
        text(&self.signed_in(), "accessToken")
    }

    /// An attempt on a session that was just begun.
    fn on_session(&self) -> Attempt {
        self.attempt().at(text(&self.signed_in()["session"], "id"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let call = self.app.post(path).by(&self.admin).json(body);
        call.send().expect(201).data().clone()
    }

    /// An attempt of somebody who has a token, and that token's id.
    fn own_token(&self) -> (Attempt, String) {
        let session = self.token();
        let body = json!({"name": "export", "permissions": []});
        let call = self.app.post("/api/v1/auth/tokens").by(&session);
        let made = call.json(&body).send().expect(201);
        (self.attempt().by(session), text(made.data(), "id"))
    }

    /// An account and a token of it, by their ids.
    fn user_token(&self) -> (String, String) {
        let user = self.user();
        let body = json!({"name": "export", "permissions": []});
        let token = self.post(&format!("/api/v1/users/{user}/tokens"), &body);
        (user, text(&token, "id"))
    }

    fn role(&self) -> String {
        let role = json!({"name": name("Role"), "rank": 10});
        text(&self.post("/api/v1/roles", &role), "name")
    }

    fn invite(&self) -> String {
        text(&self.post("/api/v1/invites", &json!({})), "id")
    }

    /// A service client, with its secret.
    fn client(&self) -> Value {
        let client = json!({"name": name("client"), "permissions": ["users.read"]});
        self.post("/api/v1/clients", &client)
    }

    fn on_client(&self) -> Attempt {
        self.attempt().at(text(&self.client(), "id"))
    }

    /// What a client that was just made says of itself in a form.
    fn client_form(&self) -> String {
        let client = self.client();
        let (id, secret) = (text(&client, "id"), text(&client, "clientSecret"));
        format!("client_id={id}&client_secret={secret}")
    }

    fn reset_link(&self, user: &str) -> String {
        let path = format!("/api/v1/users/{user}/password-reset-link");
        text(&self.post(&path, &json!({})), "token")
    }

    /// The token that an address was mailed, as if mail had been read.
    fn email_confirmation(&self, user: &str) -> String {
        let token = name("token");
        self.app.execute(&format!(
            "UPDATE users SET email = '{token}@example.org' WHERE id = '{user}'; \
             INSERT INTO email_confirmations (user_id, digest, email, created_at, expires_at) VALUES \
             ('{user}', sha256('{token}'), '{token}@example.org', now(), now() + interval '1 hour')"
        ));
        token
    }

    fn attempt_of(&self, operation: &Operation) -> Result<Attempt, String> {
        let row = TABLE.iter().find(|(id, _)| *id == operation.id);
        let (_, attempt) = row.ok_or("the table does not say how it is called")?;
        Ok(attempt(self))
    }

    /// Calls the operation, which must succeed as it is documented to.
    fn succeed(&self, operation: &Operation, attempt: &Attempt) -> Result<Answer, String> {
        let answer = attempt.call(&self.app, operation).send();
        let said = operation.said["responses"].get(answer.status.to_string());
        if (200..300).contains(&answer.status) && said.is_some() {
            Ok(answer)
        } else {
            Err(format!("{} {}", answer.status, answer.text))
        }
    }
}

/// A name that begins so and that nothing else has.
fn name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

#[test]
fn the_table_knows_every_operation_and_no_other() {
    let ids: BTreeSet<&str> = operations().iter().map(|one| one.id.as_str()).collect();
    let known: BTreeSet<&str> = TABLE.iter().map(|(id, _)| *id).collect();
    assert_eq!(known, ids);
}

/// Asking what one may changes nothing although it is a POST.
const CHANGES_NOTHING: [&str; 2] = ["checkPermissions", "introspectToken"];

/// What caches may keep.
const PUBLISHED: [&str; 2] = ["getJwks", "getOAuthMetadata"];

#[test]
fn whatever_changes_something_leaves_one_audit_row_and_whatever_reads_leaves_none() {
    let world = World::new();
    let rows = |condition: &str| {
        let sql = format!("SELECT count(*) FROM audit_events WHERE {condition}");
        world.app.number(&sql)
    };
    each(|operation| {
        let attempt = world.attempt_of(operation)?;
        let before = rows("true");
        world.succeed(operation, &attempt)?;
        let written = rows("true") - before;
        let reads = operation.method == "GET" || CHANGES_NOTHING.contains(&operation.id.as_str());
        same("audit rows", &written, &i64::from(!reads))
    });
    assert_eq!(rows("outcome <> 'done'"), 0);
}

#[test]
fn every_operation_succeeds_under_a_role_that_can_only_add_to_the_audit_log() {
    let owner = TestApp::start();
    let role = OwnRole::grant(&owner);
    let settings = [
        ("DATABASE_URL", role.url.as_str()),
        ("ROSTERD_REGISTRATION", "open"),
    ];
    let app = owner.replica_with(&settings);
    let admin = app.super_admin();
    let world = World { app, admin };
    each(|operation| {
        let attempt = world.attempt_of(operation)?;
        world.succeed(operation, &attempt).map(drop)
    });
    let purge = format!("/api/v1/users/{}?purge=true", world.user());
    world.app.delete(&purge).by(&world.admin).send().expect(204);
}

#[test]
fn every_answer_is_of_the_form_that_the_document_says() {
    let world = World::new();
    let document = document();
    each(|operation| {
        let attempt = world.attempt_of(operation)?;
        let answer = world.succeed(operation, &attempt)?;
        let said = &operation.said["responses"][answer.status.to_string()];
        for name in ["ETag", "Location"] {
            let is_said = said["headers"].get(name).is_some();
            same(name, &!answer.header(name).is_empty(), &is_said)?;
        }
        let is_kept = answer.header("cache-control") != "no-store";
        same(
            "may be cached",
            &is_kept,
            &PUBLISHED.contains(&operation.id.as_str()),
        )?;
        for (media, content) in said["content"].as_object().into_iter().flatten() {
            same("type", &answer.header("content-type"), &media.as_str())?;
            fits(document, &content["schema"], &answer.body)?;
        }
        Ok(())
    });
}

/// Whether a value is of this schema, as far as the document here uses schemas.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(at) = schema["$ref"].as_str() {
        return fits(
            document,
            document.pointer(at.trim_start_matches('#')).unwrap(),
            value,
        );
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let fitting = ways.iter().filter(|way| fits(document, way, value).is_ok());
        return if fitting.count() == 1 {
            Ok(())
        } else {
            Err(format!("{value} is not one of {schema}"))
        };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let permitted = match &schema["type"] {
        Value::Array(kinds) => kinds.contains(&json!(kind)),
        Value::Null => true,
        one => one == kind,
    };
    if !permitted {
        return Err(format!("{value} is not of type {}", schema["type"]));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Err(format!("{value} is none of {known:?}"));
    }
    match value {
        Value::String(text) => has_format(schema["format"].as_str(), text),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| fits(document, &schema["items"], item)),
        Value::Object(members) => {
            let none = serde_json::Map::new();
            let properties = schema["properties"].as_object();
            for name in schema["required"].as_array().into_iter().flatten() {
                if !members.contains_key(name.as_str().unwrap()) {
                    return Err(format!("{name} is missing"));
                }
            }
            for (name, member) in members {
                match (properties.unwrap_or(&none).get(name), properties) {
                    (Some(schema), _) => fits(document, schema, member)
                        .map_err(|wrong| format!("{name}: {wrong}"))?,
                    (None, Some(_)) => return Err(format!("{name} is not documented")),
                    (None, None) => {}
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_format(format: Option<&str>, text: &str) -> Result<(), String> {
    let holds = match format {
        Some("uuid") => text.len() == 36 && uuid::Uuid::parse_str(text).is_ok(),
        Some("date-time") => {
            text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
        }
        _ => true,
    };
    holds
        .then_some(())
        .ok_or_else(|| format!("{text:?} is no {}", format.unwrap_or_default()))
}

/// With a condition that does not hold, exactly those that are documented to look at it refuse; nothing has happened then.
#[test]
fn if_match_is_looked_at_where_the_document_says_so() {
    let world = World::new();
    each(|operation| {
        if operation.method == "GET" {
            return Ok(());
        }
        let attempt = world.attempt_of(operation)?;
        let call = attempt.call(&world.app, operation);
        let answer = call.header("If-Match", "\"999-0123456789abcdef\"").send();
        let is_said = takes(operation, "If-Match");
        same("refuses", &(answer.status == 412), &is_said)?;
        if is_said {
            same("code", &answer.body["code"], &json!("precondition_failed"))?;
            world.succeed(operation, &attempt)?;
        }
        Ok(())
    });
}

#[test]
fn what_is_unchanged_is_not_sent_again_where_the_document_says_so() {
    let world = World::new();
    each(|operation| {
        if operation.method != "GET" {
            return Ok(());
        }
        let attempt = world.attempt_of(operation)?;
        let first = world.succeed(operation, &attempt)?;
        let call = attempt.call(&world.app, operation);
        let again = call.header("If-None-Match", first.header("etag")).send();
        let is_said = takes(operation, "If-None-Match");
        same("unchanged", &(again.status == 304), &is_said)?;
        if is_said {
            same("tag", &again.header("etag"), &first.header("etag"))?;
            same("body", &again.text.as_str(), &"")?;
        }
        Ok(())
    });
}

#[test]
fn an_idempotency_key_is_honoured_where_the_document_says_so() {
    let world = World::new();
    each(|operation| {
        if operation.method != "POST" {
            return Ok(());
        }
        let attempt = world.attempt_of(operation)?;
        let send = |attempt: &Attempt| {
            let call = attempt.call(&world.app, operation);
            call.header("Idempotency-Key", "once").send()
        };
        let first = send(&attempt);
        same("succeeds", &(200..300).contains(&first.status), &true)?;
        let again = send(&attempt);
        let is_said = takes(operation, "Idempotency-Key");
        same(
            "replayed",
            &(again.header("idempotency-replayed") == "true"),
            &is_said,
        )?;
        if is_said {
            same("status", &again.status, &first.status)?;
            same("body", &again.text, &first.text)?;
            same(
                "location",
                &again.header("location"),
                &first.header("location"),
            )?;
        }
        Ok(())
    });
}

/// Runs the check for every operation, and fails with all that it complains of.
#[track_caller]
fn each(check: impl Fn(&Operation) -> Result<(), String>) {
    let wrong: Vec<String> = operations()
        .iter()
        .filter_map(|operation| Some(format!("{}: {}", operation.id, check(operation).err()?)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found:?} and not {expected:?}"))
    }
}

/// Whether the document says that an operation takes this header.
fn takes(operation: &Operation, header: &str) -> bool {
    let at = json!({"$ref": format!("#/components/parameters/{header}")});
    let parameters = operation.said["parameters"].as_array();
    parameters.is_some_and(|all| all.contains(&at))
}

type Row = (&'static str, fn(&World) -> Attempt);

const TABLE: &[Row] = &[
    ("getJwks", |world| world.attempt().by("")),
    ("isLive", |world| world.attempt().by("")),
    ("isReady", |world| world.attempt().by("")),
    // Signing in, and one's own account.
    ("login", |world| {
        let name = name("user");
        world.app.user(&name, "User", &[]);
        let body = json!({"username": name, "password": PASSWORD});
        world.attempt().by("").body(body)
    }),
    ("refresh", |world| {
        let token = text(&world.signed_in(), "refreshToken");
        let body = json!({"refreshToken": token});
        world.attempt().by("").body(body)
    }),
    ("logout", |world| world.attempt().by(world.token())),
    ("getMe", |world| world.attempt().by(world.token())),
    ("updateMe", |world| {
        let attempt = world.attempt().by(world.token());
        attempt.body(json!({"displayName": "Ada"}))
    }),
    ("deleteMe", |world| {
        let attempt = world.attempt().by(world.token());
        attempt.body(json!({"currentPassword": PASSWORD}))
    }),
    ("verifyCaller", |world| world.attempt().by(world.token())),
    ("checkPermissions", |world| {
        let body = json!({"permissions": ["users.read"]});
        world.attempt().by(world.token()).body(body)
    }),
    ("changePassword", |world| {
        let body =
            json!({"currentPassword": PASSWORD, "newPassword": "six yellow bicycles by the lake"});
        world.attempt().by(world.token()).body(body)
    }),
    ("register", |world| {
        let body = json!({"username": name("user"), "password": PASSWORD});
        world.attempt().by("").body(body)
    }),
    ("resetPassword", |world| {
        let token = world.reset_link(&world.user());
        let body = json!({"token": token, "newPassword": "six yellow bicycles by the lake"});
        world.attempt().by("").body(body)
    }),
    ("requestPasswordReset", |world| {
        let body = json!({"email": "ada@example.org"});
        world.attempt().by("").body(body)
    }),
    ("requestEmailConfirmation", |world| {
        world.attempt().by(world.token())
    }),
    ("confirmEmail", |world| {
        let token = world.email_confirmation(&world.user());
        world.attempt().by("").body(json!({"token": token}))
    }),
    ("listOwnSessions", |world| world.attempt().by(world.token())),
    ("endOwnSession", |world| {
        let session = world.signed_in();
        let attempt = world.attempt().at(text(&session["session"], "id"));
        attempt.by(text(&session, "accessToken"))
    }),
    ("endOtherOwnSessions", |world| {
        world.attempt().by(world.token())
    }),
    // Everybody's sessions.
    ("listSessions", |world| {
        world.token();
        world.attempt()
    }),
    ("getSession", |world| world.on_session()),
    ("endSession", |world| world.on_session()),
    // Personal access tokens.
    ("listOwnTokens", |world| world.own_token().0),
    ("createOwnToken", |world| {
        let body = json!({"name": "export", "permissions": []});
        world.attempt().by(world.token()).body(body)
    }),
    ("getOwnToken", |world| {
        let (attempt, token) = world.own_token();
        attempt.at(token)
    }),
    ("revokeOwnToken", |world| {
        let (attempt, token) = world.own_token();
        attempt.at(token)
    }),
    ("listUserTokens", |world| {
        let (user, _) = world.user_token();
        world.attempt().at(user)
    }),
    ("createUserToken", |world| {
        let body =
            json!({"name": "export", "permissions": [], "expiresAtUtc": "2099-01-01T00:00:00Z"});
        world.on_user().body(body)
    }),
    ("getUserToken", |world| {
        let (user, token) = world.user_token();
        world.attempt().at(user).at(token)
    }),
    ("revokeUserToken", |world| {
        let (user, token) = world.user_token();
        world.attempt().at(user).at(token)
    }),
    // Accounts.
    ("createUser", |world| {
        let body = json!({"username": name("user"), "role": "User", "permissions": ["users.read"]});
        world.attempt().body(body)
    }),
    ("importUsers", |world| {
        let line = json!({"username": name("user")}).to_string();
        world.attempt().other("application/x-ndjson", line)
    }),
    ("listUsers", |world| {
        world.user();
        let mut attempt = world.attempt();
        attempt.query = "?limit=1&count=true";
        attempt
    }),
    ("getUser", |world| world.on_user()),
    ("updateUser", |world| {
        world.on_user().body(json!({"displayName": "Ada"}))
    }),
    ("addUserTag", |world| world.on_user().at("staff")),
    ("removeUserTag", |world| world.on_user().at("staff")),
    ("replaceUserPermissions", |world| {
        world.on_user().body(json!({"permissions": ["users.read"]}))
    }),
    ("setUserStatus", |world| {
        world.on_user().body(json!({"isActive": false}))
    }),
    ("deleteUser", |world| world.on_user()),
    ("restoreUser", |world| {
        let user = world.user();
        let path = format!("/api/v1/users/{user}");
        let delete = world.app.delete(&path).by(&world.admin);
        delete.send().expect(204);
        world.attempt().at(user)
    }),
    ("resetUserPassword", |world| {
        let body = json!({"newPassword": "six yellow bicycles by the lake"});
        world.on_user().body(body)
    }),
    ("removeUserPassword", |world| world.on_user()),
    ("removeUserSecondFactor", |world| world.on_user()),
    ("signOutUser", |world| world.on_user()),
    ("actOnUsers", |world| {
        let body = json!({"action": "disable", "ids": [world.user()]});
        world.attempt().body(body)
    }),
    ("createPasswordResetLink", |world| {
        world.on_user().body(json!({"expiresInSeconds": 600}))
    }),
    ("getPasswordResetLink", |world| {
        let user = world.user();
        world.reset_link(&user);
        world.attempt().at(user)
    }),
    ("revokePasswordResetLink", |world| {
        let user = world.user();
        world.reset_link(&user);
        world.attempt().at(user)
    }),
    // Roles and the catalogue.
    ("listRoles", |world| world.attempt()),
    ("createRole", |world| {
        let body = json!({"name": name("Role"), "rank": 10, "permissions": ["users.read"]});
        world.attempt().body(body)
    }),
    ("getRole", |world| world.attempt().at("Admin")),
    ("updateRole", |world| {
        let attempt = world.attempt().at(world.role());
        attempt.body(json!({"description": "Keeps the texts"}))
    }),
    ("deleteRole", |world| world.attempt().at(world.role())),
    ("listPermissions", |world| world.attempt()),
    ("registerPermission", |world| {
        let body = json!({"name": name("assets.read"), "description": "See assets"});
        world.attempt().body(body)
    }),
    ("removePermission", |world| {
        let name = name("assets.write");
        world.post("/api/v1/permissions", &json!({"name": name}));
        world.attempt().at(name)
    }),
    // Invites.
    ("createInvite", |world| {
        world.attempt().body(json!({"email": "ada@example.org"}))
    }),
    ("listInvites", |world| {
        world.invite();
        world.attempt()
    }),
    ("getInvite", |world| world.attempt().at(world.invite())),
    ("revokeInvite", |world| world.attempt().at(world.invite())),
    // Service clients.
    ("createClient", |world| {
        world
            .attempt()
            .body(json!({"name": name("client"), "permissions": ["users.read"]}))
    }),
    ("listClients", |world| {
        world.client();
        let mut attempt = world.attempt();
        attempt.query = "?limit=1&count=true";
        attempt
    }),
    ("getClient", |world| world.on_client()),
    ("updateClient", |world| {
        world
            .on_client()
            .body(json!({"permissions": ["users.read"], "isActive": false}))
    }),
    ("deleteClient", |world| world.on_client()),
    ("rotateClientSecret", |world| world.on_client()),
    // The audit log.
    ("listAuditEvents", |world| {
        world.invite();
        world.attempt()
    }),
    ("listSignIns", |world| {
        world.token();
        world.attempt()
    }),
    // OAuth.
    ("getOAuthMetadata", |world| world.attempt().by("")),
    ("issueToken", |world| {
        let client = world.client_form();
        let form = format!("grant_type=client_credentials&scope=users.read&{client}");
        world.attempt().by("").form(form)
    }),
    ("introspectToken", |world| {
        let form = format!("token={}&{}", world.token(), world.client_form());
        world.attempt().by("").form(form)
    }),
    ("revokeToken", |world| {
        let token = text(&world.signed_in(), "refreshToken");
        let form = format!("token={token}&client_id=rosterd");
        world.attempt().by("").form(form)
    }),
    ("listRevocations", |world| {
        world.signed_in();
        let sql = "UPDATE sessions SET ended_at = now() WHERE user_id <> (SELECT user_id FROM sessions ORDER BY id LIMIT 1)";
        world.app.execute(sql);
        world.attempt()
    }),
];
