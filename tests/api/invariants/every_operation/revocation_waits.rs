//! Which operations answer only when no replica can accept any more what they revoked, and why the others need not wait.
//!
//! A new operation fails the test until it has a row in [`WAITS`].

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixture::{ServiceFixture, string_member, unique_name};
use super::{check_equal, check_every_operation};
use crate::support::{Response, operations};

/// When an operation is answered.
#[derive(Clone, Copy)]
enum Answer {
    /// When every lease from before the commit has expired, also if there was nothing to revoke.
    Waits,
    /// At once, for this reason.
    AtOnce(&'static str),
}
use Answer::{AtOnce, Waits};

const CREATES: Answer = AtOnce("it creates something and takes nothing away");
const READS: Answer = AtOnce("it changes nothing");
const NOT_CACHED: Answer =
    AtOnce("links and invites are not cached: their use reads the row in its transaction");
const NO_ACCESS: Answer = AtOnce("it changes nothing that gives access");
const SIGN_IN: Answer = AtOnce(
    "sign-in, refresh and sign-out are answered at once; the other replicas follow within 100 ms",
);

/// Every operation that is not a GET.
const WAITS: &[(&str, Answer)] = &[
    ("login", SIGN_IN),
    ("refresh", SIGN_IN),
    ("logout", SIGN_IN),
    ("updateMe", NO_ACCESS),
    ("deleteMe", Waits),
    ("deleteMeByPost", Waits),
    ("checkPermissions", READS),
    ("changePassword", Waits),
    ("register", CREATES),
    ("resetPassword", Waits),
    ("requestPasswordReset", CREATES),
    ("requestEmailConfirmation", CREATES),
    ("confirmEmail", NO_ACCESS),
    ("endOwnSession", Waits),
    ("endOtherOwnSessions", Waits),
    ("endSession", Waits),
    ("createOwnToken", CREATES),
    ("revokeOwnToken", Waits),
    ("createUserToken", CREATES),
    ("revokeUserToken", Waits),
    ("createUser", CREATES),
    ("importUsers", CREATES),
    (
        "updateUser",
        AtOnce("it waits only for some members: see the test of this operation"),
    ),
    ("addUserTag", NO_ACCESS),
    ("removeUserTag", NO_ACCESS),
    ("replaceUserPermissions", Waits),
    ("addUserPermission", Waits),
    ("removeUserPermission", Waits),
    ("setUserStatus", Waits),
    ("deleteUser", Waits),
    (
        "restoreUser",
        AtOnce("it gives access, and no session or token comes back"),
    ),
    ("resetUserPassword", Waits),
    ("removeUserPassword", Waits),
    ("removeUserSecondFactor", Waits),
    ("signOutUser", Waits),
    ("actOnUsers", Waits),
    ("createPasswordResetLink", NOT_CACHED),
    ("revokePasswordResetLink", NOT_CACHED),
    ("createRole", CREATES),
    ("updateRole", Waits),
    ("deleteRole", Waits),
    ("registerPermission", CREATES),
    ("removePermission", Waits),
    ("createInvite", CREATES),
    ("revokeInvite", NOT_CACHED),
    ("createClient", CREATES),
    ("updateClient", Waits),
    ("deleteClient", Waits),
    ("rotateClientSecret", Waits),
    ("issueToken", SIGN_IN),
    ("introspectToken", READS),
    ("revokeToken", Waits),
];

#[test]
fn table_of_waits_has_a_row_for_every_operation_that_is_not_a_get() {
    let operation_ids: BTreeSet<&str> = operations()
        .iter()
        .filter(|operation| operation.method != "GET")
        .map(|operation| operation.id.as_str())
        .collect();
    let row_ids: BTreeSet<&str> = WAITS.iter().map(|(id, _)| *id).collect();
    assert_eq!(row_ids, operation_ids);
    assert_eq!(row_ids.len(), WAITS.len(), "an operation has two rows");
}

/// The number of waits while `send` runs.
fn count_waits(fixture: &ServiceFixture, send: impl FnOnce() -> Response) -> (Response, f64) {
    let waits = || fixture.app.metric("rosterd_lease_waits_total ");
    let before = waits();
    let response = send();
    (response, waits() - before)
}

/// A repeated request has nothing left to revoke. It waits too, because the first one may still be waiting.
#[test]
fn operations_wait_for_the_leases_of_the_replicas_as_listed() {
    let fixture = ServiceFixture::new();
    check_every_operation(|operation| {
        let row = WAITS.iter().find(|(id, _)| *id == operation.id);
        let expected = match row {
            Some((_, Waits)) => 1.0,
            Some((_, AtOnce(reason))) => {
                check_equal("has a reason", &reason.is_empty(), &false)?;
                0.0
            }
            None => 0.0,
        };
        let request = fixture.example_request(operation)?;
        let (response, waits) =
            count_waits(&fixture, || request.build(&fixture.app, operation).send());
        check_equal("succeeds", &(200..300).contains(&response.status), &true)?;
        check_equal("waits", &waits, &expected)?;
        let (repeated, waits) =
            count_waits(&fixture, || request.build(&fixture.app, operation).send());
        if matches!(repeated.status, 200..300 | 404) {
            check_equal("waits when it is repeated", &waits, &expected)?;
        }
        Ok(())
    });
}

#[test]
fn update_of_a_user_waits_if_it_can_take_away_access() {
    let fixture = ServiceFixture::new();
    let cases: [(Value, f64); 8] = [
        (json!({"role": "User"}), 1.0),
        (json!({"isActive": false}), 1.0),
        (json!({"expiresAtUtc": "2020-01-01T00:00:00Z"}), 1.0),
        (json!({"expiresAtUtc": null}), 1.0),
        (json!({"displayName": "Ada"}), 0.0),
        (json!({"email": "ada@example.org", "tags": ["staff"]}), 0.0),
        (json!({"mustChangePassword": true}), 0.0),
        (json!({}), 0.0),
    ];
    for (body, expected) in cases {
        let path = format!("/api/v1/users/{}", fixture.create_user());
        let request = || {
            fixture
                .app
                .patch(&path)
                .bearer(&fixture.admin)
                .json(&body)
                .send()
        };
        for _ in 0..2 {
            let (response, waits) = count_waits(&fixture, request);
            response.expect(200);
            assert!((waits - expected).abs() < 0.5, "{body}: {waits}");
        }
    }
}

#[test]
fn bulk_operation_waits_once_and_also_if_it_matches_no_account() {
    let fixture = ServiceFixture::new();
    let ids: Vec<String> = (0..20).map(|_| fixture.create_user()).collect();
    let unused = unique_name("tag");
    let cases = [
        (json!({"action": "signOut", "ids": ids}), 1.0),
        (
            json!({"action": "setRole", "role": "User", "ids": ids}),
            1.0,
        ),
        (json!({"action": "disable", "ids": ids}), 1.0),
        (json!({"action": "disable", "filter": {"tag": unused}}), 1.0),
        (
            json!({"action": "disable", "ids": ids, "dryRun": true}),
            0.0,
        ),
        (json!({"action": "tag", "tag": "staff", "ids": ids}), 0.0),
        (json!({"action": "delete", "ids": ids}), 1.0),
    ];
    for (body, expected) in cases {
        let request = fixture
            .app
            .post("/api/v1/users/bulk")
            .bearer(&fixture.admin);
        let (response, waits) = count_waits(&fixture, || request.json(&body).send());
        response.expect(200);
        assert!((waits - expected).abs() < 0.5, "{body}: {waits}");
    }
}

/// A refusal says nothing about what is revoked.
#[test]
fn refused_revocation_is_answered_at_once() {
    let fixture = ServiceFixture::new();
    let path = format!("/api/v1/users/{}/status", fixture.create_user());
    let session = fixture.sign_in_new_user();
    let request = fixture
        .app
        .post(&path)
        .bearer(string_member(&session, "accessToken"));
    let (response, waits) = count_waits(&fixture, || {
        request.json(&json!({"isActive": false})).send()
    });
    response.expect(403);
    assert!(waits < 0.5);
    let stale = fixture
        .app
        .post(&path)
        .bearer(&fixture.admin)
        .header("If-Match", "\"99-0\"");
    let (response, waits) =
        count_waits(&fixture, || stale.json(&json!({"isActive": false})).send());
    response.expect(412);
    assert!(waits < 0.5);
}
