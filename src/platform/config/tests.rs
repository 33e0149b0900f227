//! What a start accepts, what it refuses, and in which words.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::environment::Vars;
use super::*;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const DATABASE: &str = "postgres://rosterd:hunter2hunter2@db/rosterd";

fn pairs(vars: &[(&str, &str)]) -> Vars {
    vars.iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// Reads the settings where the file `/key` holds the key, and `/empty` nothing.
fn config(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_vars(pairs(vars), &|path| match path.to_str() {
        Some("/key") => Ok(format!("{KEY}\r\n")),
        Some("/empty") => Ok("\n".to_owned()),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    })
}

fn good(vars: &[(&str, &str)]) -> Config {
    config(vars).unwrap_or_else(|e| panic!("{e}"))
}

fn refusal(vars: &[(&str, &str)]) -> String {
    config(vars).err().expect("a refusal").to_string()
}

#[test]
fn nothing_set_is_a_start_on_the_private_cluster() {
    let config = good(&[("PATH", "/bin"), ("HOME", "/root")]);
    assert!(config.database_url.is_none() && config.secret_key.is_none());
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(
        config.session_remember_max,
        Duration::from_secs(30 * 86_400)
    );
    assert_eq!(config.db_acquire, Duration::from_secs(2));
    assert!(config.db_pool_size >= 8 && config.workers >= 1);
    assert!(config.bootstrap().is_none() && config.warnings.is_empty());
}

#[test]
fn a_link_leads_to_the_page_that_is_set_or_to_one_under_the_public_url() {
    let base = ("ROSTERD_PUBLIC_URL", "https://id.example.org/auth");
    assert_eq!(
        good(&[base]).reset_page.url("t-1"),
        "https://id.example.org/auth/reset-password?token=t-1"
    );
    assert_eq!(
        good(&[base]).confirm_page.url("t-1"),
        "https://id.example.org/auth/confirm-email?token=t-1"
    );
    let page = ("ROSTERD_RESET_URL", "https://app.example.org/reset#{token}");
    assert_eq!(
        good(&[base, page]).reset_page.url("t-1"),
        "https://app.example.org/reset#t-1"
    );
    assert_eq!(
        good(&[base]).invite_page.url("t-1"),
        "https://id.example.org/auth/register?invite=t-1"
    );
    let page = ("ROSTERD_INVITE_URL", "https://app.example.org/join#{token}");
    assert_eq!(
        good(&[base, page]).invite_page.url("t-1"),
        "https://app.example.org/join#t-1"
    );
}

#[test]
fn mail_needs_a_sender() {
    let server = ("ROSTERD_SMTP_URL", "smtps://user:marker@mail.example.org");
    let refusal = refusal(&[server]);
    assert!(refusal.starts_with("ROSTERD_MAIL_FROM: is needed") && !refusal.contains("marker"));
    let sender = ("ROSTERD_MAIL_FROM", "Accounts <id@example.org>");
    assert!(good(&[server, sender]).mail_server.is_some());
}

#[test]
fn the_example_is_the_one_that_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == env_example(),
        "write it anew: cargo test --lib write_the_example -- --ignored"
    );
}

#[test]
#[ignore = "writes .env.example"]
fn write_the_example() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example");
    std::fs::write(path, env_example()).unwrap();
}

#[test]
fn every_line_of_the_example_reads_as_the_default() {
    let example = env_example();
    let uncommented: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' ') && line.contains('='))
        .collect();
    let read: HashMap<String, String> = dotenvy::from_read_iter(uncommented.join("\n").as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    for variable in VARIABLES {
        assert_eq!(read[variable.name], variable.default, "{}", variable.name);
        let alone = [(variable.name, variable.default)];
        assert!(variable.kind == Kind::Secret || config(&alone).is_ok());
        assert!(example.contains(&format!("# {}\n", variable.why)));
    }
    let secrets = VARIABLES.iter().filter(|v| v.kind == Kind::Secret).count();
    assert_eq!(read.len(), VARIABLES.len() + secrets);
}

#[test]
fn no_two_settings_share_a_name() {
    let forms: Vec<String> = VARIABLES.iter().flat_map(Variable::forms).collect();
    assert_eq!(forms.iter().collect::<BTreeSet<_>>().len(), forms.len());
}

#[test]
fn a_misspelt_name_is_refused_with_the_nearest() {
    assert_eq!(
        refusal(&[("ROSTERD_ADRESS", "127.0.0.1:1")]),
        "ROSTERD_ADRESS: no setting has this name; the nearest is ROSTERD_ADDR"
    );
    assert_eq!(
        refusal(&[("ROSTERD_SECRETKEY_FILE", "/key")]),
        "ROSTERD_SECRETKEY_FILE: no setting has this name; the nearest is ROSTERD_SECRET_KEY_FILE"
    );
    assert!(refusal(&[("ROSTERD_ADDR_FILE", "/key")]).starts_with("ROSTERD_ADDR_FILE: no setting"));
    assert!(refusal(&[("ROSTERD_METRICS_PORT", "9090")]).contains("ROSTERD_METRICS_ADDR"));
    assert!(refusal(&[("ROSTERD_ADRESS", "tcp://127.0.0.1:1")]).contains("ROSTERD_ADDR"));
    assert!(refusal(&[("ROSTERD_\n\u{1b}", "")]).starts_with("ROSTERD_\\n\\u{1b}: "));
}

#[test]
fn what_kubernetes_injects_is_ignored() {
    good(&[
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
fn nobody_registers_unless_the_operator_says_so() {
    assert_eq!(good(&[]).registration, Registration::Closed);
    for (text, meant) in [
        ("closed", Registration::Closed),
        ("invite", Registration::Invite),
        ("open", Registration::Open),
    ] {
        assert_eq!(good(&[("ROSTERD_REGISTRATION", text)]).registration, meant);
    }
}

#[test]
fn a_wrong_value_is_answered_with_what_is_accepted_and_never_repeated() {
    for (name, text) in [
        ("DATABASE_URL", "mysql://marker"),
        ("ROSTERD_ADDR", "marker:80"),
        ("ROSTERD_METRICS_ADDR", "marker"),
        ("ROSTERD_PUBLIC_URL", "ftp://marker"),
        ("ROSTERD_SECRET_KEY", "marker"),
        ("ROSTERD_MIGRATE", "marker"),
        ("ROSTERD_PASSWORD_MIN_LENGTH", "7"),
        ("ROSTERD_PASSWORD_MIN_LENGTH", "257"),
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
        // Wraps around to 44 seconds.
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
        let refusal = refusal(&[(name, text)]);
        assert!(
            refusal.starts_with(&format!("{name}: expected ")),
            "{refusal}"
        );
        assert!(!refusal.contains("marker"), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
    assert_eq!(
        refusal(&[("ROSTERD_PASSWORD_MIN_LENGTH", "7")]),
        "ROSTERD_PASSWORD_MIN_LENGTH: expected a whole number from 8 to 256"
    );
    assert_eq!(
        refusal(&[("ROSTERD_ACCESS_TOKEN_TTL", "16m")]),
        "ROSTERD_ACCESS_TOKEN_TTL: expected a time span such as 30s, 15m, 24h or 7d, or plain seconds, from 1s to 15m"
    );
}

#[test]
fn an_empty_setting_is_an_unset_one_but_an_empty_secret_is_refused() {
    assert_eq!(good(&[("ROSTERD_AUDIENCE", " ")]).audience, "rosterd");
    assert_eq!(
        refusal(&[("DATABASE_URL", "")]),
        "DATABASE_URL: is set and empty; give it or leave it out"
    );
    assert_eq!(
        refusal(&[("ROSTERD_SECRET_KEY_FILE", "/empty")]),
        "ROSTERD_SECRET_KEY_FILE: the file is empty"
    );
}

#[test]
fn a_database_of_ones_own_needs_the_key() {
    assert!(refusal(&[("DATABASE_URL", DATABASE)]).starts_with("ROSTERD_SECRET_KEY: is needed"));
    let config = good(&[("DATABASE_URL", DATABASE), ("ROSTERD_SECRET_KEY", KEY)]);
    assert_eq!(config.database_url.as_ref().unwrap().expose(), DATABASE);
}

#[test]
fn a_secret_is_read_from_its_file() {
    let from_file = good(&[("ROSTERD_SECRET_KEY_FILE", "/key")]);
    let direct = good(&[("ROSTERD_SECRET_KEY", KEY)]);
    assert!(direct.secret_key.unwrap().expose() == from_file.secret_key.unwrap().expose());
    assert_eq!(
        refusal(&[("ROSTERD_SECRET_KEY_FILE", "/gone")]),
        "ROSTERD_SECRET_KEY_FILE: the file can't be read: permission denied"
    );
    assert_eq!(
        refusal(&[
            ("ROSTERD_SECRET_KEY", KEY),
            ("ROSTERD_SECRET_KEY_FILE", "/key")
        ]),
        "ROSTERD_SECRET_KEY: is set and ROSTERD_SECRET_KEY_FILE too; keep one of them"
    );
}

#[test]
fn the_key_may_be_hex_or_base64_of_either_alphabet() {
    let bytes = [0xfb_u8; 32];
    let key = |text: &str| {
        *good(&[("ROSTERD_SECRET_KEY", text)])
            .secret_key
            .unwrap()
            .expose()
    };
    assert_eq!(key(&"fb".repeat(32)), bytes);
    assert_eq!(key(&"FB".repeat(32)), bytes);
    let standard = "+/v7".repeat(10) + "+/s";
    assert_eq!(key(&standard), bytes);
    assert_eq!(key(&(standard.clone() + "=")), bytes);
    assert_eq!(key(&standard.replace('+', "-").replace('/', "_")), bytes);
    for wrong in [
        "fb".repeat(31),
        "fb".repeat(33),
        "+/v7".repeat(10),
        "zz".repeat(32),
    ] {
        let refusal = refusal(&[("ROSTERD_SECRET_KEY", &wrong)]);
        assert!(!refusal.contains(&wrong), "{refusal}");
    }
}

#[test]
fn the_first_account_comes_with_both_or_neither() {
    const NAME: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME";
    const PASSWORD: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD";
    const OTHER_NAME: &str = "Auth__BootstrapSuperAdmin__Username";
    const OTHER_PASSWORD: &str = "Auth__BootstrapSuperAdmin__Password";
    for (name, password) in [
        (NAME, PASSWORD),
        (OTHER_NAME, OTHER_PASSWORD),
        (OTHER_NAME, PASSWORD),
    ] {
        let config = good(&[(name, "root"), (password, " correct horse ")]);
        let (username, secret) = config.bootstrap().unwrap();
        assert_eq!((username, secret.expose()), ("root", " correct horse "));
    }
    let config = good(&[
        (NAME, "root"),
        ("Auth__BootstrapSuperAdmin__Password_FILE", "/key"),
    ]);
    assert_eq!(config.bootstrap().unwrap().1.expose(), KEY);
    assert!(refusal(&[(NAME, "root")]).starts_with(&format!("{PASSWORD}: is missing")));
    assert!(refusal(&[(OTHER_PASSWORD, "hunter2")]).starts_with(&format!("{NAME}: is missing")));
    assert_eq!(
        refusal(&[(NAME, "root"), (OTHER_NAME, "root"), (PASSWORD, "hunter2")]),
        format!("{NAME}: is set and {OTHER_NAME} too; keep one of them")
    );
    assert!(!refusal(&[(PASSWORD, "hunter2"), (OTHER_PASSWORD, "hunter2")]).contains("hunter2"));
}

#[test]
fn the_public_url_is_plain_and_keeps_no_slash() {
    let url = |text: &str| good(&[("ROSTERD_PUBLIC_URL", text)]).public_url;
    assert_eq!(url("HTTPS://Id.Example.org:443/"), "https://id.example.org");
    assert_eq!(url("https://example.org/id//"), "https://example.org/id");
    for wrong in [
        "example.org",
        "/id",
        "https://",
        "https://example.org/?q",
        "https://example.org/#f",
        "https://user@example.org",
        "https://:pass@example.org",
        "javascript:alert(1)",
    ] {
        refusal(&[("ROSTERD_PUBLIC_URL", wrong)]);
    }
    assert_eq!(
        good(&[("ROSTERD_ADDR", "[::1]:81")]).public_url,
        "http://[::1]:81"
    );
}

#[test]
fn listening_beyond_the_machine_without_tls_warns() {
    let warnings = |addr: &str, url: &str| {
        good(&[("ROSTERD_ADDR", addr), ("ROSTERD_PUBLIC_URL", url)])
            .warnings
            .len()
    };
    assert_eq!(warnings("0.0.0.0:8080", ""), 1);
    assert_eq!(warnings("[::]:8080", "http://id.example.org"), 1);
    assert_eq!(warnings("192.0.2.7:8080", "https://id.example.org"), 0);
    assert_eq!(warnings("127.0.0.2:8080", "http://id.example.org"), 0);
    assert_eq!(warnings("[::ffff:127.0.0.1]:8080", ""), 0);
}

#[test]
fn a_session_is_idle_no_longer_than_it_lives() {
    assert_eq!(
        refusal(&[("ROSTERD_SESSION_IDLE", "8d")]),
        "ROSTERD_SESSION_IDLE: expected at most ROSTERD_SESSION_MAX, which is 7d"
    );
    assert!(refusal(&[("ROSTERD_SESSION_REMEMBER_MAX", "90s")]).contains("which is 90s"));
    good(&[("ROSTERD_SESSION_IDLE", "7d")]);
}

#[test]
fn lists_are_split_at_commas_and_spaces() {
    let config = good(&[
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
    let networks = ["10.0.0.0/8", "::1", "192.0.2.1/32"].map(str::parse::<Network>);
    assert_eq!(config.trusted_proxies, networks.map(Result::unwrap));
}

proptest! {
    #[test]
    fn no_secret_is_ever_in_a_refusal(secret in "[G-Z]{5,40}") {
        for name in ["DATABASE_URL", "ROSTERD_SECRET_KEY", "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD"] {
            for form in [name.to_owned(), format!("{name}_FILE")] {
                let refused = Config::from_vars([(form, secret.clone())], &|_| Ok(secret.clone()));
                let error = refused.err().expect("a refusal");
                let shown = format!("{error} {error:?}").replace(error.variable(), "");
                prop_assert!(!shown.contains(&secret));
            }
        }
    }
}
