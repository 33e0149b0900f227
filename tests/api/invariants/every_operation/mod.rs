//! Properties of every operation, checked with one successful request each: audit rows, least database privileges, the
//! documented response schema and headers, conditional requests and idempotency keys.
//!
//! A new operation fails the tests until it has a row in `example_requests.rs`.

mod example_requests;
mod fixture;
mod revocation_waits;
mod schema_check;

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde_json::json;

use crate::support::{Operation, RestrictedRole, TestApp, document, operations};
use example_requests::EXAMPLE_REQUESTS;
use fixture::{ExampleRequest, ServiceFixture};
use schema_check::matches_schema;

/// `POST` operations that only read.
const READING_POSTS: [&str; 2] = ["checkPermissions", "introspectToken"];

/// Operations whose responses may be cached.
const CACHEABLE: [&str; 2] = ["getJwks", "getOAuthMetadata"];

#[test]
fn table_has_a_row_for_every_operation() {
    let operation_ids: BTreeSet<&str> = operations()
        .iter()
        .map(|operation| operation.id.as_str())
        .collect();
    let row_ids: BTreeSet<&str> = EXAMPLE_REQUESTS.iter().map(|(id, _)| *id).collect();
    assert_eq!(row_ids, operation_ids);
}

#[test]
fn changes_add_one_audit_row_and_reads_add_none() {
    let fixture = ServiceFixture::new();
    let count_rows = |condition: &str| {
        let sql = format!("SELECT count(*) FROM audit_events WHERE {condition}");
        fixture.app.query_number(&sql)
    };
    check_every_operation(|operation| {
        let request = fixture.example_request(operation)?;
        let before = count_rows("true");
        fixture.send_successfully(operation, &request)?;
        let added = count_rows("true") - before;
        let only_reads =
            operation.method == "GET" || READING_POSTS.contains(&operation.id.as_str());
        check_equal("audit rows", &added, &i64::from(!only_reads))
    });
    assert_eq!(count_rows("outcome <> 'done'"), 0);
}

#[test]
fn every_operation_succeeds_with_the_restricted_database_role() {
    let owner = TestApp::start();
    let role = RestrictedRole::create(&owner);
    let settings = [
        ("DATABASE_URL", role.url.as_str()),
        ("ROSTERD_REGISTRATION", "open"),
    ];
    let app = owner.start_replica_with(&settings);
    let admin = app.super_admin_token();
    let fixture = ServiceFixture { app, admin };
    check_every_operation(|operation| {
        let request = fixture.example_request(operation)?;
        fixture.send_successfully(operation, &request).map(drop)
    });
    let purge = format!("/api/v1/users/{}?purge=true", fixture.create_user());
    fixture
        .app
        .delete(&purge)
        .bearer(&fixture.admin)
        .send()
        .expect(204);
}

#[test]
fn every_response_matches_its_documented_schema_and_headers() {
    let fixture = ServiceFixture::new();
    let document = document();
    check_every_operation(|operation| {
        let request = fixture.example_request(operation)?;
        let response = fixture.send_successfully(operation, &request)?;
        let documented = &operation.definition["responses"][response.status.to_string()];
        for name in ["ETag", "Location"] {
            let is_documented = documented["headers"].get(name).is_some();
            check_equal(name, &!response.header(name).is_empty(), &is_documented)?;
        }
        check_equal(
            "cacheable",
            &(response.header("cache-control") != "no-store"),
            &CACHEABLE.contains(&operation.id.as_str()),
        )?;
        for (media_type, content) in documented["content"].as_object().into_iter().flatten() {
            check_equal(
                "content type",
                &response.header("content-type"),
                &media_type.as_str(),
            )?;
            matches_schema(document, &content["schema"], &response.body)?;
        }
        Ok(())
    });
}

/// Exactly the operations that document `If-Match` refuse a stale one. The request succeeds afterwards, so the refusal
/// changed nothing.
#[test]
fn stale_if_match_is_refused_where_documented() {
    let fixture = ServiceFixture::new();
    check_every_operation(|operation| {
        if operation.method == "GET" {
            return Ok(());
        }
        let request = fixture.example_request(operation)?;
        let response = request
            .build(&fixture.app, operation)
            .header("If-Match", "\"999-0123456789abcdef\"")
            .send();
        let is_documented = has_header_parameter(operation, "If-Match");
        check_equal("refused", &(response.status == 412), &is_documented)?;
        if is_documented {
            check_equal(
                "code",
                &response.body["code"],
                &json!("precondition_failed"),
            )?;
            fixture.send_successfully(operation, &request)?;
        }
        Ok(())
    });
}

#[test]
fn current_if_none_match_gives_304_where_documented() {
    let fixture = ServiceFixture::new();
    check_every_operation(|operation| {
        if operation.method != "GET" {
            return Ok(());
        }
        let request = fixture.example_request(operation)?;
        let first = fixture.send_successfully(operation, &request)?;
        let second = request
            .build(&fixture.app, operation)
            .header("If-None-Match", first.header("etag"))
            .send();
        let is_documented = has_header_parameter(operation, "If-None-Match");
        check_equal("not modified", &(second.status == 304), &is_documented)?;
        if is_documented {
            check_equal("etag", &second.header("etag"), &first.header("etag"))?;
            check_equal("body", &second.text.as_str(), &"")?;
        }
        Ok(())
    });
}

#[test]
fn repeated_idempotency_key_replays_the_response_where_documented() {
    let fixture = ServiceFixture::new();
    check_every_operation(|operation| {
        if operation.method != "POST" {
            return Ok(());
        }
        let request = fixture.example_request(operation)?;
        let send = |request: &ExampleRequest| {
            request
                .build(&fixture.app, operation)
                .header("Idempotency-Key", "once")
                .send()
        };
        let first = send(&request);
        check_equal("succeeds", &(200..300).contains(&first.status), &true)?;
        let second = send(&request);
        let is_documented = has_header_parameter(operation, "Idempotency-Key");
        check_equal(
            "replayed",
            &(second.header("idempotency-replayed") == "true"),
            &is_documented,
        )?;
        if is_documented {
            check_equal("status", &second.status, &first.status)?;
            check_equal("body", &second.text, &first.text)?;
            check_equal(
                "location",
                &second.header("location"),
                &first.header("location"),
            )?;
        }
        Ok(())
    });
}

/// Runs `check` for every operation and panics with all errors.
#[track_caller]
fn check_every_operation(check: impl Fn(&Operation) -> Result<(), String>) {
    let errors: Vec<String> = operations()
        .iter()
        .filter_map(|operation| Some(format!("{}: {}", operation.id, check(operation).err()?)))
        .collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

fn check_equal<T: PartialEq + Debug>(what: &str, actual: &T, expected: &T) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: {actual:?}, expected {expected:?}"))
    }
}

/// Whether the document lists this header among the parameters of the operation.
fn has_header_parameter(operation: &Operation, header: &str) -> bool {
    let reference = json!({"$ref": format!("#/components/parameters/{header}")});
    let parameters = operation.definition["parameters"].as_array();
    parameters.is_some_and(|parameters| parameters.contains(&reference))
}
