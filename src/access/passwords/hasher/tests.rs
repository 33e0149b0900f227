//! The hasher with real hashes: right, wrong, nothing stored, other parameters, broken strings, load.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;

/// The cheapest cost that may be configured.
fn cheap() -> HashParams {
    HashParams::new(7_168, 5, 1).unwrap()
}

fn hasher_with(params: HashParams) -> Hasher {
    let options = HasherOptions {
        params,
        max_wait: Duration::from_secs(3_600),
        ..HasherOptions::default()
    };
    Hasher::start(options).unwrap()
}

fn typed(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

/// What verifying `tried` says when `set` was hashed.
fn verdict(hasher: &Hasher, set: &str, tried: &str) -> Verdict {
    let hash = hasher.hash_now(typed(set)).unwrap();
    hasher.verify_now(typed(tried), Some(hash)).unwrap()
}

const RIGHT: Verdict = Verdict::Right { rehash: false };

/// The example in the README of the reference implementation: of "password", with Argon2i.
const FOREIGN: &str = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";

#[test]
fn a_hash_is_a_phc_string_with_its_cost_a_long_salt_and_a_long_output() {
    let hash = hasher_with(HashParams::default())
        .hash_now(typed("a password"))
        .unwrap();
    let parts: Vec<_> = hash.as_str().split('$').collect();
    assert_eq!(parts[..4], ["", "argon2id", "v=19", "m=19456,t=2,p=1"]);
    // 16 and 32 bytes in base64 without padding.
    assert_eq!((parts[4].len(), parts[5].len(), parts.len()), (22, 43, 6));
}

#[test]
fn the_same_password_never_has_the_same_hash() {
    let hasher = hasher_with(cheap());
    let hash = || hasher.hash_now(typed("a password")).unwrap();
    assert!(hash().as_str() != hash().as_str());
}

#[test]
fn only_the_password_itself_is_right() {
    let hasher = hasher_with(cheap());
    let long = "0123456789abcdef".repeat(5);
    for (set, tried, expected) in [
        ("a password", "a password", RIGHT),
        ("a password", "A password", Verdict::Wrong),
        ("a password", "a password ", Verdict::Wrong),
        ("a password", " a password", Verdict::Wrong),
        ("a password", "", Verdict::Wrong),
        ("a\0password", "a\0password", RIGHT),
        ("a\0password", "a\0passwords", Verdict::Wrong),
        ("a\0password", "a", Verdict::Wrong),
        ("h\u{e9}llo", "he\u{301}llo", RIGHT),
        ("he\u{301}llo", "h\u{e9}llo", RIGHT),
        ("h\u{e9}llo", "hello", Verdict::Wrong),
        ("😀😎🐴🔋", "😀😎🐴🔋", RIGHT),
        ("😀😎🐴🔋", "😀😎🐴🔌", Verdict::Wrong),
        (&long, &long, RIGHT),
        (&long, long.split_at(72).0, Verdict::Wrong),
        (&long, &format!("{}x", long.split_at(79).0), Verdict::Wrong),
    ] {
        assert_eq!(verdict(&hasher, set, tried), expected, "{set:?} {tried:?}");
    }
}

#[test]
fn nothing_stored_is_wrong_at_the_usual_cost() {
    let hasher = hasher_with(cheap());
    for tried in ["", "a password"] {
        assert_eq!(hasher.verify_now(typed(tried), None), Ok(Verdict::Wrong));
    }
    // The empty password is what the dummy is of: it would be right if the dummy were a hash like any.
    let dummy = hasher.standard.dummy.to_hash().unwrap();
    assert!(dummy.as_str().starts_with("$argon2id$v=19$m=7168,t=5,p=1$"));
    assert_eq!(hasher.verify_now(typed(""), Some(dummy)), Ok(RIGHT));
}

#[test]
fn a_password_that_is_too_long_is_wrong_even_for_its_own_hash() {
    let hasher = hasher_with(cheap());
    let most = "x".repeat(Password::MAX_BYTES);
    assert_eq!(verdict(&hasher, &most, &most), RIGHT);
    let longer = "x".repeat(Password::MAX_BYTES + 1);
    assert_eq!(verdict(&hasher, &longer, &longer), Verdict::Wrong);
    // Nor does it stand for the text that is hashed in its place.
    assert_eq!(verdict(&hasher, "", &longer), Verdict::Wrong);
}

#[test]
fn a_hash_made_otherwise_is_right_and_asks_to_be_replaced() {
    let hash = |params| hasher_with(params).hash_now(typed("a password")).unwrap();
    let standard = hasher_with(HashParams::default());
    for other in [
        cheap(),
        HashParams::new(47_104, 1, 1).unwrap(),
        HashParams::new(19_456, 2, 2).unwrap(),
    ] {
        let verdict = standard.verify_now(typed("a password"), Some(hash(other)));
        assert_eq!(verdict, Ok(Verdict::Right { rehash: true }), "{other:?}");
        let verdict = standard.verify_now(typed("another"), Some(hash(other)));
        assert_eq!(verdict, Ok(Verdict::Wrong), "{other:?}");
    }
    let same = standard.verify_now(typed("a password"), Some(hash(HashParams::default())));
    assert_eq!(same, Ok(RIGHT));
}

#[test]
fn a_foreign_hash_with_another_salt_and_length_is_verified() {
    let hasher = hasher_with(cheap());
    assert_eq!(
        hasher.verify_now(typed("password"), Some(stored(FOREIGN))),
        Ok(Verdict::Right { rehash: true })
    );
    assert_eq!(
        hasher.verify_now(typed("passwort"), Some(stored(FOREIGN))),
        Ok(Verdict::Wrong)
    );
}

/// Strings that must not verify, with what is wrong with them.
const BROKEN: &[(&str, UnsupportedHash)] = &[
    ("", UnsupportedHash::Scheme),
    ("password", UnsupportedHash::Scheme),
    ("$", UnsupportedHash::Scheme),
    ("$argon2id", UnsupportedHash::Params),
    ("$argon2id$v=19$m=7168,t=5,p=1", UnsupportedHash::Malformed),
    (
        "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ",
        UnsupportedHash::Malformed,
    ),
    (
        "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$",
        UnsupportedHash::Malformed,
    ),
    (
        "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$!!!!!!!!!!!!!!!!",
        UnsupportedHash::Malformed,
    ),
    (
        "$argon2id$v=19$m=7168,t=5,p=1$YQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Malformed,
    ),
    (
        "$argon2id$v=18$m=7168,t=5,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Scheme,
    ),
    (
        "$argon2id$v=19$m=7168,t=5$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Params,
    ),
    (
        "$argon2id$v=19$m=0,t=0,p=0$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Params,
    ),
    (
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Params,
    ),
    (
        "$argon2id$v=19$m=8,t=4294967295,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Params,
    ),
    (
        "$argon2id$v=19$m=7168,t=5,p=65$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Params,
    ),
    (
        "$argon2id$v=19$m=7168,t=5,p=4294967295$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Params,
    ),
    (
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        UnsupportedHash::Scheme,
    ),
    (
        "$pbkdf2-sha256$i=1000,l=32$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        UnsupportedHash::Scheme,
    ),
];

#[test]
fn a_broken_or_foreign_string_is_wrong_and_no_import_takes_it() {
    let hasher = hasher_with(cheap());
    for (text, reason) in BROKEN {
        assert_eq!(
            PasswordHash::parse((*text).to_owned()).err(),
            Some(*reason),
            "{text}"
        );
        for tried in ["", "password"] {
            assert_eq!(
                hasher.verify_now(typed(tried), Some(stored(text))),
                Ok(Verdict::Wrong),
                "{text}"
            );
        }
    }
    assert!(PasswordHash::parse(FOREIGN.to_owned()).is_ok());
}

#[test]
fn a_busy_hasher_that_may_not_wait_refuses_both_kinds_of_work() {
    let one_thread = HasherOptions {
        params: cheap(),
        threads: NonZeroUsize::MIN,
        max_wait: Duration::ZERO,
    };
    let hasher = Hasher::start(one_thread).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let _busy = hasher
        .pool
        .submit(move |_| {
            begun.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        })
        .unwrap();
    has_begun.recv().unwrap();
    let overloaded = Overloaded {
        retry_after_secs: 1,
    };
    assert_eq!(hasher.verify_now(typed("a"), None), Err(overloaded));
    assert_eq!(hasher.hash_now(typed("a")).err(), Some(overloaded));
    assert_eq!(hasher.stats().refused, 2);
    drop(release);
}

#[test]
fn many_at_once_each_get_their_own_answer() {
    let hasher = hasher_with(cheap());
    let hash = hasher
        .hash_now(typed("password 7"))
        .unwrap()
        .as_str()
        .to_owned();
    let runtime = Builder::new_current_thread().build().unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let (hasher, hash) = (hasher.clone(), Some(stored(&hash)));
            runtime.spawn(async move {
                hasher
                    .verify(typed(&format!("password {}", n % 8)), hash)
                    .await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let expected = if n % 8 == 7 { RIGHT } else { Verdict::Wrong };
        assert_eq!(runtime.block_on(task).unwrap(), Ok(expected), "{n}");
    }
    assert_eq!((hasher.stats().done, hasher.stats().waiting), (33, 0));
}

#[test]
fn an_async_hash_is_verified_and_a_handle_outlives_its_origin() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let hasher = hasher_with(cheap()).clone();
    let verdict = runtime.block_on(async {
        let hash = hasher.hash(typed("a password")).await?;
        hasher.verify(typed("a password"), Some(hash)).await
    });
    assert_eq!(verdict, Ok(RIGHT));
}

proptest! {
    #[test]
    fn no_string_makes_the_parser_panic(text in "\\$?(argon2(i|d|id))?\\$?(v=[0-9]{0,3})?\\$?[mtp=0-9,]{0,30}\\$?\\PC{0,40}") {
        drop(PasswordHash::parse(text));
    }
}
