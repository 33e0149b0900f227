//! Lists of accounts: every filter and order, page after page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const USERS: &str = "/api/v1/users";
const SORTS: [&str; 6] = [
    "createdAtUtc",
    "-createdAtUtc",
    "username",
    "-username",
    "lastLoginAtUtc",
    "-lastLoginAtUtc",
];

/// Sixty accounts besides the caller, with many ties in every order, and ten deleted ones.
fn seeded() -> (TestApp, String) {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.execute(
        "INSERT INTO roles (name, rank, permissions) VALUES ('Librarian', 1, '{users.read}');
         INSERT INTO users (id, username, display_name, email, role, permissions, is_active, tags, attributes,
             created_at, updated_at, last_login_at, deleted_at)
         SELECT gen_random_uuid(), 'user' || to_char(n, 'FM000'),
             CASE WHEN n % 3 = 0 THEN 'Display ' || n END,
             CASE WHEN n % 2 = 0 THEN 'Mail' || n || '@Example.org' END,
             CASE WHEN n % 10 = 0 THEN 'Librarian' ELSE 'User' END,
             CASE WHEN n % 15 = 0 THEN '{audit.read,users.read}'::text[] ELSE '{}' END,
             n % 4 <> 0,
             CASE WHEN n % 5 = 0 THEN '{blue,red}'::text[] ELSE '{green}' END,
             jsonb_build_object('level', n % 3, 'name', 'n' || n % 3, 'deep', jsonb_build_object('x', n), 'on', n % 2 = 0),
             timestamptz '2026-01-01' + (n / 7) * interval '1 microsecond', now(),
             CASE WHEN n % 3 <> 0 THEN timestamptz '2026-02-01' + (n / 9) * interval '1 microsecond' END,
             CASE WHEN n > 60 THEN now() END
         FROM generate_series(1, 70) n",
    );
    (app, admin)
}

fn list(app: &TestApp, by: &str, query: &str) -> Answer {
    app.get(&format!("{USERS}?{query}")).by(by).send()
}

fn names(answer: &Answer) -> Vec<String> {
    let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
    answer.data().as_array().unwrap().iter().map(name).collect()
}

/// The names that a list has when it is read page after page.
fn walk(app: &TestApp, by: &str, query: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(app, by, &format!("{query}&limit={limit}{cursor}")).expect(200);
        assert_eq!(page.body["page"]["limit"], limit);
        let here = names(&page);
        let Some(next) = page.body["page"]["next"].as_str() else {
            assert!(page.body["page"].as_object().unwrap().contains_key("next"));
            found.extend(here);
            return found;
        };
        assert_eq!(here.len(), limit, "only the last page is short");
        cursor = format!("&cursor={next}");
        found.extend(here);
    }
}

#[test]
fn the_newest_come_first_fifty_at_a_time() {
    let (app, admin) = seeded();
    let page = app.get(USERS).by(&admin).send().expect(200);
    assert_eq!(names(&page).len(), 50);
    assert_eq!(page.body["page"]["limit"], 50);
    assert!(page.body["page"].get("total").is_none());
    assert!(
        names(&page)[0].starts_with("superadmin-"),
        "{}",
        names(&page)[0]
    );
    assert_eq!(
        names(&page),
        names(&list(&app, &admin, "sort=-createdAtUtc"))
    );
    assert_eq!(page.header("cache-control"), "no-store");
    let one = &page.data()[1];
    let alone = app
        .get(&format!("{USERS}/{}", one["id"].as_str().unwrap()))
        .by(&admin)
        .send()
        .expect(200);
    assert_eq!(alone.data(), one, "an account looks the same in a list");
}

#[test]
fn every_order_is_total_and_its_reverse_is_the_reverse() {
    let (app, admin) = seeded();
    for sort in SORTS {
        let whole = names(&list(&app, &admin, &format!("sort={sort}&limit=200")).expect(200));
        assert_eq!(whole.len(), 61, "{sort}");
        for limit in [1, 7, 60, 61] {
            assert_eq!(
                walk(&app, &admin, &format!("sort={sort}"), limit),
                whole,
                "{sort} by {limit}"
            );
        }
        let mut reverse = whole;
        reverse.reverse();
        let opposite = sort
            .strip_prefix('-')
            .map_or_else(|| format!("-{sort}"), str::to_owned);
        assert_eq!(
            names(&list(&app, &admin, &format!("sort={opposite}&limit=200"))),
            reverse
        );
    }
    let by_name = names(&list(&app, &admin, "sort=username&limit=200"));
    let mut sorted = by_name.clone();
    sorted.sort();
    assert_eq!(by_name, sorted);
    let last_login = list(&app, &admin, "sort=-lastLoginAtUtc&limit=200");
    let never = last_login
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["lastLoginAtUtc"].is_null());
    assert!(never.is_sorted(), "those who never signed in are the least");
}

#[test]
fn every_filter_finds_what_it_says_and_pages_through_it_in_every_order() {
    let (app, admin) = seeded();
    let every = |from: u32, holds: &dyn Fn(u32) -> bool| -> BTreeSet<String> {
        (from..=60)
            .filter(|n| holds(*n))
            .map(|n| format!("user{n:03}"))
            .collect()
    };
    for (query, expected) in [
        ("query=user00", every(1, &|n| n < 10)),
        ("query=USER00", every(1, &|n| n < 10)),
        (
            "query=isplay%203",
            every(1, &|n| n % 3 == 0 && (n == 3 || (30..40).contains(&n))),
        ),
        (
            "query=mail1",
            every(1, &|n| n % 2 == 0 && (10..20).contains(&n)),
        ),
        ("query=%25", every(1, &|_| false)),
        ("query=user_01", every(1, &|_| false)),
        ("query=%5C", every(1, &|_| false)),
        ("username=USER007", every(1, &|n| n == 7)),
        ("username=user00", every(1, &|_| false)),
        ("email=mail8@EXAMPLE.org", every(1, &|n| n == 8)),
        ("email=mail%25@example.org", every(1, &|_| false)),
        ("role=Librarian", every(1, &|n| n % 10 == 0)),
        ("role=librarian", every(1, &|_| false)),
        ("isActive=false", every(1, &|n| n % 4 == 0)),
        ("tag=red", every(1, &|n| n % 5 == 0)),
        ("tag=Blue", every(1, &|n| n % 5 == 0)),
        ("tag=re", every(1, &|_| false)),
        (
            "permission=audit.read&role=User",
            every(1, &|n| n % 15 == 0 && n % 10 != 0),
        ),
        (
            "permission=users.read&tag=red",
            every(1, &|n| n % 15 == 0 || n % 10 == 0),
        ),
        ("attr.level=2", every(1, &|n| n % 3 == 2)),
        ("attr.name=n1", every(1, &|n| n % 3 == 1)),
        ("attr.on=true&attr.level=0", every(1, &|n| n % 6 == 0)),
        ("attr.deep=x", every(1, &|_| false)),
        ("attr.deep.x=5", every(1, &|_| false)),
        (
            "isActive=true&role=User&tag=green&query=user0&attr.level=1",
            every(1, &|n| {
                n % 4 != 0 && n % 10 != 0 && n % 5 != 0 && n % 3 == 1
            }),
        ),
    ] {
        for sort in SORTS {
            let query = format!("{query}&sort={sort}");
            let walked = walk(&app, &admin, &query, 4);
            let found: BTreeSet<String> = walked.iter().cloned().collect();
            assert_eq!(found, expected, "{query}");
            assert_eq!(walked.len(), expected.len(), "{query} has one twice");
        }
        let counted = list(&app, &admin, &format!("{query}&count=true&limit=1")).expect(200);
        assert_eq!(counted.body["page"]["total"], expected.len(), "{query}");
    }
    assert_eq!(
        names(&list(&app, &admin, "permission=roles.manage")).len(),
        1,
        "a SuperAdmin holds everything"
    );
    let deleted: Vec<String> = (61..=70).map(|n| format!("user{n:03}")).collect();
    assert_eq!(walk(&app, &admin, "deleted=true&sort=username", 3), deleted);
    assert_eq!(
        names(&list(&app, &admin, "deleted=false&limit=200")).len(),
        61
    );
    assert_eq!(
        list(&app, &admin, "count=true&deleted=true").body["page"]["total"],
        10
    );
    assert!(
        list(&app, &admin, "count=false").body["page"]
            .get("total")
            .is_none()
    );
    assert_eq!(names(&list(&app, &admin, "query=&limit=200")).len(), 61);
}

#[test]
fn what_is_no_parameter_of_the_list_is_refused() {
    let (app, admin) = seeded();
    for (query, pointer, code) in [
        ("limit=0", "?limit", "out_of_range"),
        ("limit=201", "?limit", "out_of_range"),
        ("limit=-1", "?limit", "out_of_range"),
        ("limit=1000000000", "?limit", "out_of_range"),
        ("limit=ten", "?limit", "out_of_range"),
        ("limit=1&limit=2", "?limit", "duplicate_parameter"),
        ("sort=email", "?sort", "invalid_value"),
        ("sort=--username", "?sort", "invalid_value"),
        ("sort=%2Busername", "?sort", "invalid_value"),
        ("sort=username,id", "?sort", "invalid_value"),
        ("isActive=yes", "?isActive", "invalid_value"),
        ("deleted=1", "?deleted", "invalid_value"),
        ("count=", "?count", "invalid_value"),
        ("offset=10", "?offset", "unknown_parameter"),
        ("Limit=10", "?Limit", "unknown_parameter"),
        ("attr.=1", "?attr.", "unknown_parameter"),
        ("query=a&query=b", "?query", "duplicate_parameter"),
        ("query=%00", "?query", "invalid_character"),
        ("query=%ff", "?query", "invalid_character"),
        ("attr.a=%00", "?attr.a", "invalid_character"),
    ] {
        list(&app, &admin, query).expect_fault(pointer, code);
    }
    list(&app, &admin, "limit=200").expect(200);
    list(&app, &admin, "limit=1").expect(200);
    // Odd values are looked for as they are.
    for query in [
        "attr.a=1e400",
        "attr.a=-0",
        "attr.a=%22",
        "attr.a=%5B1%5D",
        "attr.%27%3B=1",
        "query=%27%3B--",
        "role=%F0%9F%98%80",
        "tag=%27",
        "permission=%7Bx%7D",
        "username=%20%20",
        "attr.a=99999999999999999999999999",
        "attr.a=NaN",
        "email=%27",
    ] {
        assert_eq!(
            list(&app, &admin, query).expect(200).data(),
            &json!([]),
            "{query}"
        );
    }
}

#[test]
fn h12_a_cursor_is_good_for_its_own_list_and_as_it_was_given() {
    let (app, admin) = seeded();
    let next = |query: &str| {
        list(&app, &admin, query).expect(200).body["page"]["next"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let cursor = next("sort=username&limit=5&tag=green");
    let with = |query: &str, cursor: &str| list(&app, &admin, &format!("{query}&cursor={cursor}"));
    with("sort=username&limit=5&tag=green", &cursor).expect(200);
    // Another size of page, and a count, make it no other list; neither does the order of the parameters.
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
        with(other, &cursor).expect_fault("?cursor", "invalid_cursor");
    }
    for at in 0..cursor.len() {
        let mut tampered = cursor.clone().into_bytes();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        with("sort=username&tag=green", &tampered).expect_fault("?cursor", "invalid_cursor");
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
        with("sort=username&tag=green", forged).expect_fault("?cursor", "invalid_cursor");
    }
    // Whoever may read the list may use it: it is bound to the list, not to the caller.
    let (_, other) = app.someone("User", &["users.read"]);
    list(
        &app,
        &other,
        &format!("sort=username&tag=green&cursor={cursor}"),
    )
    .expect(200);
    let replica = app.replica();
    list(
        &replica,
        &other,
        &format!("sort=username&tag=green&cursor={cursor}"),
    )
    .expect(200);
}

#[test]
fn what_is_added_removed_or_changed_meanwhile_shifts_no_page() {
    let (app, admin) = seeded();
    for (sort, disturb) in [
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
        let whole = names(&list(&app, &admin, &format!("sort={sort}&limit=200")).expect(200));
        let first = list(&app, &admin, &format!("sort={sort}&limit=20")).expect(200);
        app.execute(disturb);
        let mut seen = names(&first);
        let mut cursor = first.body["page"]["next"].as_str().map(str::to_owned);
        while let Some(next) = cursor {
            let page =
                list(&app, &admin, &format!("sort={sort}&limit=20&cursor={next}")).expect(200);
            seen.extend(names(&page));
            cursor = page.body["page"]["next"].as_str().map(str::to_owned);
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{sort}: one came twice");
        let moved = app.number("SELECT count(*) FROM users WHERE last_login_at > '2026-03-01' AND username < 'user020' AND username LIKE 'user0%'");
        let missing: Vec<&String> = whole
            .iter()
            .filter(|name| !distinct.contains(name))
            .collect();
        assert!(
            i64::try_from(missing.len()).unwrap() <= moved,
            "{sort}: {missing:?} were skipped"
        );
    }
}

#[test]
fn a_cursor_whose_account_is_gone_still_says_where_to_go_on() {
    let (app, admin) = seeded();
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
