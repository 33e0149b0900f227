//! Settings that undo security are refused, or cause a warning.

use super::*;

#[test]
fn listening_on_a_public_address_without_https_warns() {
    let warnings = |addr: &str, url: &str| {
        let permission = ("ROSTERD_ALLOW_INSECURE_HTTP", "1");
        valid(&[
            ("ROSTERD_ADDR", addr),
            ("ROSTERD_PUBLIC_URL", url),
            permission,
        ])
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
fn public_url_of_plain_http_is_refused_except_for_localhost_or_with_permission() {
    const URL: &str = "ROSTERD_PUBLIC_URL";
    const ALLOW: &str = "ROSTERD_ALLOW_INSECURE_HTTP";
    for url in [
        "http://id.example.org",
        "http://10.0.0.1",
        "http://localhost.example.org",
    ] {
        assert!(
            error(&[(URL, url)]).starts_with("ROSTERD_PUBLIC_URL: is plain http"),
            "{url}"
        );
        error(&[(URL, url), (ALLOW, "0")]);
        valid(&[(URL, url), (ALLOW, "1")]);
    }
    for url in [
        "https://id.example.org",
        "http://localhost:8080",
        "http://id.localhost",
        "http://127.0.0.2",
        "http://[::1]:8080",
    ] {
        valid(&[(URL, url)]);
    }
    assert_eq!(
        error(&[(ALLOW, "on")]),
        "ROSTERD_ALLOW_INSECURE_HTTP: expected 1 or 0"
    );
    // The default URL with a public address is only warned of: a proxy may terminate TLS.
    valid(&[("ROSTERD_ADDR", "0.0.0.0:8080")]);
}

#[test]
fn database_on_another_machine_needs_full_verification_or_permission() {
    let with = |url: &'static str| [("DATABASE_URL", url), ("ROSTERD_SECRET_KEY", KEY)];
    let remote = "postgres://rosterd:hunter2@db.example.org/rosterd?sslmode=require";
    let message = error(&with(remote));
    assert!(message.contains("without sslmode=verify-full"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    let [url, key] = with(remote);
    valid(&[url, key, ("ROSTERD_DB_INSECURE", "1")]);
    valid(&with("postgres://rosterd@localhost/rosterd"));
}

#[test]
fn tls_needs_both_files_and_changes_the_default_url() {
    const CERT: (&str, &str) = ("ROSTERD_TLS_CERT", "/cert.pem");
    const TLS_KEY: (&str, &str) = ("ROSTERD_TLS_KEY", "/key.pem");
    assert!(error(&[CERT]).starts_with("ROSTERD_TLS_KEY: is missing"));
    assert!(error(&[TLS_KEY]).starts_with("ROSTERD_TLS_CERT: is missing"));
    let config = valid(&[CERT, TLS_KEY]);
    assert_eq!(config.public_url, "https://127.0.0.1:8080");
    let moved = config.with_addr("127.0.0.1:81".parse().unwrap());
    assert_eq!(moved.public_url, "https://127.0.0.1:81");
}

#[test]
fn trusting_every_address_is_refused() {
    for networks in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8, 1.2.3.4/0",
        "::ffff:0:0/96",
    ] {
        let message = error(&[("ROSTERD_TRUSTED_PROXIES", networks)]);
        assert!(
            message.contains("choose its own address"),
            "{networks}: {message}"
        );
    }
    valid(&[("ROSTERD_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8")]);
}

#[test]
fn secret_key_of_one_repeated_byte_is_refused_and_other_weak_keys_are_warned_of() {
    for byte in ["00", "5a", "ff"] {
        let message = error(&[("ROSTERD_SECRET_KEY", &byte.repeat(32))]);
        assert!(message.contains("one byte repeated"), "{message}");
    }
    let warnings = |key: &str| valid(&[("ROSTERD_SECRET_KEY", key)]).warnings;
    let sequence = hex::encode((0..32).collect::<Vec<u8>>());
    let text = hex::encode("correct horse battery staple 123");
    let few_bytes = "0001".repeat(15) + "0203";
    for weak in [KEY, &sequence, &text, &few_bytes] {
        assert!(
            warnings(weak)[0].starts_with("ROSTERD_SECRET_KEY is not random"),
            "{weak}"
        );
    }
    for random in [
        "c497f3a01a15acecde6a984ed3cc2d390a6282b436d2a4fec68a210b46de64ab",
        "8d1f0be07aa38e0a77b3a1c9f27ab4c5b5d91a2c7ee83f1b6a0c2dd0c7139e54",
    ] {
        assert!(warnings(random).is_empty(), "{random}");
    }
}
