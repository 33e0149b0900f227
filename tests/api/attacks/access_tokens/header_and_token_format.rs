//! The `Authorization` header and the encoding of the token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::PASSWORD;

use super::{ME, encode_base64url, start_with_forge};

// SECURITY: B12
#[test]
fn malformed_authorization_header_is_rejected() {
    let (app, _, forge) = start_with_forge();
    let token = &forge.valid_token;
    // Sent over a raw socket, because an HTTP client would refuse to send most of these headers.
    let status = |headers: &[u8]| {
        let head = b"GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let response = app.send_raw(&[&head[..], headers, b"\r\n\r\n"].concat());
        response.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let status_with = |value: &[u8]| status(&[b"Authorization: ", value].concat());
    for value in [
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},"),
        format!("Bearer \"{token}\""),
        format!("Bearer={token}"),
        format!("Bearer:{token}"),
        format!("Bearer{token}"),
        "Bearer".to_owned(),
        String::new(),
        " ".to_owned(),
        token.clone(),
        format!("Token {token}"),
        format!("Basic {}", STANDARD.encode(format!("ada:{token}"))),
        format!("Basic {}", STANDARD.encode(format!("ada:{PASSWORD}"))),
        format!("Digest username=\"ada\", response=\"{token}\""),
        format!("Bearer {}", ".".repeat(10_000)),
        format!("Bearer {}", "A".repeat(16_385)),
        format!("Bearer {token}\u{e9}"),
        format!("Bearer {}", token.replace('.', "%2E")),
    ] {
        assert_eq!(status_with(value.as_bytes()), "401", "{value}");
    }
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(status_with(format!("{scheme} {token}").as_bytes()), "200");
    }
    // Two `Authorization` headers, and other headers that carry the token.
    for second in [token.as_str(), "x"] {
        for [one, other] in [[token.as_str(), second], [second, token.as_str()]] {
            let two_headers =
                format!("Authorization: Bearer {one}\r\nAuthorization: Bearer {other}");
            assert_eq!(status(two_headers.as_bytes()), "401");
        }
    }
    for other in [
        "X-Authorization: Bearer ",
        "Proxy-Authorization: Bearer ",
        "Cookie: access_token=",
    ] {
        assert_eq!(status(format!("{other}{token}").as_bytes()), "401");
    }
    let path = format!("/api/v1/auth/sessions?access_token={token}");
    app.get(&path).send().expect_safe().expect(401);
    let many_dots = ".".repeat(100_000);
    for value in [
        &b"Bearer \xff\xfe"[..],
        b"Bearer a\x01b",
        b"Bearer a\x00b",
        many_dots.as_bytes(),
    ] {
        let status = status_with(value);
        assert!(["400", "401", "431"].contains(&status.as_str()), "{status}");
    }
}

// SECURITY: B14
#[test]
fn only_the_jws_compact_form_is_accepted() {
    let (app, _, forge) = start_with_forge();
    let parts: Vec<&str> = forge.valid_token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let flattened_json = json!({"protected": header, "payload": claims, "signature": signature});
    let general_json =
        json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]});
    let nested_header = json!({"typ": "at+jwt", "alg": "ES256", "kid": forge.kid});
    for token in [
        flattened_json.to_string(),
        encode_base64url(flattened_json.to_string()),
        general_json.to_string(),
        encode_base64url(general_json.to_string()),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{}.", forge.valid_token),
        format!(".{}", forge.valid_token),
        format!("{}.{signature}", forge.valid_token),
        format!("{header}.{claims}.{signature}.{claims}.{signature}"),
        format!("{}.AAAA.AAAA.AAAA.AAAA", encode_base64url(json!({"alg": "dir", "enc": "A256GCM"}).to_string())),
        format!("{}..AAAA.AAAA.AAAA", encode_base64url(json!({"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_147_483_647, "p2s": "AA"}).to_string())),
        forge.sign(&nested_header.to_string(), &forge.valid_token),
        forge.sign(&nested_header.to_string(), &json!(forge.valid_token).to_string()),
        forge.sign(&json!({"typ": "at+jwt", "alg": "ES256", "kid": forge.kid, "zip": "DEF"}).to_string(), &forge.claims.to_string()),
        format!("{}.{}.{signature}", header, forge.claims),
        format!("{}.{claims}.{signature}", STANDARD.encode("{")),
        "rst_pat_".to_owned(),
        format!("rst_pat_{}", forge.valid_token),
        format!("rst_rt_{}", encode_base64url([7; 32])),
        "a.b.c".to_owned(),
        "...".to_owned(),
    ] {
        let response = app.get(ME).header("Authorization", &format!("Bearer {token}")).send().expect_safe();
        response.expect_problem(401, "auth_token_invalid");
    }
}
