//! `rosterd db backup` and `rosterd db restore` on the private cluster: what of the backup is valid again, and what is not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::binary::{
    ServiceProcess, TempDir, database_settings, expect_error_line, run_rosterd,
};
use crate::support::small_file_system::SmallFileSystem;
use crate::support::{PASSWORD, Schema};

const OTHER_PASSWORD: &str = "seven green ladders near the barn";

type Settings = Vec<(String, String)>;

/// A private cluster with a `SuperAdmin` and a user `ada`.
struct Installation {
    dir: TempDir,
    settings: Settings,
}

/// What was valid when the backup was made.
struct Secrets {
    session: String,
    refresh_token: String,
    personal_token: String,
    client: Value,
    reset_link: String,
    invite: String,
}

impl Installation {
    fn new() -> Self {
        let dir = TempDir::new();
        let mut settings = dir.private_cluster_settings();
        for (name, text) in [
            ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "chief"),
            ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
            ("ROSTERD_REGISTRATION", "invite"),
            // The issuer of tokens stays the same while each process has its own port.
            ("ROSTERD_PUBLIC_URL", "http://localhost:8080"),
        ] {
            settings.push((name.to_owned(), text.to_owned()));
        }
        Self { dir, settings }
    }

    fn backup_file(&self) -> PathBuf {
        self.dir.path().join("backup.dump")
    }

    fn run(&self, line: &str) -> std::process::Output {
        run_rosterd(&line.split(' ').collect::<Vec<_>>(), &self.settings, "")
    }

    #[track_caller]
    fn succeed(&self, line: &str) -> String {
        let output = self.run(line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{line}: {stderr}");
        stderr
    }

    fn restore(&self, flags: &str) -> String {
        let file = self.backup_file();
        self.succeed(&format!("db restore {} --yes{flags}", file.display()))
    }

    /// Starts the service, calls `use_service`, and stops the service.
    fn while_serving<T>(&self, use_service: impl FnOnce(&ServiceProcess) -> T) -> T {
        let mut service = ServiceProcess::start(&self.settings);
        let result = use_service(&service);
        service.signal("-TERM");
        assert!(service.wait_for_exit().success());
        result
    }
}

fn create_secrets(service: &ServiceProcess) -> Secrets {
    let chief = service.token("chief", PASSWORD);
    let post = |path: &str, body: Value| {
        let call = service.post(path).bearer(&chief).json(&body);
        call.send().expect(201).data().clone()
    };
    let ada = post(
        "/api/v1/users",
        json!({"username": "ada", "role": "User", "password": PASSWORD}),
    );
    let ada = format!("/api/v1/users/{}", ada["id"].as_str().unwrap());
    let token = post(
        &format!("{ada}/tokens"),
        json!({"name": "nightly", "permissions": []}),
    );
    let client = post(
        "/api/v1/clients",
        json!({"name": "media", "permissions": []}),
    );
    let link = post(&format!("{ada}/password-reset-link"), json!({}));
    let invite = post("/api/v1/invites", json!({}));
    let body = json!({"username": "ada", "password": PASSWORD});
    let session = service
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Secrets {
        session: text(&session.data()["accessToken"]),
        refresh_token: text(&session.data()["refreshToken"]),
        personal_token: text(&token["token"]),
        client,
        reset_link: text(&link["token"]),
        invite: text(&invite["token"]),
    }
}

/// Statuses of the use of what a restore always ends.
fn use_ended_secrets(service: &ServiceProcess, secrets: &Secrets) -> [u16; 4] {
    let post = |path: &str, body: Value| service.post(path).json(&body).send().status;
    let me = service.get("/api/v1/auth/me").bearer(&secrets.session);
    [
        me.send().status,
        post(
            "/api/v1/auth/refresh",
            json!({"refreshToken": secrets.refresh_token}),
        ),
        post(
            "/api/v1/auth/reset-password",
            json!({"token": secrets.reset_link, "newPassword": OTHER_PASSWORD}),
        ),
        post(
            "/api/v1/auth/register",
            json!({"username": "eve", "password": OTHER_PASSWORD, "inviteToken": secrets.invite}),
        ),
    ]
}

/// Whether ada's password, the client's secret and the personal token are accepted.
fn accepted_credentials(service: &ServiceProcess, secrets: &Secrets) -> [bool; 3] {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        secrets.client["clientId"].as_str().unwrap(),
        secrets.client["clientSecret"].as_str().unwrap()
    );
    let client = service
        .post("/api/v1/oauth/token")
        .body("application/x-www-form-urlencoded", form.as_str());
    let personal = service
        .get("/api/v1/auth/me")
        .bearer(&secrets.personal_token);
    [
        !service.token("ada", PASSWORD).is_empty(),
        client.send().status == 200,
        personal.send().status == 200,
    ]
}

#[test]
fn restore_ends_sessions_links_and_invites_and_optionally_credentials() {
    let installation = Installation::new();
    let file = installation.backup_file();
    let backup = format!("db backup {}", file.display());
    let secrets = installation.while_serving(|service| {
        let secrets = create_secrets(service);
        installation.succeed(&backup);
        // The service uses the cluster.
        let refused = installation.run(&format!("db restore {} --yes", file.display()));
        let line = expect_error_line(&refused);
        assert_eq!(
            line,
            "another rosterd process uses the database: stop it first"
        );
        let create = service
            .post("/api/v1/users")
            .bearer(service.token("chief", PASSWORD));
        let body = json!({"username": "later", "role": "User"});
        create.json(&body).send().expect(201);
        secrets
    });
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let line = expect_error_line(&installation.run(&backup));
    assert!(line.starts_with("can't create the backup file: "), "{line}");

    let message = installation.restore("");
    assert!(message.contains("are those of the backup"), "{message}");
    installation.while_serving(|service| {
        let [me, refresh, reset, register] = use_ended_secrets(service, &secrets);
        assert_eq!((me, refresh), (401, 401));
        assert!(reset >= 400 && register == 403, "{reset} {register}");
        assert_eq!(accepted_credentials(service, &secrets), [true; 3]);
        let chief = service.token("chief", PASSWORD);
        let users = service
            .get("/api/v1/users?count=true")
            .bearer(&chief)
            .send();
        assert_eq!(
            users.expect(200).body["page"]["total"],
            2,
            "later is not in the backup"
        );
    });

    let message = installation.restore(" --end-credentials");
    assert!(
        message.contains("No account has a password now"),
        "{message}"
    );
    let set = run_rosterd(
        &["passwd", "chief", "--password-stdin"],
        &installation.settings,
        &format!("{OTHER_PASSWORD}\n"),
    );
    assert!(set.status.success(), "{set:?}");
    installation.while_serving(|service| {
        assert_eq!(accepted_credentials(service, &secrets), [false; 3]);
        assert_ne!(service.token("chief", OTHER_PASSWORD), "");
    });
}

#[test]
fn failed_restore_leaves_the_database_as_it_was() {
    let installation = Installation::new();
    let secrets = installation.while_serving(create_secrets);
    let file = installation.backup_file();
    fs::write(&file, "not a backup").unwrap();
    let output = installation.run(&format!("db restore {} --yes", file.display()));
    assert_eq!(output.status.code(), Some(1));
    installation.while_serving(|service| {
        let me = service.get("/api/v1/auth/me").bearer(&secrets.session);
        me.send().expect(200);
    });
}

/// `pg_dump` does not notice that the disk is full if only its last buffer does not fit.
#[test]
fn backup_fails_if_the_disk_has_not_enough_space_for_all_of_it() {
    const PAGE: u64 = 4096;
    let installation = Installation::new();
    installation.while_serving(|service| drop(create_secrets(service)));
    let file = installation.backup_file();
    let backup = format!("db backup {}", file.display());
    installation.succeed(&backup);
    let pages = fs::metadata(&file).unwrap().len() / PAGE;
    let disk = installation.dir.path().join("disk");
    let mut failures = 0;
    for pages in pages - 1..=pages + 1 {
        let Some(_small) = SmallFileSystem::mount(&disk, pages * PAGE) else {
            return;
        };
        let file = disk.join("backup.dump");
        let output = installation.run(&format!("db backup {}", file.display()));
        if output.status.success() {
            installation.succeed(&format!("db restore {} --yes", file.display()));
        } else {
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(
                message.contains("No space left") || message.contains("the backup is incomplete"),
                "{message}"
            );
            assert!(!file.exists());
            failures += 1;
        }
    }
    assert!(failures > 0);
}

#[test]
fn backup_and_restore_are_for_the_private_cluster_only() {
    let schema = Schema::new();
    let dir = TempDir::new();
    let file = dir.path().join("backup.dump");
    let line = format!("db backup {}", file.display());
    let arguments: Vec<&str> = line.split(' ').collect();
    let output = run_rosterd(&arguments, &database_settings(&schema), "");
    let line = expect_error_line(&output);
    assert!(line.contains("use pg_dump and pg_restore"), "{line}");
    assert!(line.contains("rosterd auth reset"), "{line}");
    assert!(!file.exists(), "the empty file is removed");
}

/// As on a new machine: only the secret key and the backup are there.
#[test]
fn database_moves_to_a_new_cluster_with_a_backup() {
    let installation = Installation::new();
    installation.while_serving(|service| drop(create_secrets(service)));
    let file = installation.backup_file();
    installation.succeed(&format!("db backup {}", file.display()));
    let data = installation.dir.data_dir();
    fs::rename(data.join("pgdata"), data.join("pgdata.old")).unwrap();
    // The service creates a new cluster, with the same secret key.
    installation.while_serving(|_| ());
    installation.restore("");
    installation.while_serving(|service| {
        for name in ["chief", "ada"] {
            assert_ne!(service.token(name, PASSWORD), "", "{name}");
        }
    });
    let verified = installation.succeed("audit verify");
    assert!(!verified.contains("rosterd: "), "{verified}");
}

/// A new machine whose service has already started, and created a key and a database of its own.
#[test]
fn backup_and_key_replace_those_that_a_new_machine_has_created() {
    let installation = Installation::new();
    installation.while_serving(|service| drop(create_secrets(service)));
    let file = installation.backup_file();
    installation.succeed(&format!("db backup {}", file.display()));
    let data = installation.dir.data_dir();
    let old_data = installation.dir.path().join("old-data");
    fs::rename(&data, &old_data).unwrap();
    installation.while_serving(|_| ());
    let restore = format!("db restore {} --yes", file.display());
    let refused = installation.run(&restore);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("with another secret key"), "{message}");
    assert_eq!(refused.status.code(), Some(1));
    fs::copy(old_data.join("secret-key"), data.join("secret-key")).unwrap();
    installation.succeed(&restore);
    installation.while_serving(|service| assert_ne!(service.token("ada", PASSWORD), ""));
    installation.succeed("audit verify");
}

#[test]
fn upgrade_moves_the_database_to_a_new_cluster_and_keeps_what_is_valid() {
    let installation = Installation::new();
    let secrets = installation.while_serving(|service| {
        let secrets = create_secrets(service);
        let refused = installation.run("db upgrade --rebuild");
        let line = expect_error_line(&refused);
        assert_eq!(
            line,
            "another rosterd process uses the database: stop it first"
        );
        secrets
    });
    let unchanged = installation.succeed("db upgrade");
    assert!(unchanged.contains("has the newest version"), "{unchanged}");
    let data = installation.dir.data_dir();
    let version = fs::read_to_string(data.join("pgdata/PG_VERSION")).unwrap();
    let inode = || fs::metadata(data.join("pgdata")).unwrap().ino();
    let before = inode();
    let moved = installation.succeed("db upgrade --rebuild");
    let old = data.join(format!("pgdata.{}", version.trim()));
    assert!(
        moved.contains(&format!("The old cluster is in {}", old.display())),
        "{moved}"
    );
    assert!(old.join("PG_VERSION").is_file() && inode() != before);
    assert!(!data.join("upgrade").exists() && !data.join("upgrade.dump").exists());
    installation.while_serving(|service| {
        assert_ne!(service.token("chief", PASSWORD), "");
        let me = service.get("/api/v1/auth/me").bearer(&secrets.session);
        me.send().expect(200);
    });
    installation.succeed("audit verify");
    // An earlier cluster is never overwritten.
    let refused = installation.run("db upgrade --rebuild");
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("delete it first"), "{message}");
    installation.while_serving(|service| assert_ne!(service.token("ada", PASSWORD), ""));
}
