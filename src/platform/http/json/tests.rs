//! What a body may and may not be.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use validator::Validate;

use super::*;

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Person {
    #[validate(length(min = 3, max = 5))]
    user_name: String,
    #[serde(default)]
    #[validate(email)]
    email: Option<String>,
    #[serde(default)]
    #[validate(nested)]
    pets: Vec<Pet>,
    #[serde(default)]
    #[validate(range(min = 1, max = 150))]
    age: Option<u8>,
    #[serde(default)]
    mood: Option<Mood>,
    #[serde(default)]
    motto: Option<Motto>,
    #[serde(default)]
    attributes: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pet {
    #[validate(length(min = 1))]
    nick_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mood {
    Good,
}

/// Its error repeats what it was given, as those of libraries do.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Motto;

impl TryFrom<String> for Motto {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("{text} is no motto, expected {text}"))
    }
}

/// Pointer and code of everything that is wrong with `text`.
fn wrong(text: impl AsRef<[u8]>) -> Vec<(String, &'static str)> {
    let error = parse::<Person>(text.as_ref()).unwrap_err();
    assert_eq!(error.code(), Code::RequestInvalid);
    let fault =
        |fault: &crate::platform::error::Fault| (fault.pointer.clone().into_owned(), fault.code);
    error.faults().iter().map(fault).collect()
}

fn only(pointer: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(pointer.to_owned(), code)]
}

#[test]
fn a_good_document_is_read() {
    let person: Person =
        parse(br#"{"userName":"ada","pets":[{"nickName":"x"}],"mood":"good"}"#).unwrap();
    assert_eq!(person.user_name, "ada");
    assert_eq!(person.pets.len(), 1);
    assert!(matches!(person.mood, Some(Mood::Good)));
    assert!(
        person.motto.is_none()
            && person.email.is_none()
            && person.age.is_none()
            && person.attributes.is_empty()
    );
}

#[test]
fn each_fault_of_shape_is_pointed_at() {
    assert_eq!(wrong("{}"), only("/userName", "required"));
    assert_eq!(
        wrong(r#"{"userName":"ada","isAdmin":true}"#),
        only("/isAdmin", "unknown_field")
    );
    assert_eq!(
        wrong(r#"{"userName":"ada","a/b~c":1}"#),
        only("/a~1b~0c", "unknown_field")
    );
    assert_eq!(
        wrong(r#"{"userName":7}"#),
        only("/userName", "invalid_type")
    );
    assert_eq!(
        wrong(r#"{"userName":null}"#),
        only("/userName", "invalid_type")
    );
    assert_eq!(
        wrong(r#"{"userName":"ada","age":300}"#),
        only("/age", "invalid_value")
    );
    assert_eq!(
        wrong(r#"{"userName":"ada","mood":"bad"}"#),
        only("/mood", "invalid_value")
    );
    assert_eq!(
        wrong(r#"{"userName":"ada","pets":[{"nickName":"x"},{}]}"#),
        only("/pets/1/nickName", "required")
    );
    assert_eq!(
        wrong(r#"{"userName":"ada","pets":[{"nickName":"x","isAdmin":1}]}"#),
        only("/pets/0/isAdmin", "unknown_field")
    );
    assert_eq!(wrong("[]"), only("", "invalid_type"));
    assert_eq!(wrong(r#"["ada"]"#), only("", "invalid_type"));
    assert_eq!(wrong("\"ada\""), only("", "invalid_type"));
}

#[test]
fn each_broken_rule_is_pointed_at_in_wire_names() {
    assert_eq!(
        wrong(r#"{"userName":"ad"}"#),
        only("/userName", "too_short")
    );
    assert_eq!(
        wrong(r#"{"userName":"adaada"}"#),
        only("/userName", "too_long")
    );
    let several =
        r#"{"userName":"ad","email":"no","age":0,"pets":[{"nickName":"x"},{"nickName":""}]}"#;
    assert_eq!(
        wrong(several),
        vec![
            ("/age".to_owned(), "out_of_range"),
            ("/email".to_owned(), "invalid_email"),
            ("/pets/1/nickName".to_owned(), "too_short"),
            ("/userName".to_owned(), "too_short"),
        ]
    );
}

#[test]
fn names_said_twice_are_refused_at_any_depth() {
    assert_eq!(
        wrong(r#"{"userName":"ada","userName":"bea"}"#),
        only("/userName", "duplicate_member")
    );
    assert_eq!(
        wrong(r#"{"userName":"ada","user\u004eame":"bea"}"#),
        only("/userName", "duplicate_member")
    );
    let deep = r#"{"userName":"ada","attributes":{"a":[0,{"k":1,"k":2}]}}"#;
    assert_eq!(wrong(deep), only("/attributes/a/1/k", "duplicate_member"));
}

#[test]
fn nul_is_refused_in_every_value_and_name() {
    assert_eq!(
        wrong(r#"{"userName":"a\u0000b"}"#),
        only("/userName", "invalid_character")
    );
    let value = r#"{"userName":"ada","attributes":{"a":["x","\u0000"]}}"#;
    assert_eq!(wrong(value), only("/attributes/a/1", "invalid_character"));
    let name = r#"{"userName":"ada","attributes":{"a\u0000":1}}"#;
    assert_eq!(wrong(name), only("/attributes", "invalid_character"));
}

#[test]
fn depth_is_bounded_without_using_the_stack() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"userName":"ada","attributes":{{"a":{open}{close}}}}}"#)
    };
    // The body and `attributes` are two levels.
    assert!(parse::<Person>(nested(30).as_bytes()).is_ok());
    assert!(
        wrong(nested(31))
            .iter()
            .all(|(_, code)| *code == "too_deep")
    );
    assert_eq!(wrong("[".repeat(100_000)).len(), 1);
    assert_eq!(wrong(r#"{"a":"#.repeat(100_000)).len(), 1);
}

#[test]
fn what_is_no_json_is_malformed() {
    for text in [
        &b""[..],
        b" ",
        b"{",
        b"\xEF\xBB\xBF{\"userName\":\"ada\"}",
        br#"{"userName":"ada"} {}"#,
        br#"{"userName":"ada"}x"#,
        br#"{"userName":"ada",}"#,
        br#"{"userName":"ada" /* a comment */}"#,
        b"{'userName':'ada'}",
        br#"{"userName":"\ud800"}"#,
        br#"{"userName":"ada","attributes":{"a":"\udc00"}}"#,
        b"{\"userName\":\"\xff\"}",
        b"{\"userName\":\"a\nb\"}",
        br#"{"userName":"ada","age":NaN}"#,
        br#"{"userName":"ada","age":Infinity}"#,
        br#"{"userName":"ada","attributes":{"a":1e400}}"#,
        br#"{"userName":"ada","age":01}"#,
    ] {
        assert_eq!(
            wrong(text),
            only("", "malformed_json"),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn no_value_is_ever_repeated() {
    let secret = "CANARY, expected `CANARY` at line CANARY";
    for body in [
        json!({"userName": secret}),
        json!({"userName": "ada", "age": secret}),
        json!({"userName": "ada", "mood": secret}),
        json!({"userName": "ada", "motto": secret}),
        json!({"userName": "ada", "email": secret}),
        json!({"userName": "ada", "pets": secret}),
        json!({"userName": "ada", "pets": [secret]}),
    ] {
        let error = parse::<Person>(body.to_string().as_bytes()).unwrap_err();
        let said = format!("{error:?} {:?}", error.faults());
        assert!(!said.contains("CANARY"), "{said}");
    }
}

#[test]
fn a_pointer_stays_short_however_long_the_name() {
    let body = json!({"userName": "ada", "x".repeat(10_000): 1}).to_string();
    let [(pointer, code)] = wrong(body).try_into().unwrap();
    assert_eq!(code, "unknown_field");
    assert!(pointer.starts_with("/xxx") && pointer.len() < 300);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(text: Vec<u8>) {
        let _ = parse::<Person>(&text);
    }

    #[test]
    fn what_serde_json_writes_is_accepted_unless_it_has_nul(text in "\\PC{0,20}", number: i64) {
        let document = json!({"userName": "ada", "attributes": {"k": [text, number, null, true]}});
        prop_assert!(parse::<Person>(document.to_string().as_bytes()).is_ok());
    }
}
