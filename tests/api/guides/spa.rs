//! The example app in `examples/spa`, in a real browser, behind nginx as docs/embed.md has it.

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::proxy::{Program, free_port, snippet};
use crate::support::{PASSWORD, TestApp};

#[test]
fn two_tabs_sign_in_refresh_and_sign_out() {
    let port = free_port();
    let site = format!("http://localhost:{port}");
    let app = TestApp::with(&[("ROSTERD_PUBLIC_URL", &site)]);
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/spa");
    let server = snippet("embed.md", "A browser app", "nginx")
        .replace("listen 8000", &format!("listen 127.0.0.1:{port}"))
        .replace("/srv/spa", pages)
        .replace("127.0.0.1:8080", &app.addr.to_string());
    let Some(_nginx) = Program::nginx(&server, port) else {
        return;
    };
    let Some(browser) = Browser::start() else {
        return;
    };
    app.user("ada", "User", &[]);

    browser.open(&format!("{site}/index.html"));
    browser.until("document.getElementById('sign-in')");
    let submit = |password: &str| {
        browser.run(&format!(
            "const form = document.getElementById('sign-in'); form.username.value = 'ada'; \
             form.password.value = {}; form.requestSubmit();",
            json!(password)
        ))
    };
    submit("not the password at all");
    browser.until("document.getElementById('trouble').textContent.includes('wrong')");
    submit(PASSWORD);
    browser.until(
        "location.pathname == '/home.html' && document.getElementById('name').textContent == 'ada'",
    );
    let stored = browser.run(
        "return document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)",
    );
    assert_eq!(stored, json!("{}{}"), "no script can read a token");

    // A second tab is signed in by the cookie alone.
    let first = browser.tab();
    let second = browser.new_tab();
    browser.open(&format!("{site}/home.html"));
    browser.until("document.getElementById('name').textContent == 'ada'");
    // Both refresh in turn, each past the other's back.
    for round in 2..5 {
        for tab in [&first, &second] {
            browser.use_tab(tab);
            browser.run("document.getElementById('ask').click()");
            browser.until(&format!(
                "document.getElementById('asked').textContent == '{round}'"
            ));
        }
    }
    assert_eq!(
        app.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"),
        1,
        "one session all along"
    );

    browser.run("document.getElementById('sign-out').click()");
    browser.until("document.getElementById('sign-in')");
    browser.use_tab(&first);
    browser.run("document.getElementById('ask').click()");
    browser.until("document.getElementById('sign-in')");
}
