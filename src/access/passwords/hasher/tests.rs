//! Tests of the hasher with real hashes.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;

/// The cheapest parameters that are allowed.
fn cheapest_params() -> HashParams {
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

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

/// Hashes `original` and verifies `candidate` against the hash.
fn hash_and_verify(hasher: &Hasher, original: &str, candidate: &str) -> VerifyOutcome {
    let hash = hasher.hash_blocking(password(original)).unwrap();
    hasher
        .verify_blocking(password(candidate), Some(hash))
        .unwrap()
}

const MATCH: VerifyOutcome = VerifyOutcome::Match {
    needs_rehash: false,
};

/// The Argon2i hash of "password" in the README of the reference implementation.
const IMPORTED: &str = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";

#[test]
fn hash_is_a_phc_string_with_parameters_salt_and_output() {
    let hash = hasher_with(HashParams::default())
        .hash_blocking(password("a password"))
        .unwrap();
    let parts: Vec<_> = hash.as_str().split('$').collect();
    assert_eq!(parts[..4], ["", "argon2id", "v=19", "m=19456,t=2,p=1"]);
    // 16 and 32 bytes in base64 without padding.
    assert_eq!((parts[4].len(), parts[5].len(), parts.len()), (22, 43, 6));
}

#[test]
fn hashes_of_the_same_password_differ() {
    let hasher = hasher_with(cheapest_params());
    let hash = || hasher.hash_blocking(password("a password")).unwrap();
    assert!(hash().as_str() != hash().as_str());
}

#[test]
fn only_the_same_password_matches() {
    let hasher = hasher_with(cheapest_params());
    let long = "0123456789abcdef".repeat(5);
    for (original, candidate, expected) in [
        ("a password", "a password", MATCH),
        ("a password", "A password", VerifyOutcome::Mismatch),
        ("a password", "a password ", VerifyOutcome::Mismatch),
        ("a password", " a password", VerifyOutcome::Mismatch),
        ("a password", "", VerifyOutcome::Mismatch),
        ("a\0password", "a\0password", MATCH),
        ("a\0password", "a\0passwords", VerifyOutcome::Mismatch),
        ("a\0password", "a", VerifyOutcome::Mismatch),
        ("h\u{e9}llo", "he\u{301}llo", MATCH),
        ("he\u{301}llo", "h\u{e9}llo", MATCH),
        ("h\u{e9}llo", "hello", VerifyOutcome::Mismatch),
        ("😀😎🐴🔋", "😀😎🐴🔋", MATCH),
        ("😀😎🐴🔋", "😀😎🐴🔌", VerifyOutcome::Mismatch),
        (&long, &long, MATCH),
        (&long, long.split_at(72).0, VerifyOutcome::Mismatch),
        (
            &long,
            &format!("{}x", long.split_at(79).0),
            VerifyOutcome::Mismatch,
        ),
    ] {
        assert_eq!(
            hash_and_verify(&hasher, original, candidate),
            expected,
            "{original:?} {candidate:?}"
        );
    }
}

#[test]
fn missing_hash_never_matches_and_has_the_usual_cost() {
    let hasher = hasher_with(cheapest_params());
    for candidate in ["", "a password"] {
        assert_eq!(
            hasher.verify_blocking(password(candidate), None),
            Ok(VerifyOutcome::Mismatch)
        );
    }
    // The dummy hash is of the empty password, which would match it if it were an ordinary hash.
    let dummy_hash = hasher.reference.dummy_hash.to_password_hash().unwrap();
    assert!(
        dummy_hash
            .as_str()
            .starts_with("$argon2id$v=19$m=7168,t=5,p=1$")
    );
    assert_eq!(
        hasher.verify_blocking(password(""), Some(dummy_hash)),
        Ok(MATCH)
    );
}

#[test]
fn password_that_is_too_long_never_matches() {
    let hasher = hasher_with(cheapest_params());
    let longest = "x".repeat(Password::MAX_BYTES);
    assert_eq!(hash_and_verify(&hasher, &longest, &longest), MATCH);
    let too_long = "x".repeat(Password::MAX_BYTES + 1);
    assert_eq!(
        hash_and_verify(&hasher, &too_long, &too_long),
        VerifyOutcome::Mismatch
    );
    // The hasher verifies "" in place of a password that is too long. That must not match the hash of "" either.
    assert_eq!(
        hash_and_verify(&hasher, "", &too_long),
        VerifyOutcome::Mismatch
    );
}

#[test]
fn hash_with_other_parameters_matches_and_needs_a_rehash() {
    let hash = |params| {
        hasher_with(params)
            .hash_blocking(password("a password"))
            .unwrap()
    };
    let hasher = hasher_with(HashParams::default());
    for other in [
        cheapest_params(),
        HashParams::new(47_104, 1, 1).unwrap(),
        HashParams::new(19_456, 2, 2).unwrap(),
    ] {
        let outcome = hasher.verify_blocking(password("a password"), Some(hash(other)));
        assert_eq!(
            outcome,
            Ok(VerifyOutcome::Match { needs_rehash: true }),
            "{other:?}"
        );
        let outcome = hasher.verify_blocking(password("another"), Some(hash(other)));
        assert_eq!(outcome, Ok(VerifyOutcome::Mismatch), "{other:?}");
    }
    let same = hasher.verify_blocking(password("a password"), Some(hash(HashParams::default())));
    assert_eq!(same, Ok(MATCH));
}

#[test]
fn imported_hash_with_another_salt_and_length_is_verified() {
    let hasher = hasher_with(cheapest_params());
    assert_eq!(
        hasher.verify_blocking(password("password"), Some(stored(IMPORTED))),
        Ok(VerifyOutcome::Match { needs_rehash: true })
    );
    assert_eq!(
        hasher.verify_blocking(password("passwort"), Some(stored(IMPORTED))),
        Ok(VerifyOutcome::Mismatch)
    );
}

#[test]
fn cheap_imported_hash_takes_the_work_of_a_new_hash() {
    let params = HashParams::default();
    let hasher = hasher_with(params);
    let work = |stored_hash: Option<&str>| {
        let mut memory = HashMemory::new(params.memory_blocks()).unwrap();
        let hash = stored_hash.map(stored);
        let outcome = hasher
            .reference
            .verify(&mut memory, &password("wrong"), hash.as_ref());
        assert_eq!(outcome.unwrap(), VerifyOutcome::Mismatch);
        memory.work
    };
    let standard = 2 * 19_456;
    assert_eq!(work(None), standard);
    for cost in ["m=8,t=1", "m=4096,t=3", "m=19456,t=1"] {
        let hash = format!(
            "$argon2id$v=19${cost},p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"
        );
        let work = work(Some(&hash));
        assert!((standard - 2..=standard).contains(&work), "{cost}: {work}");
    }
}

/// Strings that are not supported, with the expected reason.
const UNSUPPORTED: &[(&str, UnsupportedHash)] = &[
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
fn unsupported_hash_never_matches_and_cannot_be_imported() {
    let hasher = hasher_with(cheapest_params());
    for (text, reason) in UNSUPPORTED {
        assert_eq!(
            PasswordHash::parse((*text).to_owned()).err(),
            Some(*reason),
            "{text}"
        );
        for candidate in ["", "password"] {
            assert_eq!(
                hasher.verify_blocking(password(candidate), Some(stored(text))),
                Ok(VerifyOutcome::Mismatch),
                "{text}"
            );
        }
    }
    assert!(PasswordHash::parse(IMPORTED.to_owned()).is_ok());
}

#[test]
fn busy_hasher_without_waiting_rejects_hashing_and_verifying() {
    let one_thread = HasherOptions {
        params: cheapest_params(),
        threads: NonZeroUsize::MIN,
        max_wait: Duration::ZERO,
    };
    let hasher = Hasher::start(one_thread).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (started, has_started) = std::sync::mpsc::channel();
    let _busy = hasher
        .pool
        .submit(Priority::SignIn, move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        })
        .unwrap();
    has_started.recv().unwrap();
    let overloaded = HasherOverloaded {
        retry_after_secs: 1,
    };
    assert_eq!(hasher.verify_blocking(password("a"), None), Err(overloaded));
    assert_eq!(hasher.hash_blocking(password("a")).err(), Some(overloaded));
    assert_eq!(hasher.stats().rejected, 2);
    drop(release);
}

#[test]
fn concurrent_verifications_get_their_own_results() {
    let hasher = hasher_with(cheapest_params());
    let hash = hasher
        .hash_blocking(password("password 7"))
        .unwrap()
        .as_str()
        .to_owned();
    let runtime = Builder::new_current_thread().build().unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let (hasher, hash) = (hasher.clone(), Some(stored(&hash)));
            runtime.spawn(async move {
                hasher
                    .verify(
                        password(&format!("password {}", n % 8)),
                        hash,
                        Priority::SignIn,
                    )
                    .await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let expected = if n % 8 == 7 {
            MATCH
        } else {
            VerifyOutcome::Mismatch
        };
        assert_eq!(runtime.block_on(task).unwrap(), Ok(expected), "{n}");
    }
    assert_eq!((hasher.stats().finished, hasher.stats().waiting), (33, 0));
}

#[test]
fn hash_and_verify_work_in_async_code_and_with_a_cloned_handle() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let hasher = hasher_with(cheapest_params()).clone();
    let outcome = runtime.block_on(async {
        let hash = hasher.hash(password("a password")).await?;
        hasher
            .verify(password("a password"), Some(hash), Priority::SignIn)
            .await
    });
    assert_eq!(outcome, Ok(MATCH));
}

proptest! {
    #[test]
    fn parser_never_panics(text in "\\$?(argon2(i|d|id))?\\$?(v=[0-9]{0,3})?\\$?[mtp=0-9,]{0,30}\\$?\\PC{0,40}") {
        drop(PasswordHash::parse(text));
    }
}

fn pepper(number: u8) -> Pepper {
    Pepper {
        id: [number; 8],
        secret: zeroize::Zeroizing::new([number; 32]),
    }
}

#[test]
fn peppered_hash_matches_only_with_its_pepper_and_older_hashes_are_renewed() {
    let start = |known: &[u8], is_enabled| {
        let known = known.iter().map(|number| pepper(*number)).collect();
        hasher_with(cheapest_params()).with_peppers(Peppers::new(known, is_enabled))
    };
    let plain = || {
        hasher_with(cheapest_params())
            .hash_blocking(password("a password"))
            .unwrap()
    };
    let peppered = start(&[1], true);
    let first = peppered.hash_blocking(password("a password")).unwrap();
    assert!(first.as_str().contains(",keyid=AQEBAQEBAQE$"));
    let first = || stored(first.as_str());
    let verify = |hasher: &Hasher, hash| hasher.verify_blocking(password("a password"), Some(hash));
    let outdated = VerifyOutcome::Match { needs_rehash: true };
    assert_eq!(verify(&peppered, first()), Ok(MATCH));
    assert_eq!(verify(&peppered, plain()), Ok(outdated));
    // Switched off: hashes with a pepper still verify and are kept.
    assert_eq!(verify(&start(&[1], false), first()), Ok(MATCH));
    assert_eq!(verify(&start(&[1], false), plain()), Ok(MATCH));
    assert_eq!(verify(&start(&[1, 2], true), first()), Ok(outdated));
    let unknown = start(&[2], true);
    assert_eq!(verify(&unknown, first()), Ok(VerifyOutcome::Mismatch));
    assert!(!unknown.knows_pepper(&first()));
    unknown.set_known_peppers(vec![pepper(1), pepper(2)]);
    assert!(unknown.knows_pepper(&first()));
    assert_eq!(verify(&unknown, first()), Ok(outdated));
}
