//! Whether the time of a refused sign-in tells what is wrong with it. Takes minutes, so it is left to `make test-long`.
//!
//! The method is that of dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017): classes in random
//! order within each block, so that whatever else the machine does falls on all of them alike; the slowest tenth of all
//! samples cropped at one threshold for all classes, for it is other programs' doing; then Welch's t between each two.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

/// A difference beyond this is one (the threshold of dudect and of ISO/IEC 17825).
const LIMIT: f64 = 4.5;
const SAMPLES: usize = 2_000;
const WARMING_UP: usize = 60;
/// Of a thousand samples, how many are kept.
const KEPT: usize = 900;

/// What is wrong, and how an account of that kind differs from a good one.
const CLASSES: [(&str, Option<&str>); 4] = [
    ("unknown", None),
    ("wrong", Some("version = 1")),
    ("disabled", Some("is_active = false")),
    ("passwordless", Some("password_hash = NULL")),
];

/// Numbers without a pattern, the same in each run.
struct Dice(u64);

impl Dice {
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

/// One account for each sample, so that no throttle speaks; inserted in turns, so that no class lies together on disk.
fn accounts(app: &TestApp) {
    app.user("model", "User", &[]);
    app.execute(&format!(
        "INSERT INTO users (id, username, role, password_hash, created_at, updated_at) \
         SELECT gen_random_uuid(), class || n, 'User', password_hash, now(), now() \
         FROM users, generate_series(1, {}) n, unnest('{{wrong,disabled,passwordless}}'::text[]) class \
         WHERE username = 'model' ORDER BY n, random()",
        SAMPLES + WARMING_UP
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

/// Microseconds from the call to the whole answer, which is the same for everybody.
fn refused(app: &TestApp, name: &str, source: usize) -> f64 {
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
    let began = Instant::now();
    let answer = call.send();
    let took = began.elapsed().as_secs_f64() * 1e6;
    let mut body = answer.expect_problem(401, "auth_invalid_credentials").body;
    body["traceId"] = Value::Null;
    let told = json!({
        "type": "urn:rosterd:problem:auth_invalid_credentials", "status": 401, "code": "auth_invalid_credentials",
        "title": "The name or the password is wrong", "detail": "The name or the password is wrong",
        "errors": [], "traceId": null,
    });
    assert_eq!(body, told);
    took
}

fn number(count: usize) -> f64 {
    u32::try_from(count).unwrap().into()
}

fn mean_and_variance(samples: &[f64]) -> (f64, f64) {
    let count = number(samples.len());
    let mean = samples.iter().sum::<f64>() / count;
    let squares = samples
        .iter()
        .map(|sample| (sample - mean).powi(2))
        .sum::<f64>();
    (mean, squares / (count - 1.0))
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let ((mean, variance), (others, their_variance)) =
        (mean_and_variance(one), mean_and_variance(other));
    (mean - others) / (variance / number(one.len()) + their_variance / number(other.len())).sqrt()
}

#[test]
#[ignore = "takes minutes"]
fn d01_the_time_of_a_refused_sign_in_tells_nothing() {
    let app = TestApp::with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    accounts(&app);
    let mut dice = Dice(0x5eed);
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); CLASSES.len()];
    let mut source = 0;
    for block in 1..=SAMPLES + WARMING_UP {
        let mut order: Vec<usize> = (0..CLASSES.len()).collect();
        dice.shuffle(&mut order);
        for class in order {
            source += 1;
            let took = refused(&app, &format!("{}{block}", CLASSES[class].0), source);
            if block > WARMING_UP {
                samples[class].push(took);
            }
        }
    }
    let mut all: Vec<f64> = samples.concat();
    all.sort_by(f64::total_cmp);
    let threshold = all[all.len() * KEPT / 1000];
    for class in &mut samples {
        class.retain(|sample| *sample < threshold);
    }
    let mut far = Vec::new();
    for (index, (name, _)) in CLASSES.iter().enumerate() {
        let (mean, variance) = mean_and_variance(&samples[index]);
        eprintln!(
            "{name}: {mean:.0} ± {:.0} µs of {}",
            variance.sqrt(),
            samples[index].len()
        );
        for (other, (others, _)) in CLASSES.iter().enumerate().skip(index + 1) {
            let t = welch(&samples[index], &samples[other]);
            eprintln!("{name} and {others}: t = {t:.2}");
            if t.abs() >= LIMIT {
                far.push(format!("{name} and {others}: t = {t:.2}"));
            }
        }
    }
    assert!(far.is_empty(), "{far:?}");
}

/// That the method sees what it looks for: a fiftieth of a millisecond in twenty, under noise ten times as large.
#[test]
fn a_difference_is_seen_and_none_is_not() {
    let mut dice = Dice(7);
    let mut noisy = |more: f64| -> Vec<f64> {
        (0..SAMPLES)
            .map(|_| 20_000.0 + more + number(dice.below(200)))
            .collect()
    };
    let (one, same, slower) = (noisy(0.0), noisy(0.0), noisy(20.0));
    assert!(welch(&one, &same).abs() < LIMIT);
    assert!(welch(&one, &slower).abs() > LIMIT);
}
