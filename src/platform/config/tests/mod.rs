//! Which configurations are accepted, and the messages for those that are rejected.

mod env_example;
mod unsafe_settings;

use proptest::prelude::*;

use super::environment::Vars;
use super::*;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const DATABASE: &str = "postgres://rosterd:hunter2hunter2@db/rosterd?sslmode=verify-full";

/// Parses the settings. The file `/key` contains a secret key, the file `/empty` is empty, other files are not readable.
fn parse(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let vars: Vars = vars
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::from_vars(vars, &|path| match path.to_str() {
        Some("/key") => Ok(format!("{KEY}\r\n")),
        Some("/empty") => Ok("\n".to_owned()),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    })
}

fn valid(vars: &[(&str, &str)]) -> Config {
    parse(vars).unwrap_or_else(|error| panic!("{error}"))
}

/// The error message for these settings.
fn error(vars: &[(&str, &str)]) -> String {
    parse(vars).err().expect("an error").to_string()
}

#[test]
fn empty_environment_uses_defaults_and_the_private_cluster() {
    let config = valid(&[("PATH", "/bin"), ("HOME", "/root")]);
    assert!(config.database_url.is_none() && config.secret_key.is_none());
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(
        config.session_remember_max,
        Duration::from_secs(30 * 86_400)
    );
    assert_eq!(config.db_acquire_timeout, Duration::from_secs(2));
    assert!(config.db_pool_size >= 8 && config.workers >= 1);
    assert!(config.bootstrap_credentials().is_none() && config.warnings.is_empty());
}

#[test]
fn links_use_the_configured_page_or_a_default_under_the_public_url() {
    let base = ("ROSTERD_PUBLIC_URL", "https://id.example.org/auth");
    let config = valid(&[base]);
    for (template, expected) in [
        (&config.reset_url, "reset-password?token=t-1"),
        (&config.confirm_url, "confirm-email?token=t-1"),
        (&config.invite_url, "register?invite=t-1"),
    ] {
        let expected = format!("https://id.example.org/auth/{expected}");
        assert_eq!(template.url("t-1"), expected);
    }
    let config = valid(&[
        base,
        ("ROSTERD_RESET_URL", "https://app.example.org/reset#{token}"),
        ("ROSTERD_INVITE_URL", "https://app.example.org/join#{token}"),
    ]);
    assert_eq!(
        config.reset_url.url("t-1"),
        "https://app.example.org/reset#t-1"
    );
    assert_eq!(
        config.invite_url.url("t-1"),
        "https://app.example.org/join#t-1"
    );
}

#[test]
fn mail_server_requires_a_sender() {
    let server = ("ROSTERD_SMTP_URL", "smtps://user:marker@mail.example.org");
    let error = error(&[server]);
    assert!(error.starts_with("ROSTERD_MAIL_FROM: is required") && !error.contains("marker"));
    let sender = ("ROSTERD_MAIL_FROM", "Accounts <id@example.org>");
    assert!(valid(&[server, sender]).smtp_server.is_some());
}

#[test]
fn unknown_name_is_rejected_with_the_nearest_known_name() {
    assert_eq!(
        error(&[("ROSTERD_ADRESS", "127.0.0.1:1")]),
        "ROSTERD_ADRESS: no setting has this name; the nearest is ROSTERD_ADDR"
    );
    assert_eq!(
        error(&[("ROSTERD_SECRETKEY_FILE", "/key")]),
        "ROSTERD_SECRETKEY_FILE: no setting has this name; the nearest is ROSTERD_SECRET_KEY_FILE"
    );
    assert!(error(&[("ROSTERD_ADDR_FILE", "/key")]).starts_with("ROSTERD_ADDR_FILE: no setting"));
    assert!(error(&[("ROSTERD_METRICS_PORT", "9090")]).contains("ROSTERD_METRICS_ADDR"));
    assert!(error(&[("ROSTERD_ADRESS", "tcp://127.0.0.1:1")]).contains("ROSTERD_ADDR"));
    assert!(error(&[("ROSTERD_\n\u{1b}", "")]).starts_with("ROSTERD_\\n\\u{1b}: "));
}

#[test]
fn variables_injected_by_kubernetes_are_ignored() {
    valid(&[
        ("ROSTERD_PORT", "tcp://10.96.0.7:8080"),
        ("ROSTERD_PORT_8080_TCP_ADDR", "10.96.0.7"),
        ("ROSTERD_SERVICE_HOST", "10.96.0.7"),
        ("ROSTERD_SERVICE_PORT_HTTP", "8080"),
        ("ROSTERD_SERVICE_ANYTHING", ""),
        ("ROSTERD_DB_SERVICE_HOST", "10.96.0.8"),
        ("ROSTERD_DB_SERVICE_PORT", "5432"),
        ("ROSTERD_DB_PORT", "tcp://10.96.0.8:5432"),
        ("ROSTERD_DB_PORT_5432_TCP", "tcp://10.96.0.8:5432"),
        ("ROSTERD_DB_PORT_5432_TCP_PROTO", "tcp"),
    ]);
}

#[test]
fn registration_is_closed_by_default() {
    assert_eq!(valid(&[]).registration, Registration::Closed);
    for (text, expected) in [
        ("closed", Registration::Closed),
        ("invite", Registration::Invite),
        ("open", Registration::Open),
    ] {
        assert_eq!(
            valid(&[("ROSTERD_REGISTRATION", text)]).registration,
            expected
        );
    }
}

#[test]
fn invalid_value_is_rejected_with_what_is_expected_and_without_the_value() {
    for (name, text) in [
        ("DATABASE_URL", "mysql://marker"),
        ("ROSTERD_ADDR", "marker:80"),
        ("ROSTERD_METRICS_ADDR", "marker"),
        ("ROSTERD_PUBLIC_URL", "ftp://marker"),
        ("ROSTERD_SECRET_KEY", "marker"),
        ("ROSTERD_MIGRATE", "marker"),
        ("ROSTERD_PASSWORD_MIN_LENGTH", "7"),
        ("ROSTERD_PASSWORD_MIN_LENGTH", "129"),
        ("ROSTERD_HASH_MEMORY_KIB", "0"),
        ("ROSTERD_HASH_ITERATIONS", "0"),
        ("ROSTERD_HASH_PARALLELISM", "-1"),
        ("ROSTERD_HASH_THREADS", "0"),
        ("ROSTERD_HASH_QUEUE_MS", "1s"),
        ("ROSTERD_DB_POOL_SIZE", "marker"),
        ("ROSTERD_WORKERS", "0"),
        ("ROSTERD_DRAIN_SECONDS", "marker"),
        ("ROSTERD_ACCESS_TOKEN_TTL", "16m"),
        ("ROSTERD_SESSION_MAX", "marker"),
        // Overflows to 44 seconds.
        ("ROSTERD_SESSION_MAX", "307445734561825861m"),
        ("ROSTERD_MAX_SESSIONS", "0"),
        ("ROSTERD_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("ROSTERD_CORS_ORIGINS", "https://app.example.org/marker"),
        ("ROSTERD_LOG", "rosterd=marker"),
        ("ROSTERD_REGISTRATION", "marker"),
        ("ROSTERD_REGISTRATION", "Open"),
        ("ROSTERD_INVITE_URL", "https://app.example.org/marker"),
        ("ROSTERD_RESET_URL", "https://app.example.org/marker"),
        ("ROSTERD_RESET_URL", "marker{token}"),
        ("ROSTERD_RESET_URL", "https://marker.{token}.org/"),
        ("ROSTERD_CONFIRM_URL", "https://app.example.org/marker"),
        ("ROSTERD_SMTP_URL", "http://marker"),
        ("ROSTERD_MAIL_FROM", "marker"),
        ("ROSTERD_MAIL_FROM", "a@b.example, marker@b.example"),
        ("ROSTERD_LOG_FORMAT", "marker"),
    ] {
        let error = error(&[(name, text)]);
        assert!(error.starts_with(&format!("{name}: expected ")), "{error}");
        assert!(!error.contains("marker"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert_eq!(
        error(&[("ROSTERD_PASSWORD_MIN_LENGTH", "7")]),
        "ROSTERD_PASSWORD_MIN_LENGTH: expected a whole number from 8 to 128"
    );
    assert_eq!(
        error(&[("ROSTERD_ACCESS_TOKEN_TTL", "16m")]),
        "ROSTERD_ACCESS_TOKEN_TTL: expected a duration such as 30s, 15m, 24h or 7d, or a number of seconds, from 1s to 15m"
    );
}

#[test]
fn empty_setting_counts_as_unset_and_empty_secret_is_rejected() {
    assert_eq!(valid(&[("ROSTERD_AUDIENCE", " ")]).audience, "rosterd");
    assert_eq!(
        error(&[("DATABASE_URL", "")]),
        "DATABASE_URL: is set but empty; set a value or remove it"
    );
    assert_eq!(
        error(&[("ROSTERD_SECRET_KEY_FILE", "/empty")]),
        "ROSTERD_SECRET_KEY_FILE: the file is empty"
    );
}

#[test]
fn database_url_requires_the_secret_key() {
    assert!(error(&[("DATABASE_URL", DATABASE)]).starts_with("ROSTERD_SECRET_KEY: is required"));
    let config = valid(&[("DATABASE_URL", DATABASE), ("ROSTERD_SECRET_KEY", KEY)]);
    assert_eq!(config.database_url.as_ref().unwrap().expose(), DATABASE);
}

#[test]
fn secret_is_read_from_its_file() {
    let from_file = valid(&[("ROSTERD_SECRET_KEY_FILE", "/key")]);
    let direct = valid(&[("ROSTERD_SECRET_KEY", KEY)]);
    assert!(direct.secret_key.unwrap().expose() == from_file.secret_key.unwrap().expose());
    assert_eq!(
        error(&[("ROSTERD_SECRET_KEY_FILE", "/missing")]),
        "ROSTERD_SECRET_KEY_FILE: the file cannot be read: permission denied"
    );
    assert_eq!(
        error(&[
            ("ROSTERD_SECRET_KEY", KEY),
            ("ROSTERD_SECRET_KEY_FILE", "/key")
        ]),
        "ROSTERD_SECRET_KEY: is set, and ROSTERD_SECRET_KEY_FILE is set too; keep only one of them"
    );
}

#[test]
fn secret_key_is_hex_or_base64_or_base64url() {
    let mut bytes = [0xfb_u8; 32];
    bytes[31] = 0xff;
    let key = |text: &str| {
        *valid(&[("ROSTERD_SECRET_KEY", text)])
            .secret_key
            .unwrap()
            .expose()
    };
    let hex = "fb".repeat(31) + "ff";
    assert_eq!(key(&hex), bytes);
    assert_eq!(key(&hex.to_uppercase()), bytes);
    let standard = "+/v7".repeat(10) + "+/8";
    assert_eq!(key(&standard), bytes);
    assert_eq!(key(&(standard.clone() + "=")), bytes);
    assert_eq!(key(&standard.replace('+', "-").replace('/', "_")), bytes);
    for invalid in [
        "fb".repeat(31),
        "fb".repeat(33),
        "+/v7".repeat(10),
        "zz".repeat(32),
    ] {
        let error = error(&[("ROSTERD_SECRET_KEY", &invalid)]);
        assert!(!error.contains(&invalid), "{error}");
    }
}

#[test]
fn bootstrap_username_and_password_require_each_other() {
    const USERNAME: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME";
    const PASSWORD: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD";
    const USERNAME_ALIAS: &str = "Auth__BootstrapSuperAdmin__Username";
    const PASSWORD_ALIAS: &str = "Auth__BootstrapSuperAdmin__Password";
    for (name, password) in [
        (USERNAME, PASSWORD),
        (USERNAME_ALIAS, PASSWORD_ALIAS),
        (USERNAME_ALIAS, PASSWORD),
    ] {
        let config = valid(&[(name, "root"), (password, " correct horse ")]);
        let (username, secret) = config.bootstrap_credentials().unwrap();
        assert_eq!((username, secret.expose()), ("root", " correct horse "));
    }
    let config = valid(&[
        (USERNAME, "root"),
        ("Auth__BootstrapSuperAdmin__Password_FILE", "/key"),
    ]);
    assert_eq!(config.bootstrap_credentials().unwrap().1.expose(), KEY);
    assert!(error(&[(USERNAME, "root")]).starts_with(&format!("{PASSWORD}: is missing")));
    assert!(error(&[(PASSWORD_ALIAS, "hunter2")]).starts_with(&format!("{USERNAME}: is missing")));
    assert_eq!(
        error(&[
            (USERNAME, "root"),
            (USERNAME_ALIAS, "root"),
            (PASSWORD, "hunter2")
        ]),
        format!("{USERNAME}: is set, and {USERNAME_ALIAS} is set too; keep only one of them")
    );
    assert!(!error(&[(PASSWORD, "hunter2"), (PASSWORD_ALIAS, "hunter2")]).contains("hunter2"));
}

#[test]
fn public_url_is_normalized_and_has_no_credentials_query_or_fragment() {
    let url = |text: &str| valid(&[("ROSTERD_PUBLIC_URL", text)]).public_url;
    assert_eq!(url("HTTPS://Id.Example.org:443/"), "https://id.example.org");
    assert_eq!(url("https://example.org/id//"), "https://example.org/id");
    for invalid in [
        "example.org",
        "/id",
        "https://",
        "https://example.org/?q",
        "https://example.org/#f",
        "https://user@example.org",
        "https://:pass@example.org",
        "javascript:alert(1)",
    ] {
        error(&[("ROSTERD_PUBLIC_URL", invalid)]);
    }
    assert_eq!(
        valid(&[("ROSTERD_ADDR", "[::1]:81")]).public_url,
        "http://[::1]:81"
    );
}

#[test]
fn idle_time_is_limited_by_the_maximum_lifetime() {
    assert_eq!(
        error(&[("ROSTERD_SESSION_IDLE", "8d")]),
        "ROSTERD_SESSION_IDLE: expected at most ROSTERD_SESSION_MAX, which is 7d"
    );
    assert!(error(&[("ROSTERD_SESSION_REMEMBER_MAX", "90s")]).contains("which is 90s"));
    valid(&[("ROSTERD_SESSION_IDLE", "7d")]);
}

#[test]
fn lists_are_split_at_commas_and_whitespace() {
    let config = valid(&[
        (
            "ROSTERD_PERMISSIONS",
            "assets.read, assets.write\tassets.own ,",
        ),
        ("ROSTERD_TRUSTED_PROXIES", "10.0.0.0/8,::1 192.0.2.1"),
    ]);
    assert_eq!(
        config.permissions.join(" "),
        "assets.read assets.write assets.own"
    );
    let networks = ["10.0.0.0/8", "::1", "192.0.2.1/32"].map(str::parse::<IpNetwork>);
    assert_eq!(config.trusted_proxies, networks.map(Result::unwrap));
}

proptest! {
    #[test]
    fn errors_never_contain_a_secret(secret in "[G-Z]{5,40}") {
        for name in ["DATABASE_URL", "ROSTERD_SECRET_KEY", "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD"] {
            for name in [name.to_owned(), format!("{name}_FILE")] {
                let result = Config::from_vars([(name, secret.clone())], &|_| Ok(secret.clone()));
                let error = result.err().expect("an error");
                let message = format!("{error} {error:?}").replace(error.variable(), "");
                prop_assert!(!message.contains(&secret));
            }
        }
    }
}
