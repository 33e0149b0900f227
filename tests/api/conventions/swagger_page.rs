//! The page `/docs/` in Chromium: a token that is entered under Authorize is sent with the calls that the page makes.

use serde_json::json;

use crate::support::TestApp;
use crate::support::browser::Browser;

/// Finds the first element of a selector whose text contains a word.
const FIND: &str = "const find = (selector, word) => \
     [...document.querySelectorAll(selector)].find(element => element.innerText.includes(word));";

#[test]
fn authorize_takes_a_bearer_token_with_which_calls_work() {
    let app = TestApp::start();
    let token = app.super_admin_token();
    let Some(browser) = Browser::start() else {
        return;
    };
    let exists = |selector: &str, word: &str| {
        browser.wait_for_condition(&format!(
            "(() => {{ {FIND} return find({}, {}); }})()",
            json!(selector),
            json!(word)
        ));
    };
    let click = |selector: &str, word: &str| {
        exists(selector, word);
        browser.run_script(&format!(
            "{FIND} find({}, {}).click()",
            json!(selector),
            json!(word)
        ));
    };
    browser.open(&format!("{}/docs/", app.base));
    click(".auth-wrapper .authorize", "Authorize");
    exists(".auth-container", "accessToken");
    exists(".auth-container", "not username and password");
    // The page is a React app, which learns of a value from the event only.
    browser.run_script(&format!(
        "{FIND} const input = find('.auth-container', 'accessToken').querySelector('input'); \
         Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, {}); \
         input.dispatchEvent(new Event('input', {{bubbles: true}})); \
         find('.auth-container', 'accessToken').querySelector('button.authorize').click()",
        json!(token)
    ));
    exists(".auth-container", "Logout");
    click(".auth-container button, .modal-ux button", "Close");
    click(".opblock-get [data-path='/api/v1/auth/me']", "");
    click(".opblock-get.is-open .try-out__btn", "Try it out");
    click(".opblock-get.is-open .execute", "Execute");
    exists(".live-responses-table .response-col_status", "200");
    exists(".live-responses-table", "\"role\": \"SuperAdmin\"");
}
