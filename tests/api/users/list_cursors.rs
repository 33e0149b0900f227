//! `GET /api/v1/users`: cursors, and changes between pages.

use std::collections::BTreeSet;

use super::list::{list, names, start_with_accounts};

// SECURITY: H12
#[test]
fn cursor_is_valid_only_unmodified_and_for_the_same_query() {
    let (app, admin) = start_with_accounts();
    let next = |query: &str| {
        list(&app, &admin, query).expect(200).body["page"]["next"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let cursor = next("sort=username&limit=5&tag=green");
    let with = |query: &str, cursor: &str| list(&app, &admin, &format!("{query}&cursor={cursor}"));
    with("sort=username&limit=5&tag=green", &cursor).expect(200);
    // The page size, the count and the order of parameters are not part of the query.
    with("tag=green&limit=9&count=true&sort=username", &cursor).expect(200);
    for other in [
        "sort=username",
        "sort=-username&tag=green",
        "tag=green",
        "sort=username&tag=red",
        "sort=username&tag=green&isActive=true",
        "sort=username&tag=green&deleted=true",
        "sort=createdAtUtc&tag=green",
        "sort=username&tag=green&attr.a=1",
    ] {
        with(other, &cursor).expect_field_error("?cursor", "invalid_cursor");
    }
    for index in 0..cursor.len() {
        let mut tampered = cursor.clone().into_bytes();
        tampered[index] = if tampered[index] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        with("sort=username&tag=green", &tampered).expect_field_error("?cursor", "invalid_cursor");
    }
    for forged in [
        "",
        "x",
        "AAAA",
        cursor.split_at(cursor.len() - 1).0,
        &format!("{cursor}A"),
        &format!("{cursor}%3D"),
        "%27%20OR%201=1",
        &"A".repeat(4000),
    ] {
        with("sort=username&tag=green", forged).expect_field_error("?cursor", "invalid_cursor");
    }
    // A cursor is bound to the query, not to the caller.
    let (_, other) = app.create_signed_in_user("User", &["users.read"]);
    list(
        &app,
        &other,
        &format!("sort=username&tag=green&cursor={cursor}"),
    )
    .expect(200);
    let replica = app.start_replica();
    list(
        &replica,
        &other,
        &format!("sort=username&tag=green&cursor={cursor}"),
    )
    .expect(200);
}

#[test]
fn changes_between_pages_do_not_repeat_or_skip_accounts() {
    let (app, admin) = start_with_accounts();
    for (sort, change) in [
        (
            "username",
            "UPDATE users SET username = 'user000' WHERE username = 'user001'; DELETE FROM users WHERE username = 'user005'",
        ),
        (
            "-createdAtUtc",
            "INSERT INTO users (id, username, role, created_at, updated_at) SELECT gen_random_uuid(), 'late' || n, 'User', now(), now() FROM generate_series(1, 20) n",
        ),
        (
            "-lastLoginAtUtc",
            "UPDATE users SET last_login_at = now() WHERE last_login_at IS NULL AND username BETWEEN 'user' AND 'user020'",
        ),
    ] {
        let all = names(&list(&app, &admin, &format!("sort={sort}&limit=200")).expect(200));
        let first = list(&app, &admin, &format!("sort={sort}&limit=20")).expect(200);
        app.execute(change);
        let mut seen = names(&first);
        let mut cursor = first.body["page"]["next"].as_str().map(str::to_owned);
        while let Some(next) = cursor {
            let page =
                list(&app, &admin, &format!("sort={sort}&limit=20&cursor={next}")).expect(200);
            seen.extend(names(&page));
            cursor = page.body["page"]["next"].as_str().map(str::to_owned);
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(
            distinct.len(),
            seen.len(),
            "{sort}: an account was returned twice"
        );
        let moved = app.query_number("SELECT count(*) FROM users WHERE last_login_at > '2026-03-01' AND username < 'user020' AND username LIKE 'user0%'");
        let missing: Vec<&String> = all.iter().filter(|name| !distinct.contains(name)).collect();
        assert!(
            i64::try_from(missing.len()).unwrap() <= moved,
            "{sort}: {missing:?} were skipped"
        );
    }
}

#[test]
fn cursor_of_a_deleted_account_continues_at_the_next_one() {
    let (app, admin) = start_with_accounts();
    let first = list(&app, &admin, "sort=username&limit=5").expect(200);
    let last = names(&first).pop().unwrap();
    app.execute(&format!("DELETE FROM users WHERE username = '{last}'"));
    let next = first.body["page"]["next"].as_str().unwrap();
    let second = list(
        &app,
        &admin,
        &format!("sort=username&limit=5&cursor={next}"),
    )
    .expect(200);
    assert!(names(&second)[0] > last && names(&second).len() == 5);
}
