//! Accepted and rejected JSON documents.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use validator::Validate;

use super::*;
use crate::platform::error::FieldError;

#[derive(Debug, Deserialize, ToSchema, Validate)]
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
    mood: Option<SampleEnum>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    motto: Option<RejectedWithItsText>,
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pet {
    #[validate(length(min = 1))]
    nick_name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum SampleEnum {
    Good,
}

/// A type whose error message contains the submitted value, like those of some libraries.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct RejectedWithItsText;

impl TryFrom<String> for RejectedWithItsText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("{text} is not a motto, expected {text}"))
    }
}

fn parse(text: &[u8]) -> Result<Person, AppError> {
    parse_json(text, NullMembers::AreAbsent)
}

/// The pointer and code of each error in `text`.
fn errors(text: impl AsRef<[u8]>) -> Vec<(String, &'static str)> {
    let error = parse(text.as_ref()).unwrap_err();
    assert_eq!(error.code(), Code::RequestInvalid);
    let pointer_and_code = |error: &FieldError| (error.pointer.clone().into_owned(), error.code);
    error.field_errors().iter().map(pointer_and_code).collect()
}

fn one_error(pointer: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(pointer.to_owned(), code)]
}

#[test]
fn valid_document_is_parsed() {
    let person: Person =
        parse(br#"{"userName":"ada","pets":[{"nickName":"x"}],"mood":"good"}"#).unwrap();
    assert_eq!(person.user_name, "ada");
    assert_eq!(person.pets.len(), 1);
    assert!(matches!(person.mood, Some(SampleEnum::Good)));
    assert!(
        person.motto.is_none()
            && person.email.is_none()
            && person.age.is_none()
            && person.attributes.is_empty()
    );
}

#[test]
fn type_errors_have_pointers() {
    assert_eq!(errors("{}"), one_error("/userName", "required"));
    assert_eq!(
        errors(r#"{"userName":"ada","isAdmin":true}"#),
        one_error("/isAdmin", "unknown_field")
    );
    assert_eq!(
        errors(r#"{"userName":"ada","a/b~c":1}"#),
        one_error("/a~1b~0c", "unknown_field")
    );
    assert_eq!(
        errors(r#"{"userName":7}"#),
        one_error("/userName", "invalid_type")
    );
    assert_eq!(
        errors(r#"{"userName":null}"#),
        one_error("/userName", "required")
    );
    assert_eq!(
        errors(r#"{"userName":"ada","age":300}"#),
        one_error("/age", "invalid_value")
    );
    assert_eq!(
        errors(r#"{"userName":"ada","mood":"bad"}"#),
        one_error("/mood", "invalid_value")
    );
    assert_eq!(
        errors(r#"{"userName":"ada","pets":[{"nickName":"x"},{}]}"#),
        one_error("/pets/1/nickName", "required")
    );
    assert_eq!(
        errors(r#"{"userName":"ada","pets":[{"nickName":"x","isAdmin":1}]}"#),
        one_error("/pets/0/isAdmin", "unknown_field")
    );
    assert_eq!(errors("[]"), one_error("", "invalid_type"));
    assert_eq!(errors(r#"["ada"]"#), one_error("", "invalid_type"));
    assert_eq!(errors("\"ada\""), one_error("", "invalid_type"));
}

#[test]
fn all_errors_of_the_shape_are_reported_in_plain_words() {
    let body =
        r#"{"age":"7","pets":[{"nickname":"x"},3],"mood":"bad","attributes":[],"isAdmin":true}"#;
    let error = parse(body.as_bytes()).unwrap_err();
    let found = error.field_errors().iter();
    let found: Vec<_> = found
        .map(|error| (&*error.pointer, error.code, &*error.detail))
        .collect();
    let members = "is not a supported member; the members are age, attributes, email, mood, motto, pets, userName";
    assert_eq!(
        found,
        [
            ("/age", "invalid_type", "must be an integer"),
            ("/attributes", "invalid_type", "must be a JSON object"),
            ("/isAdmin", "unknown_field", members),
            ("/mood", "invalid_value", "must be one of: good"),
            (
                "/pets/0/nickname",
                "unknown_field",
                "is not a supported member; the only one is nickName"
            ),
            ("/pets/0/nickName", "required", "is required"),
            ("/pets/1", "invalid_type", "must be a JSON object"),
            ("/userName", "required", "is required"),
        ]
    );
}

#[test]
fn null_is_absent_and_a_whole_number_is_an_integer() {
    let body =
        r#"{"userName":"ada","email":null,"pets":null,"age":20.0,"mood":null,"attributes":null}"#;
    let person = parse(body.as_bytes()).unwrap();
    assert_eq!(person.age, Some(20));
    assert!(person.pets.is_empty() && person.attributes.is_empty() && person.mood.is_none());
    assert_eq!(
        errors(r#"{"userName":"ada","age":20.5}"#),
        one_error("/age", "invalid_type")
    );
    let kept: Person = parse(br#"{"userName":"ada","attributes":{"a":null}}"#).unwrap();
    assert_eq!(kept.attributes["a"], Value::Null);
}

#[test]
fn validation_errors_use_json_names() {
    assert_eq!(
        errors(r#"{"userName":"ad"}"#),
        one_error("/userName", "too_short")
    );
    assert_eq!(
        errors(r#"{"userName":"adaada"}"#),
        one_error("/userName", "too_long")
    );
    let several =
        r#"{"userName":"ad","email":"no","age":0,"pets":[{"nickName":"x"},{"nickName":""}]}"#;
    assert_eq!(
        errors(several),
        vec![
            ("/age".to_owned(), "out_of_range"),
            ("/email".to_owned(), "invalid_email"),
            ("/pets/1/nickName".to_owned(), "too_short"),
            ("/userName".to_owned(), "too_short"),
        ]
    );
}

#[test]
fn duplicate_members_are_rejected_at_any_depth() {
    assert_eq!(
        errors(r#"{"userName":"ada","userName":"bea"}"#),
        one_error("/userName", "duplicate_member")
    );
    assert_eq!(
        errors(r#"{"userName":"ada","user\u004eame":"bea"}"#),
        one_error("/userName", "duplicate_member")
    );
    let deep = r#"{"userName":"ada","attributes":{"a":[0,{"k":1,"k":2}]}}"#;
    assert_eq!(
        errors(deep),
        one_error("/attributes/a/1/k", "duplicate_member")
    );
}

#[test]
fn nul_is_rejected_in_values_and_names() {
    assert_eq!(
        errors(r#"{"userName":"a\u0000b"}"#),
        one_error("/userName", "invalid_character")
    );
    let value = r#"{"userName":"ada","attributes":{"a":["x","\u0000"]}}"#;
    assert_eq!(
        errors(value),
        one_error("/attributes/a/1", "invalid_character")
    );
    let name = r#"{"userName":"ada","attributes":{"a\u0000":1}}"#;
    assert_eq!(errors(name), one_error("/attributes", "invalid_character"));
}

#[test]
fn depth_is_limited_to_32_levels() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"userName":"ada","attributes":{{"a":{open}{close}}}}}"#)
    };
    // The document and `attributes` are two levels.
    assert!(parse(nested(30).as_bytes()).is_ok());
    assert!(
        errors(nested(31))
            .iter()
            .all(|(_, code)| *code == "too_deep")
    );
    assert_eq!(errors("[".repeat(100_000)).len(), 1);
    assert_eq!(errors(r#"{"a":"#.repeat(100_000)).len(), 1);
}

#[test]
fn invalid_json_is_malformed() {
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
            errors(text),
            one_error("", "malformed_json"),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn errors_do_not_contain_submitted_values() {
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
        let error = parse(body.to_string().as_bytes()).unwrap_err();
        let output = format!("{error:?} {:?}", error.field_errors());
        assert!(!output.contains("CANARY"), "{output}");
    }
}

#[test]
fn pointer_to_a_long_name_is_truncated() {
    let body = json!({"userName": "ada", "x".repeat(10_000): 1}).to_string();
    let [(pointer, code)] = errors(body).try_into().unwrap();
    assert_eq!(code, "unknown_field");
    assert!(pointer.starts_with("/xxx") && pointer.len() < 300);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(text: Vec<u8>) {
        let _ = parse(&text);
    }

    #[test]
    fn documents_written_by_serde_json_are_accepted(text in "\\PC{0,20}", number: i64) {
        let document = json!({"userName": "ada", "attributes": {"k": [text, number, null, true]}});
        prop_assert!(parse(document.to_string().as_bytes()).is_ok());
    }
}
