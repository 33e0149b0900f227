//! `GET /api/v1/users`: filters, sort orders and pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Response, TestApp};

const USERS: &str = "/api/v1/users";

const SORTS: [&str; 6] = [
    "createdAtUtc",
    "-createdAtUtc",
    "username",
    "-username",
    "lastLoginAtUtc",
    "-lastLoginAtUtc",
];

/// The service with sixty accounts besides the `SuperAdmin`, with ties in every sort order, and ten deleted accounts.
/// Returns the token of the `SuperAdmin`.
pub fn start_with_accounts() -> (TestApp, String) {
    let app = TestApp::start();
    let admin = app.super_admin_token();
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

pub fn list(app: &TestApp, caller: &str, query: &str) -> Response {
    app.get(&format!("{USERS}?{query}")).bearer(caller).send()
}

pub fn names(response: &Response) -> Vec<String> {
    let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
    response
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect()
}

/// The usernames of all pages.
fn read_all_pages(app: &TestApp, caller: &str, query: &str, limit: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(app, caller, &format!("{query}&limit={limit}{cursor}")).expect(200);
        assert_eq!(page.body["page"]["limit"], limit);
        let on_page = names(&page);
        let Some(next) = page.body["page"]["next"].as_str() else {
            assert!(page.body["page"].as_object().unwrap().contains_key("next"));
            all.extend(on_page);
            return all;
        };
        assert_eq!(on_page.len(), limit, "only the last page is short");
        cursor = format!("&cursor={next}");
        all.extend(on_page);
    }
}

#[test]
fn list_starts_with_the_newest_and_has_fifty_accounts_per_page() {
    let (app, admin) = start_with_accounts();
    let page = app.get(USERS).bearer(&admin).send().expect(200);
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
    let in_list = &page.data()[1];
    let single = app
        .get(&format!("{USERS}/{}", in_list["id"].as_str().unwrap()))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(
        single.data(),
        in_list,
        "an account has the same form in a list"
    );
}

#[test]
fn every_sort_order_is_total_and_reversible() {
    let (app, admin) = start_with_accounts();
    for sort in SORTS {
        let all = names(&list(&app, &admin, &format!("sort={sort}&limit=200")).expect(200));
        assert_eq!(all.len(), 61, "{sort}");
        for limit in [1, 7, 60, 61] {
            assert_eq!(
                read_all_pages(&app, &admin, &format!("sort={sort}"), limit),
                all,
                "{sort} by {limit}"
            );
        }
        let mut reverse = all;
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
    let without_login = last_login
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["lastLoginAtUtc"].is_null());
    assert!(
        without_login.is_sorted(),
        "accounts without a login sort lowest"
    );
}

#[test]
fn every_filter_returns_the_matching_accounts_in_every_order() {
    let (app, admin) = start_with_accounts();
    let matching = |from: u32, matches: &dyn Fn(u32) -> bool| -> BTreeSet<String> {
        (from..=60)
            .filter(|n| matches(*n))
            .map(|n| format!("user{n:03}"))
            .collect()
    };
    for (query, expected) in [
        ("query=user00", matching(1, &|n| n < 10)),
        ("query=USER00", matching(1, &|n| n < 10)),
        (
            "query=isplay%203",
            matching(1, &|n| n % 3 == 0 && (n == 3 || (30..40).contains(&n))),
        ),
        (
            "query=mail1",
            matching(1, &|n| n % 2 == 0 && (10..20).contains(&n)),
        ),
        ("query=%25", matching(1, &|_| false)),
        ("query=user_01", matching(1, &|_| false)),
        ("query=%5C", matching(1, &|_| false)),
        ("username=USER007", matching(1, &|n| n == 7)),
        ("username=user00", matching(1, &|_| false)),
        ("email=mail8@EXAMPLE.org", matching(1, &|n| n == 8)),
        ("email=mail%25@example.org", matching(1, &|_| false)),
        ("role=Librarian", matching(1, &|n| n % 10 == 0)),
        ("role=librarians", matching(1, &|_| false)),
        ("isActive=false", matching(1, &|n| n % 4 == 0)),
        ("tag=red", matching(1, &|n| n % 5 == 0)),
        ("tag=Blue", matching(1, &|n| n % 5 == 0)),
        ("tag=re", matching(1, &|_| false)),
        (
            "permission=audit.read&role=User",
            matching(1, &|n| n % 15 == 0 && n % 10 != 0),
        ),
        (
            "permission=users.read&tag=red",
            matching(1, &|n| n % 15 == 0 || n % 10 == 0),
        ),
        ("attr.level=2", matching(1, &|n| n % 3 == 2)),
        ("attr.name=n1", matching(1, &|n| n % 3 == 1)),
        ("attr.on=true&attr.level=0", matching(1, &|n| n % 6 == 0)),
        ("attr.deep=x", matching(1, &|_| false)),
        ("attr.deep.x=5", matching(1, &|_| false)),
        (
            "isActive=true&role=User&tag=green&query=user0&attr.level=1",
            matching(1, &|n| {
                n % 4 != 0 && n % 10 != 0 && n % 5 != 0 && n % 3 == 1
            }),
        ),
    ] {
        for sort in SORTS {
            let query = format!("{query}&sort={sort}");
            let paged = read_all_pages(&app, &admin, &query, 4);
            let found: BTreeSet<String> = paged.iter().cloned().collect();
            assert_eq!(found, expected, "{query}");
            assert_eq!(
                paged.len(),
                expected.len(),
                "{query} returns an account twice"
            );
        }
        let counted = list(&app, &admin, &format!("{query}&count=true&limit=1")).expect(200);
        assert_eq!(counted.body["page"]["total"], expected.len(), "{query}");
    }
    assert_eq!(
        names(&list(&app, &admin, "permission=roles.manage")).len(),
        1,
        "a SuperAdmin holds every permission"
    );
    let deleted: Vec<String> = (61..=70).map(|n| format!("user{n:03}")).collect();
    assert_eq!(
        read_all_pages(&app, &admin, "deleted=true&sort=username", 3),
        deleted
    );
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
fn invalid_query_parameters_are_refused() {
    let (app, admin) = start_with_accounts();
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
        list(&app, &admin, query).expect_field_error(pointer, code);
    }
    list(&app, &admin, "limit=200").expect(200);
    list(&app, &admin, "limit=1").expect(200);
    // Unusual values are valid and match nothing.
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
