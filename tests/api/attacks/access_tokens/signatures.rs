//! Forged signatures, and keys supplied by the token itself.

use std::net::TcpListener;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::{assert_rejected, encode_base64url, me, start_with_forge};

// SECURITY: B02
#[test]
fn hmac_signature_made_with_public_data_is_rejected() {
    let (app, _, forge) = start_with_forge();
    let coordinate = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(forge.public[name].as_str().unwrap())
            .unwrap()
    };
    let (x, y) = (coordinate("x"), coordinate("y"));
    // The fixed prefix of a P-256 SubjectPublicKeyInfo (RFC 5480); the coordinates follow.
    let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d03010703420004").unwrap();
    der.extend(x.iter().chain(&y));
    let lines: Vec<String> = STANDARD
        .encode(&der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        lines.join("\n")
    );
    let published = app.get("/.well-known/jwks.json").send().expect(200).text;
    let keys: Vec<Vec<u8>> = vec![
        format!("{pem}\n").into(),
        pem.into(),
        der,
        forge.public.to_string().into(),
        published.into(),
        forge.kid.clone().into(),
        forge.public["x"].as_str().unwrap().into(),
        [&[4], &x[..], &y[..]].concat(),
        [&x[..], &y[..]].concat(),
        x,
        Vec::new(),
        b"secret".to_vec(),
    ];
    for (name, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
        // The expected algorithm in the header, with an HMAC as the signature.
        ("ES256", hmac::HMAC_SHA512),
    ] {
        for key in &keys {
            for kid in [Some(&forge.kid), None] {
                let mut header = json!({"typ": "at+jwt", "alg": name});
                if let Some(kid) = kid {
                    header["kid"] = json!(kid);
                }
                let message = format!(
                    "{}.{}",
                    encode_base64url(header.to_string()),
                    encode_base64url(forge.claims.to_string())
                );
                let tag = hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
                assert_rejected(&app, &format!("{message}.{}", encode_base64url(tag)));
            }
        }
    }
}

// SECURITY: B02
#[test]
fn unsigned_or_wrongly_signed_token_is_rejected() {
    let (app, _, forge) = start_with_forge();
    let parts: Vec<&str> = forge.valid_token.split('.').collect();
    let (claims, signature) = (parts[1], parts[2]);
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "ES256", "es256", "ES384", "RS256", "EdDSA", "PS256",
    ] {
        let header = encode_base64url(
            json!({"typ": "at+jwt", "alg": algorithm, "kid": forge.kid}).to_string(),
        );
        for signature in ["", "AA", &encode_base64url([0; 64]), signature] {
            if algorithm != "ES256" || signature != parts[2] {
                assert_rejected(&app, &format!("{header}.{claims}.{signature}"));
            }
        }
        assert_rejected(&app, &format!("{header}.{claims}"));
    }
    // A verifier that does not check the range of r and s accepts these signatures for any message (CVE-2022-21449).
    let order =
        hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    for (r, s) in [
        (vec![0; 32], vec![0; 32]),
        (order.clone(), order.clone()),
        (vec![0; 32], order),
    ] {
        assert_rejected(
            &app,
            &format!(
                "{}.{claims}.{}",
                parts[0],
                encode_base64url([r, s].concat())
            ),
        );
    }
    // Changed claims with the original signature.
    let mut changed_claims = forge.claims.clone();
    changed_claims["role"] = json!("SuperAdmin");
    assert_rejected(
        &app,
        &format!(
            "{}.{}.{signature}",
            parts[0],
            encode_base64url(changed_claims.to_string())
        ),
    );
    // Another key with the `kid` of the service's key.
    let signature_of_other_key = jsonwebtoken::crypto::sign(
        format!("{}.{claims}", parts[0]).as_bytes(),
        &EncodingKey::from_ec_der(&generate_key()),
        Algorithm::ES256,
    );
    assert_rejected(
        &app,
        &format!("{}.{claims}.{}", parts[0], signature_of_other_key.unwrap()),
    );
}

fn generate_key() -> Vec<u8> {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = aws_lc_rs::rand::SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    key.as_ref().to_vec()
}

// SECURITY: B04
#[test]
fn token_header_that_supplies_its_own_key_is_rejected() {
    let (app, _, forge) = start_with_forge();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", forge.public.clone()),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A128GCM")),
        ("url", json!(url)),
        ("kid ", json!(forge.kid)),
    ] {
        let mut header = forge.header();
        header[name] = value;
        assert_rejected(&app, &forge.with_header(&header));
    }
    for kid in [
        json!(null),
        json!([forge.kid]),
        json!({"kid": forge.kid}),
        json!(0),
        json!(""),
        json!("../../../../dev/null"),
        json!("/etc/passwd"),
        json!("' OR '1'='1"),
        json!("x' UNION SELECT 'AA'--"),
        json!(format!("{}\0", forge.kid)),
        json!(format!("{} ", forge.kid)),
        json!(forge.kid.to_uppercase()),
        json!(url),
        json!("k".repeat(9000)),
    ] {
        assert_rejected(
            &app,
            &forge.with_header(&json!({"typ": "at+jwt", "alg": "ES256", "kid": kid})),
        );
    }
    let with_duplicate_alg = format!(
        r#"{{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"{}"}}"#,
        forge.kid
    );
    assert_rejected(
        &app,
        &forge.sign(&with_duplicate_alg, &forge.claims.to_string()),
    );
    assert!(
        listener.accept().is_err(),
        "the service fetched a URL from the token"
    );
}

/// Another encoding of the same token belongs to the same session and ends with it.
// SECURITY: B16
#[test]
fn alternative_signature_encoding_does_not_outlive_the_session() {
    let (app, _, forge) = start_with_forge();
    let parts: Vec<&str> = forge.valid_token.split('.').collect();
    let signed = format!("{}.{}", parts[0], parts[1]);
    let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    let order =
        hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let negated_s = subtract(&order, &signature[32..]);
    let last_char = parts[2].chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last_value = alphabet.find(last_char).unwrap();
    // The last base64 character has four unused bits.
    let other = alphabet
        .chars()
        .nth(last_value / 16 * 16 + (last_value + 1) % 16)
        .unwrap();
    let mut encodings = vec![
        format!(
            "{signed}.{}",
            encode_base64url([&signature[..32], &negated_s].concat())
        ),
        format!(
            "{signed}.{}{other}",
            parts[2].split_at(parts[2].len() - 1).0
        ),
        format!("{}=", forge.valid_token),
        format!("{}==", forge.valid_token),
        format!("{signed}.{}", STANDARD.encode(&signature)),
        format!("{signed}.{}", hex::encode(&signature)),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
    ];
    encodings.retain(|token| {
        let response = me(&app, token);
        assert!([200, 401].contains(&response.status));
        response.status == 200
    });
    for token in &encodings {
        assert_eq!(me(&app, token).data()["username"], "ada");
    }
    app.post("/api/v1/auth/logout")
        .bearer(&forge.valid_token)
        .send()
        .expect(204);
    for token in encodings.iter().chain([&forge.valid_token]) {
        assert_rejected(&app, token);
    }
}

/// `from - number` for big-endian numbers of equal length, with `from >= number`.
fn subtract(from: &[u8], number: &[u8]) -> Vec<u8> {
    let mut difference = vec![0; from.len()];
    let mut borrow = 0;
    for index in (0..from.len()).rev() {
        let difference_digit = i32::from(from[index]) - i32::from(number[index]) - borrow;
        borrow = i32::from(difference_digit < 0);
        difference[index] = u8::try_from(difference_digit.rem_euclid(256)).unwrap();
    }
    difference
}
