//! Attacks with access tokens. Most attack tokens are signed with the service's own key, so that only the rule under
//! test can reject them.

mod claims;
mod client_tokens;
mod header_and_token_format;
mod signatures;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rosterd::platform::crypto::KeyPurpose;
use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const ME: &str = "/api/v1/auth/me";
const USERS: &str = "/api/v1/users";

fn encode_base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs altered tokens with the service's own key, which is read from its database.
struct TokenForge {
    kid: String,
    private: EncodingKey,
    public: Value,
    claims: Value,
    valid_token: String,
}

impl TokenForge {
    /// Signs in the account and uses its access token as the template.
    fn new(app: &TestApp, username: &str) -> Self {
        Self::from_token(app, app.token(username))
    }

    /// Uses this valid access token as the template.
    fn from_token(app: &TestApp, valid_token: String) -> Self {
        let kid = app.query_text("SELECT kid FROM signing_keys");
        let sealed =
            app.query_text("SELECT encode(encrypted_private_key, 'hex') FROM signing_keys");
        let vault = crate::support::vault();
        let private = vault
            .open(
                KeyPurpose::SigningKey,
                kid.as_bytes(),
                &hex::decode(sealed).unwrap(),
            )
            .unwrap();
        let claims = URL_SAFE_NO_PAD
            .decode(valid_token.split('.').nth(1).unwrap())
            .unwrap();
        Self {
            public: serde_json::from_str(&app.query_text("SELECT public_jwk FROM signing_keys"))
                .unwrap(),
            private: EncodingKey::from_ec_der(&private),
            claims: serde_json::from_slice(&claims).unwrap(),
            kid,
            valid_token,
        }
    }

    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid})
    }

    /// A signed token with exactly this header and these claims.
    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode_base64url(header), encode_base64url(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, Algorithm::ES256)
                .unwrap();
        format!("{message}.{signature}")
    }

    /// The valid token with another header.
    fn with_header(&self, header: &Value) -> String {
        self.sign(&header.to_string(), &self.claims.to_string())
    }

    /// The valid token with one claim replaced by this JSON text, or removed if `None`.
    fn with_claim(&self, name: &str, value: Option<&str>) -> String {
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

fn me(app: &TestApp, token: &str) -> Response {
    app.get(ME).bearer(token).send().expect_safe()
}

#[track_caller]
fn assert_rejected(app: &TestApp, token: &str) {
    me(app, token).expect_problem(401, "auth_token_invalid");
}

/// Starts the service with a signed-in account.
fn start_with_forge() -> (TestApp, TestUser, TokenForge) {
    let app = TestApp::start();
    let ada = app.create_user("ada", "User", &[]);
    let forge = TokenForge::new(&app, "ada");
    // An unaltered token signed here is accepted. So an altered token is rejected only because of the alteration.
    let unaltered = forge.with_header(&forge.header());
    assert_ne!(unaltered, forge.valid_token);
    assert_eq!(me(&app, &unaltered).expect(200).data()["username"], "ada");
    (app, ada, forge)
}

/// Creates a service client: its id and an access token.
fn create_client(app: &TestApp) -> (String, String) {
    let admin = app.super_admin_token();
    let body =
        json!({"name": format!("client {}", uuid::Uuid::now_v7()), "permissions": ["users.read"]});
    let created = app
        .post("/api/v1/clients")
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let text = |name: &str| created.data()[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("clientId"), text("clientSecret"));
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let request = app.post("/api/v1/oauth/token");
    let response = request
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    (
        id,
        response.body["access_token"].as_str().unwrap().to_owned(),
    )
}
