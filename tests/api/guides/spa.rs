//! The example app in `examples/spa`, in Chromium, behind nginx as configured in `docs/embed.md`.

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::programs::{ExternalProgram, free_port, guide_code_block};
use crate::support::{PASSWORD, TestApp};

#[test]
fn two_tabs_share_one_session_refresh_it_and_sign_out() {
    let port = free_port();
    let site = format!("http://localhost:{port}");
    let app = TestApp::start_with(&[("ROSTERD_PUBLIC_URL", &site)]);
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/spa");
    let server = guide_code_block("embed.md", "A browser app", "nginx")
        .replace("listen 8000", &format!("listen 127.0.0.1:{port}"))
        .replace("/srv/spa", pages)
        .replace("127.0.0.1:8080", &app.addr.to_string());
    let Some(_nginx) = ExternalProgram::nginx(&server, port) else {
        return;
    };
    let Some(browser) = Browser::start() else {
        return;
    };
    app.create_user("ada", "User", &[]);

    browser.open(&format!("{site}/index.html"));
    browser.wait_for_condition("document.getElementById('sign-in')");
    let submit = |password: &str| {
        browser.run_script(&format!(
            "const form = document.getElementById('sign-in'); form.username.value = 'ada'; \
             form.password.value = {}; form.requestSubmit();",
            json!(password)
        ))
    };
    submit("not the password at all");
    browser.wait_for_condition("document.getElementById('trouble').textContent.includes('wrong')");
    submit(PASSWORD);
    browser.wait_for_condition(
        "location.pathname == '/home.html' && document.getElementById('name').textContent == 'ada'",
    );
    let stored = browser.run_script(
        "return document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)",
    );
    assert_eq!(stored, json!("{}{}"), "scripts cannot read a token");

    // A second tab is signed in by the cookie.
    let first = browser.current_tab();
    let second = browser.new_tab();
    browser.open(&format!("{site}/home.html"));
    browser.wait_for_condition("document.getElementById('name').textContent == 'ada'");
    // The tabs refresh the session in turn.
    for round in 2..5 {
        for tab in [&first, &second] {
            browser.switch_to_tab(tab);
            browser.run_script("document.getElementById('ask').click()");
            browser.wait_for_condition(&format!(
                "document.getElementById('asked').textContent == '{round}'"
            ));
        }
    }
    assert_eq!(
        app.query_number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"),
        1,
        "both tabs use one session"
    );

    browser.run_script("document.getElementById('sign-out').click()");
    browser.wait_for_condition("document.getElementById('sign-in')");
    browser.switch_to_tab(&first);
    browser.run_script("document.getElementById('ask').click()");
    browser.wait_for_condition("document.getElementById('sign-in')");
}
