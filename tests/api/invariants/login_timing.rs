//! Measures whether the time of a rejected login reveals the reason. It takes minutes and runs in `make test-long`.
//!
//! The method is that of dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017): each block
//! contains one sample per class in random order, so that other load affects all classes alike. The slowest tenth of
//! all samples is removed with one threshold for all classes. Welch's t is computed for each pair of classes.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

/// The t value from which a difference is significant (the threshold of dudect and of ISO/IEC 17825).
const SIGNIFICANT_T: f64 = 4.5;

const SAMPLES: usize = 2_000;

const WARM_UP_SAMPLES: usize = 60;

/// The share of the fastest samples that is kept, in thousandths.
const KEPT_PER_MILLE: usize = 900;

/// The name of a class of accounts, and the SQL assignment that makes its accounts. `None`: no such account.
const CLASSES: [(&str, Option<&str>); 4] = [
    ("unknown", None),
    ("wrong", Some("version = 1")),
    ("disabled", Some("is_active = false")),
    ("passwordless", Some("password_hash = NULL")),
];

/// A linear congruential generator with a fixed seed, so that every run uses the same order.
struct FixedRandom(u64);

impl FixedRandom {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Creates one account per sample, so that no account reaches a rate limit. The classes alternate, so that each is
/// spread over the whole table.
fn create_accounts(app: &TestApp) {
    app.create_user("model", "User", &[]);
    app.execute(&format!(
        "INSERT INTO users (id, username, role, password_hash, created_at, updated_at) \
         SELECT gen_random_uuid(), class || n, 'User', password_hash, now(), now() \
         FROM users, generate_series(1, {}) n, unnest('{{wrong,disabled,passwordless}}'::text[]) class \
         WHERE username = 'model' ORDER BY n, random()",
        SAMPLES + WARM_UP_SAMPLES
    ));
    for (class, difference) in CLASSES {
        if let Some(difference) = difference {
            app.execute(&format!(
                "UPDATE users SET {difference} WHERE username LIKE '{class}%'"
            ));
        }
    }
    app.execute("VACUUM ANALYZE users");
}

/// The time from the request to the end of the response, in microseconds. Asserts that the response is the same for all
/// classes.
fn rejected_login_micros(app: &TestApp, name: &str, source: usize) -> f64 {
    let address = format!(
        "10.{}.{}.{}",
        source >> 16 & 255,
        source >> 8 & 255,
        source & 255
    );
    let call = app
        .post("/api/v1/auth/login")
        .header("X-Forwarded-For", &address)
        .json(&json!({"username": name, "password": format!("{PASSWORD}!")}));
    let started = Instant::now();
    let response = call.send();
    let micros = started.elapsed().as_secs_f64() * 1e6;
    let mut body = response
        .expect_problem(401, "auth_invalid_credentials")
        .body;
    body["traceId"] = Value::Null;
    let expected = json!({
        "type": "urn:rosterd:problem:auth_invalid_credentials", "status": 401, "code": "auth_invalid_credentials",
        "title": "The username or the password is wrong", "detail": "The username or the password is wrong",
        "errors": [], "traceId": null,
    });
    assert_eq!(body, expected);
    micros
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).unwrap().into()
}

fn mean_and_variance(samples: &[f64]) -> (f64, f64) {
    let count = to_f64(samples.len());
    let mean = samples.iter().sum::<f64>() / count;
    let squares = samples
        .iter()
        .map(|sample| (sample - mean).powi(2))
        .sum::<f64>();
    (mean, squares / (count - 1.0))
}

/// Welch's t statistic of two samples.
fn welch_t(first: &[f64], second: &[f64]) -> f64 {
    let ((first_mean, first_variance), (second_mean, second_variance)) =
        (mean_and_variance(first), mean_and_variance(second));
    (first_mean - second_mean)
        / (first_variance / to_f64(first.len()) + second_variance / to_f64(second.len())).sqrt()
}

// SECURITY: D01
#[test]
#[ignore = "long: run by make test-long"]
fn time_of_a_rejected_login_does_not_reveal_the_reason() {
    let app = TestApp::start_with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    create_accounts(&app);
    let mut random = FixedRandom(0x5eed);
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); CLASSES.len()];
    let mut source = 0;
    for block in 1..=SAMPLES + WARM_UP_SAMPLES {
        let mut order: Vec<usize> = (0..CLASSES.len()).collect();
        random.shuffle(&mut order);
        for class in order {
            source += 1;
            let micros =
                rejected_login_micros(&app, &format!("{}{block}", CLASSES[class].0), source);
            if block > WARM_UP_SAMPLES {
                samples[class].push(micros);
            }
        }
    }
    let mut all: Vec<f64> = samples.concat();
    all.sort_by(f64::total_cmp);
    let threshold = all[all.len() * KEPT_PER_MILLE / 1000];
    for class in &mut samples {
        class.retain(|sample| *sample < threshold);
    }
    let mut significant = Vec::new();
    for (index, (name, _)) in CLASSES.iter().enumerate() {
        let (mean, variance) = mean_and_variance(&samples[index]);
        eprintln!(
            "{name}: {mean:.0} ± {:.0} µs of {}",
            variance.sqrt(),
            samples[index].len()
        );
        for (other, (other_name, _)) in CLASSES.iter().enumerate().skip(index + 1) {
            let t = welch_t(&samples[index], &samples[other]);
            eprintln!("{name} and {other_name}: t = {t:.2}");
            if t.abs() >= SIGNIFICANT_T {
                significant.push(format!("{name} and {other_name}: t = {t:.2}"));
            }
        }
    }
    assert!(significant.is_empty(), "{significant:?}");
}

/// The method detects a difference of 20 µs in 20 ms, with noise ten times as large, and none between equal samples.
#[test]
fn welch_t_detects_a_small_difference_in_noise() {
    let mut random = FixedRandom(7);
    let mut noisy_samples = |offset: f64| -> Vec<f64> {
        (0..SAMPLES)
            .map(|_| 20_000.0 + offset + to_f64(random.below(200)))
            .collect()
    };
    let (first, equal, slower) = (noisy_samples(0.0), noisy_samples(0.0), noisy_samples(20.0));
    assert!(welch_t(&first, &equal).abs() < SIGNIFICANT_T);
    assert!(welch_t(&first, &slower).abs() > SIGNIFICANT_T);
}
