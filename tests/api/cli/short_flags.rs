//! Flags of `users add` and `users mod` that users of other programs know.

use serde_json::json;

use crate::support::TestApp;

#[test]
fn short_flags_and_roles_in_lower_case_are_accepted() {
    let app = TestApp::start();
    let cli = app.cli();
    let line =
        "users add bob -n Bob -m bob@example.org -r admin -p five-quiet-lamps-at-dusk -y --json";
    let bob = cli.run(line).expect(0).json();
    assert_eq!(bob["displayName"], "Bob");
    assert_eq!(bob["email"], "bob@example.org");
    assert_eq!(
        (&bob["role"], &bob["hasPassword"]),
        (&json!("Admin"), &json!(true))
    );
    let boss = cli.run("users add boss -s --json").expect(0).json();
    assert_eq!(boss["role"], "SuperAdmin");
    let robot = cli
        .run("users add robot -l -A oidc --json")
        .expect(0)
        .json();
    assert_eq!(
        (&robot["isActive"], &robot["authProvider"]),
        (&json!(false), &json!("oidc"))
    );
    let changed = cli
        .run("users mod bob -r user -n Robert --json")
        .expect(0)
        .json();
    assert_eq!(
        (&changed["role"], &changed["displayName"]),
        (&json!("User"), &json!("Robert"))
    );
    let unknown = cli.run("users add eve -r viewer").expect(1);
    assert!(unknown.err.contains("rosterd roles ls"), "{}", unknown.err);
}

#[test]
fn flags_of_applications_are_stored_as_attributes() {
    let app = TestApp::start();
    let cli = app.cli();
    let added = cli.run("users add bob -w -u inbox --bio Photographer --attr team=ops --json");
    let expected =
        json!({"webdav": true, "uploadPath": "inbox", "bio": "Photographer", "team": "ops"});
    assert_eq!(added.expect(0).json()["attributes"], expected);
    let changed = cli
        .run("users mod bob --no-webdav --no-attr bio --json")
        .expect(0);
    let expected = json!({"webdav": false, "uploadPath": "inbox", "team": "ops"});
    assert_eq!(changed.json()["attributes"], expected);
}
