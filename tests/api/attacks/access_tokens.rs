//! Attacks with access tokens: forged, bent, out of date, or good once. Many are signed with the service's own key, so that
//! nothing but the rule under attack refuses them.

use std::net::TcpListener;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rosterd::platform::crypto::{Purpose, Vault};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User, eventually};

const ME: &str = "/api/v1/auth/me";
const USERS: &str = "/api/v1/users";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The service's own key, out of its database, and an honest token to bend.
struct Forge {
    kid: String,
    private: EncodingKey,
    public: Value,
    claims: Value,
    honest: String,
}

impl Forge {
    /// For an account that has signed in.
    fn new(app: &TestApp, username: &str) -> Self {
        Self::of(app, app.token(username))
    }

    /// With this honest token.
    fn of(app: &TestApp, honest: String) -> Self {
        let kid = app.text("SELECT kid FROM signing_keys");
        let sealed = app.text("SELECT encode(sealed_private, 'hex') FROM signing_keys");
        let vault = Vault::new(&[0x5a; 32]).unwrap();
        let private = vault
            .open(
                Purpose::SigningKey,
                kid.as_bytes(),
                &hex::decode(sealed).unwrap(),
            )
            .unwrap();
        let claims = URL_SAFE_NO_PAD
            .decode(honest.split('.').nth(1).unwrap())
            .unwrap();
        Self {
            public: serde_json::from_str(&app.text("SELECT public_jwk FROM signing_keys")).unwrap(),
            private: EncodingKey::from_ec_der(&private),
            claims: serde_json::from_slice(&claims).unwrap(),
            kid,
            honest,
        }
    }

    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid})
    }

    /// A token of this header and these claims, as they are written, signed with the service's own key.
    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, Algorithm::ES256)
                .unwrap();
        format!("{message}.{signature}")
    }

    /// The honest token with another header.
    fn headed(&self, header: &Value) -> String {
        self.sign(&header.to_string(), &self.claims.to_string())
    }

    /// The honest token with one claim otherwise, as JSON text; `None`: without it.
    fn claiming(&self, name: &str, value: Option<&str>) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        let mut text = claims.to_string();
        if let Some(value) = value {
            text.insert_str(1, &format!("\"{name}\":{value},"));
        }
        self.sign(&self.header().to_string(), &text)
    }

    fn claim(&self, name: &str) -> i64 {
        self.claims[name].as_i64().unwrap()
    }
}

fn me(app: &TestApp, token: &str) -> Answer {
    app.get(ME).by(token).send().harmless()
}

#[track_caller]
fn refused(app: &TestApp, token: &str) {
    me(app, token).expect_problem(401, "auth_token_invalid");
}

/// The service with an account that has signed in.
fn scene() -> (TestApp, User, Forge) {
    let app = TestApp::start();
    let ada = app.user("ada", "User", &[]);
    let forge = Forge::new(&app, "ada");
    // What the forge signs is as good as honest: so whatever is refused below is refused for what is bent.
    let same = forge.headed(&forge.header());
    assert_ne!(same, forge.honest);
    assert_eq!(me(&app, &same).expect(200).data()["username"], "ada");
    (app, ada, forge)
}

#[test]
fn b02_no_token_is_signed_with_what_everybody_knows() {
    let (app, _, forge) = scene();
    let coordinate = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(forge.public[name].as_str().unwrap())
            .unwrap()
    };
    let (x, y) = (coordinate("x"), coordinate("y"));
    // SubjectPublicKeyInfo of P-256 (RFC 5480), up to the point.
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
        // The algorithm that is expected, with a signature of another.
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
                    b64(header.to_string()),
                    b64(forge.claims.to_string())
                );
                let tag = hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
                refused(&app, &format!("{message}.{}", b64(tag)));
            }
        }
    }
}

#[test]
fn b02_no_token_goes_without_a_signature() {
    let (app, _, forge) = scene();
    let parts: Vec<&str> = forge.honest.split('.').collect();
    let (claims, signature) = (parts[1], parts[2]);
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "ES256", "es256", "ES384", "RS256", "EdDSA", "PS256",
    ] {
        let header = b64(json!({"typ": "at+jwt", "alg": algorithm, "kid": forge.kid}).to_string());
        for signature in ["", "AA", &b64([0; 64]), signature] {
            if algorithm != "ES256" || signature != parts[2] {
                refused(&app, &format!("{header}.{claims}.{signature}"));
            }
        }
        refused(&app, &format!("{header}.{claims}"));
    }
    // Signatures of nothing but zeros, or of the group's order, fit every message where they are not looked at.
    let order =
        hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    for (r, s) in [
        (vec![0; 32], vec![0; 32]),
        (order.clone(), order.clone()),
        (vec![0; 32], order),
    ] {
        refused(
            &app,
            &format!("{}.{claims}.{}", parts[0], b64([r, s].concat())),
        );
    }
    // Other claims under an honest signature.
    let mut others = forge.claims.clone();
    others["role"] = json!("SuperAdmin");
    refused(
        &app,
        &format!("{}.{}.{signature}", parts[0], b64(others.to_string())),
    );
    // A key of somebody's own, under the name of the service's.
    let own = jsonwebtoken::crypto::sign(
        format!("{}.{claims}", parts[0]).as_bytes(),
        &EncodingKey::from_ec_der(&somebodys_key()),
        Algorithm::ES256,
    );
    refused(&app, &format!("{}.{claims}.{}", parts[0], own.unwrap()));
}

fn somebodys_key() -> Vec<u8> {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = aws_lc_rs::rand::SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    key.as_ref().to_vec()
}

#[test]
fn b04_a_token_brings_no_key_of_its_own() {
    let (app, _, forge) = scene();
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
        refused(&app, &forge.headed(&header));
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
        refused(
            &app,
            &forge.headed(&json!({"typ": "at+jwt", "alg": "ES256", "kid": kid})),
        );
    }
    let twice = format!(
        r#"{{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"{}"}}"#,
        forge.kid
    );
    refused(&app, &forge.sign(&twice, &forge.claims.to_string()));
    assert!(listener.accept().is_err(), "somebody called");
}

#[test]
fn b05_times_are_whole_numbers_of_seconds() {
    let (app, _, forge) = scene();
    let good = forge.claim("exp");
    for name in ["exp", "nbf", "iat"] {
        for value in [
            format!("\"{good}\""),
            format!("{good}.5"),
            format!("{good}.0"),
            "1e300".to_owned(),
            "-1".to_owned(),
            "-9223372036854775808".to_owned(),
            "9223372036854775807".to_owned(),
            "9223372036854775808".to_owned(),
            "18446744073709551616".to_owned(),
            "null".to_owned(),
            format!("[{good}]"),
            format!("{{\"n\":{good}}}"),
            "true".to_owned(),
            "\"never\"".to_owned(),
            "\"\"".to_owned(),
        ] {
            // A token may say that it never ends; it is the service that must not.
            if (name, value.as_str()) != ("exp", "9223372036854775807") {
                let token = forge.claiming(name, Some(&value));
                let answer = me(&app, &token);
                assert_eq!(answer.status, 401, "{name} {value}");
            }
        }
        // Which of two counts is nobody's to choose.
        let twice = forge
            .claims
            .to_string()
            .replacen('{', &format!("{{\"{name}\":1,"), 1);
        if name != "nbf" {
            refused(&app, &forge.sign(&forge.header().to_string(), &twice));
        }
    }
    for name in ["exp", "iat", "iss", "aud", "sub", "sid", "client_id", "jti"] {
        refused(&app, &forge.claiming(name, None));
        for value in ["null", "-1", "[]", "{}", "true"] {
            refused(&app, &forge.claiming(name, Some(value)));
        }
    }
    for name in ["iss", "aud", "sub", "sid", "jti"] {
        refused(&app, &forge.claiming(name, Some("\"\"")));
    }
    for claims in ["", "null", "[]", "\"x\"", "{", "{}", "{}{}", "\u{feff}{}"] {
        refused(&app, &forge.sign(&forge.header().to_string(), claims));
    }
}

#[test]
fn b06_a_token_is_good_from_its_beginning_to_its_end() {
    let (app, _, forge) = scene();
    let seconds = || app.number("SELECT floor(extract(epoch FROM clock_timestamp()))");
    let now = seconds();
    for (name, value) in [
        ("exp", now - 31),
        ("exp", now - 1),
        ("exp", now),
        ("nbf", now + 31),
        ("iat", now + 40),
        ("iat", now + 86_400),
    ] {
        refused(&app, &forge.claiming(name, Some(&value.to_string())));
    }
    for (name, value) in [("exp", now + 60), ("nbf", now - 1), ("iat", now)] {
        me(&app, &forge.claiming(name, Some(&value.to_string()))).expect(200);
    }
    // Also one that was good a moment ago, and is remembered.
    let soon = forge.claiming("exp", Some(&(seconds() + 2).to_string()));
    me(&app, &soon).expect(200);
    eventually(|| me(&app, &soon).status == 401);
}

#[test]
fn b06_a_token_is_for_this_service_by_this_service() {
    let (app, _, forge) = scene();
    let (issuer, audience) = (&forge.claims["iss"], &forge.claims["aud"]);
    for value in [
        json!("https://id.example.org/"),
        json!("https://ID.example.org"),
        json!("http://id.example.org"),
        json!("https://id.example.org.evil.example"),
        json!("https://evil.example"),
        json!([issuer]),
        json!([issuer, "https://evil.example"]),
        audience.clone(),
    ] {
        refused(&app, &forge.claiming("iss", Some(&value.to_string())));
    }
    for value in [
        json!("Rosterd"),
        json!("rosterd2"),
        json!("rosterd "),
        json!(["other"]),
        json!(["other", "more"]),
        issuer.clone(),
    ] {
        refused(&app, &forge.claiming("aud", Some(&value.to_string())));
    }
}

#[test]
fn b08_a_token_of_another_type_is_none() {
    let (app, _, forge) = scene();
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("at+JWT"),
        json!("AT+JWT"),
        json!("at+jwt "),
        json!("at-jwt"),
        json!("at%2Bjwt"),
        json!("change+jwt"),
        json!("application/JWT"),
        json!("application/application/at+jwt"),
        json!("application/change+jwt"),
        json!("text/at+jwt"),
        json!("refresh+jwt"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        let mut header = forge.header();
        header["typ"] = typ;
        refused(&app, &forge.headed(&header));
    }
    refused(
        &app,
        &forge.headed(&json!({"alg": "ES256", "kid": forge.kid})),
    );
    let mut header = forge.header();
    header["typ"] = json!("application/at+jwt");
    me(&app, &forge.headed(&header)).expect(200);
    // And an access token is none of the other kind.
    let body = json!({"currentPassword": "x", "newPassword": "nine purple umbrellas in june"});
    let mut header = forge.header();
    header["typ"] = json!("change+jwt");
    app.post("/api/v1/auth/change-password")
        .by(forge.headed(&header))
        .json(&body)
        .send()
        .harmless()
        .expect_problem(401, "auth_token_invalid");
}

#[test]
fn b10_a_token_names_its_own_living_account() {
    let (app, ada, forge) = scene();
    let (other, _) = app.someone("SuperAdmin", &[]);
    let made = app
        .post("/api/v1/auth/tokens")
        .by(&forge.honest)
        .json(&json!({"name": "x", "permissions": []}))
        .send()
        .expect(201);
    for subject in [
        json!(other.id),
        json!(uuid::Uuid::now_v7()),
        json!(uuid::Uuid::nil()),
        forge.claims["sid"].clone(),
        made.data()["id"].clone(),
        json!("rosterd"),
        json!("ada"),
        json!(format!("user:{}", ada.id)),
    ] {
        refused(&app, &forge.claiming("sub", Some(&subject.to_string())));
    }
    let others_session = app.sign_in(&other.username)["session"]["id"].clone();
    for session in [
        others_session,
        json!(uuid::Uuid::now_v7()),
        json!(ada.id),
        made.data()["id"].clone(),
    ] {
        refused(&app, &forge.claiming("sid", Some(&session.to_string())));
    }
    let ways = [
        ("is_active = false", "is_active = true"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("expires_at = now()", "expires_at = NULL"),
    ];
    for (end, back) in ways {
        let set =
            |what: &str| app.execute(&format!("UPDATE users SET {what} WHERE username = 'ada'"));
        set(end);
        // Past the service, so it is heard of.
        eventually(|| me(&app, &forge.honest).status == 401);
        refused(
            &app,
            &forge.claiming("jti", Some("\"01900000-0000-7000-8000-000000000000\"")),
        );
        set(back);
        eventually(|| me(&app, &forge.honest).status == 200);
    }
}

/// What is taken is gone at the next request here, and soon on the other replica; what the token says counts nowhere.
#[test]
fn b11_a_right_that_was_taken_ends_with_the_act_and_not_with_the_token() {
    let app = TestApp::start();
    let other = app.replica();
    let admin = app.super_admin();
    app.role("Reader", 10, &["users.read"]);
    let user = app.user("ada", "User", &[]);
    let give = |body: Value| {
        let below = if body.get("permissions").is_some() {
            "/permissions"
        } else {
            ""
        };
        app.patch(&user.at(below))
            .by(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    let role = |names: Value| {
        let body = json!({ "permissions": names });
        app.patch("/api/v1/roles/Reader")
            .by(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    let may = |token: &str, app: &TestApp| app.get(USERS).by(token).send().harmless().status;
    for (given, taken) in [
        (
            json!({"permissions": ["users.read"]}),
            json!({"permissions": []}),
        ),
        (json!({"role": "Reader"}), json!({"role": "User"})),
        (json!({"role": "Admin"}), json!({"role": "User"})),
    ] {
        give(given);
        let token = app.token("ada");
        assert_eq!((may(&token, &app), may(&token, &other)), (200, 200));
        give(taken);
        assert_eq!(may(&token, &app), 403);
        eventually(|| may(&token, &other) == 403);
    }
    give(json!({"role": "Reader"}));
    let token = app.token("ada");
    assert_eq!((may(&token, &app), may(&token, &other)), (200, 200));
    role(json!([]));
    assert_eq!(may(&token, &app), 403);
    eventually(|| may(&token, &other) == 403);
    role(json!(["users.read"]));
    assert_eq!(may(&token, &app), 200, "what is given counts at once, too");
}

#[test]
fn b12_the_header_says_who_calls_in_one_way() {
    let (app, _, forge) = scene();
    let token = &forge.honest;
    // Not by the client of these tests, which would not send most of this.
    let status = |headers: &[u8]| {
        let head = b"GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let answer = app.raw(&[&head[..], headers, b"\r\n\r\n"].concat());
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let with = |value: &[u8]| status(&[b"Authorization: ", value].concat());
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
        assert_eq!(with(value.as_bytes()), "401", "{value}");
    }
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(with(format!("{scheme} {token}").as_bytes()), "200");
    }
    // Twice, the same or not, and by what is no such header.
    for second in [token.as_str(), "x"] {
        for [one, other] in [[token.as_str(), second], [second, token.as_str()]] {
            let both = format!("Authorization: Bearer {one}\r\nAuthorization: Bearer {other}");
            assert_eq!(status(both.as_bytes()), "401");
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
    app.get(&path).send().harmless().expect(401);
    let dots = ".".repeat(100_000);
    for value in [
        &b"Bearer \xff\xfe"[..],
        b"Bearer a\x01b",
        b"Bearer a\x00b",
        dots.as_bytes(),
    ] {
        let status = with(value);
        assert!(["400", "401", "431"].contains(&status.as_str()), "{status}");
    }
}

#[test]
fn b14_there_is_one_form_of_token() {
    let (app, _, forge) = scene();
    let parts: Vec<&str> = forge.honest.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let flat = json!({"protected": header, "payload": claims, "signature": signature});
    let general =
        json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]});
    let nested_header = json!({"typ": "at+jwt", "alg": "ES256", "kid": forge.kid});
    for token in [
        flat.to_string(),
        b64(flat.to_string()),
        general.to_string(),
        b64(general.to_string()),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{}.", forge.honest),
        format!(".{}", forge.honest),
        format!("{}.{signature}", forge.honest),
        format!("{header}.{claims}.{signature}.{claims}.{signature}"),
        format!("{}.AAAA.AAAA.AAAA.AAAA", b64(json!({"alg": "dir", "enc": "A256GCM"}).to_string())),
        format!("{}..AAAA.AAAA.AAAA", b64(json!({"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_147_483_647, "p2s": "AA"}).to_string())),
        forge.sign(&nested_header.to_string(), &forge.honest),
        forge.sign(&nested_header.to_string(), &json!(forge.honest).to_string()),
        forge.sign(&json!({"typ": "at+jwt", "alg": "ES256", "kid": forge.kid, "zip": "DEF"}).to_string(), &forge.claims.to_string()),
        format!("{}.{}.{signature}", header, forge.claims),
        format!("{}.{claims}.{signature}", STANDARD.encode("{")),
        "rst_pat_".to_owned(),
        format!("rst_pat_{}", forge.honest),
        format!("rst_rt_{}", b64([7; 32])),
        "a.b.c".to_owned(),
        "...".to_owned(),
    ] {
        let answer = app.get(ME).header("Authorization", &format!("Bearer {token}")).send().harmless();
        answer.expect_problem(401, "auth_token_invalid");
    }
}

/// Whatever else the same bytes can be written as is the same session, and ends with it.
#[test]
fn b16_another_spelling_of_a_signature_outlives_no_session() {
    let (app, _, forge) = scene();
    let parts: Vec<&str> = forge.honest.split('.').collect();
    let signed = format!("{}.{}", parts[0], parts[1]);
    let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    let order =
        hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let negative = subtract(&order, &signature[32..]);
    let last = parts[2].chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    // Of the last letter four bits belong to no byte.
    let other = alphabet.chars().nth(at / 16 * 16 + (at + 1) % 16).unwrap();
    let mut spellings = vec![
        format!("{signed}.{}", b64([&signature[..32], &negative].concat())),
        format!(
            "{signed}.{}{other}",
            parts[2].split_at(parts[2].len() - 1).0
        ),
        format!("{}=", forge.honest),
        format!("{}==", forge.honest),
        format!("{signed}.{}", STANDARD.encode(&signature)),
        format!("{signed}.{}", hex::encode(&signature)),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
    ];
    spellings.retain(|token| {
        let answer = me(&app, token);
        assert!([200, 401].contains(&answer.status));
        answer.status == 200
    });
    for token in &spellings {
        assert_eq!(me(&app, token).data()["username"], "ada");
    }
    app.post("/api/v1/auth/logout")
        .by(&forge.honest)
        .send()
        .expect(204);
    for token in spellings.iter().chain([&forge.honest]) {
        refused(&app, token);
    }
}

/// The difference of two numbers of the same length, the first of them the larger.
fn subtract(from: &[u8], number: &[u8]) -> Vec<u8> {
    let mut difference = vec![0; from.len()];
    let mut borrow = 0;
    for index in (0..from.len()).rev() {
        let place = i32::from(from[index]) - i32::from(number[index]) - borrow;
        borrow = i32::from(place < 0);
        difference[index] = u8::try_from(place.rem_euclid(256)).unwrap();
    }
    difference
}

/// A service client with an access token, by the client's id.
fn client(app: &TestApp) -> (String, String) {
    let admin = app.super_admin();
    let body =
        json!({"name": format!("client {}", uuid::Uuid::now_v7()), "permissions": ["users.read"]});
    let made = app
        .post("/api/v1/clients")
        .by(&admin)
        .json(&body)
        .send()
        .expect(201);
    let text = |name: &str| made.data()[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("clientId"), text("clientSecret"));
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let call = app.post("/api/v1/oauth/token");
    let answer = call
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    (id, answer.body["access_token"].as_str().unwrap().to_owned())
}

/// The service with a client's token, which is good.
fn scene_of_a_client() -> (TestApp, String, Forge) {
    let app = TestApp::start();
    let (id, token) = client(&app);
    let forge = Forge::of(&app, token);
    for good in [&forge.honest, &forge.headed(&forge.header())] {
        app.get(USERS).by(good).send().expect(200);
    }
    (app, id, forge)
}

#[test]
fn b10_a_client_is_no_account_and_an_account_no_client() {
    let (app, id, forge) = scene_of_a_client();
    let ada = app.user("ada", "SuperAdmin", &[]);
    let (other, others) = client(&app);
    let others = Forge::of(&app, others);
    let people = Forge::new(&app, "ada");
    let quoted = |text: &str| format!("\"{text}\"");
    for sub in [
        id.clone(),
        ada.id.clone(),
        other.clone(),
        format!("client:{}", ada.id),
        format!("client:{other}"),
        format!("Client:{id}"),
        format!("client: {id}"),
        format!("client:client:{id}"),
        "client:".to_owned(),
        format!("client:{{{id}}}"),
        format!("client:{}", id.replace('-', "")),
        format!("client:{}", uuid::Uuid::now_v7()),
    ] {
        refused(&app, &forge.claiming("sub", Some(&quoted(&sub))));
    }
    // With a session, a grant or an account that is somebody else's.
    for sid in [
        people.claims["sid"].to_string(),
        others.claims["sid"].to_string(),
        quoted(&id),
        quoted(&ada.id),
    ] {
        refused(&app, &forge.claiming("sid", Some(&sid)));
    }
    // Nor does a person pass for a client.
    for sub in [
        format!("client:{id}"),
        format!("client:{}", ada.id),
        id.clone(),
    ] {
        refused(&app, &people.claiming("sub", Some(&quoted(&sub))));
    }
    refused(
        &app,
        &people.claiming("sid", Some(&forge.claims["sid"].to_string())),
    );
    // What it says of its permissions counts for nothing.
    let all = json!(["users.read", "roles.read", "clients.manage"]).to_string();
    let boasting = forge.claiming("permissions", Some(&all));
    app.get("/api/v1/roles")
        .by(&boasting)
        .send()
        .expect_problem(403, "permission_required");
    let role = forge.claiming("role", Some("\"SuperAdmin\""));
    app.get("/api/v1/roles")
        .by(&role)
        .send()
        .expect_problem(403, "permission_required");
}

#[test]
fn b02_b05_b08_what_is_refused_of_people_is_refused_of_clients() {
    let (app, _, forge) = scene_of_a_client();
    for name in [
        "exp",
        "iat",
        "iss",
        "aud",
        "sub",
        "sid",
        "client_id",
        "jti",
        "scope",
        "permissions",
    ] {
        refused(&app, &forge.claiming(name, None));
        for value in ["null", "-1", "{}", "true"] {
            refused(&app, &forge.claiming(name, Some(value)));
        }
    }
    let now = app.number("SELECT floor(extract(epoch FROM clock_timestamp()))");
    for (name, value) in [("exp", now), ("nbf", now + 31), ("iat", now + 40)] {
        refused(&app, &forge.claiming(name, Some(&value.to_string())));
    }
    refused(&app, &forge.claiming("aud", Some("\"other\"")));
    refused(
        &app,
        &forge.claiming("iss", Some("\"https://evil.example\"")),
    );
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("change+jwt")),
        ("typ", json!(null)),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("kid", json!("other")),
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.example")),
        ("jwk", forge.public.clone()),
    ] {
        let mut header = forge.header();
        header[name] = value;
        refused(&app, &forge.headed(&header));
    }
    let parts: Vec<&str> = forge.honest.split('.').collect();
    for bent in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}A", parts[0], parts[1], parts[2]),
        format!("{}=", forge.honest),
        format!(".{}", forge.honest),
    ] {
        refused(&app, &bent);
    }
}

#[test]
fn b16_another_spelling_of_a_clients_token_ends_with_its_grant() {
    let (app, id, forge) = scene_of_a_client();
    let admin = app.super_admin();
    let other = forge.headed(&forge.header());
    assert_ne!(other, forge.honest);
    app.get(USERS).by(&other).send().expect(200);
    let path = format!("/api/v1/clients/{id}");
    let off = json!({"isActive": false});
    app.patch(&path).by(&admin).json(&off).send().expect(200);
    refused(&app, &forge.honest);
    refused(&app, &other);
    let on = json!({"isActive": true});
    app.patch(&path).by(&admin).json(&on).send().expect(200);
    refused(&app, &forge.honest);
    refused(&app, &other);
}
