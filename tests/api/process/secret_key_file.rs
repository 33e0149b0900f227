//! The file of the secret key: who may own and change it, and what happens when it is missing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use rosterd::platform::db::private_cluster::is_root;

use crate::support::binary::{
    ServiceProcess, TempDir, database_settings, expect_error_line, run_rosterd,
};
use crate::support::{PASSWORD, SECRET_KEY, Schema};

type Settings = Vec<(String, String)>;

/// The line that the service prints before it exits.
#[track_caller]
fn start_error(settings: &Settings) -> String {
    let mut all = vec![("ROSTERD_ADDR".to_owned(), "127.0.0.1:0".to_owned())];
    all.extend(settings.iter().cloned());
    expect_error_line(&run_rosterd(&["serve"], &all, ""))
}

#[test]
fn missing_key_beside_an_existing_database_is_an_error_and_is_not_replaced() {
    let dir = TempDir::new();
    let settings = dir.private_cluster_settings();
    drop(ServiceProcess::start(&settings));
    let path = dir.data_dir().join("secret-key");
    let key = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();

    let line = start_error(&settings);
    assert!(
        line.contains("secret-key is missing, but the database exists"),
        "{line}"
    );
    assert!(!path.exists());
    let line = expect_error_line(&run_rosterd(&["users", "ls"], &settings, ""));
    assert!(line.contains("is missing"), "{line}");

    // The key can also be given in the environment.
    let mut with_key = settings.clone();
    with_key.push(("ROSTERD_SECRET_KEY".to_owned(), key.clone()));
    drop(ServiceProcess::start(&with_key));
    fs::write(&path, key).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    drop(ServiceProcess::start(&settings));
}

#[test]
fn key_file_that_others_can_change_is_refused() {
    let schema = Schema::new();
    let dir = TempDir::new();
    let path = dir.path().join("key");
    fs::write(&path, SECRET_KEY).unwrap();
    let mut settings = database_settings(&schema);
    settings.retain(|(name, _)| name != "ROSTERD_SECRET_KEY");
    let path_text = path.to_str().unwrap().to_owned();
    settings.push(("ROSTERD_SECRET_KEY_FILE".to_owned(), path_text));

    for mode in [0o660, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let line = start_error(&settings);
        let expected = format!(
            "ROSTERD_SECRET_KEY_FILE: other users can write to the file (mode {mode:o}); run `chmod 600` on it"
        );
        assert_eq!(line, expected);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
    drop(ServiceProcess::start(&settings));
    // Only root can give a file to another user.
    if is_root() {
        chown(&path, Some(4242), None).unwrap();
        let line = start_error(&settings);
        assert!(
            line.starts_with("ROSTERD_SECRET_KEY_FILE: the file belongs to the user with uid 4242"),
            "{line}"
        );
        assert!(!line.contains(SECRET_KEY));
    }
}

#[test]
fn key_file_of_the_private_cluster_that_others_can_change_is_refused() {
    let dir = TempDir::new();
    let settings = dir.private_cluster_settings();
    drop(ServiceProcess::start(&settings));
    let path = dir.data_dir().join("secret-key");
    fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
    let line = start_error(&settings);
    assert!(line.contains("other users can write to the file"), "{line}");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        chown(&path, Some(4242), None).unwrap();
        let line = start_error(&settings);
        assert!(line.contains("belongs to the user with uid 4242"), "{line}");
    }
}

#[test]
fn running_as_root_is_warned_of_with_the_remedy() {
    let service = ServiceProcess::start(&database_settings(&Schema::new()));
    let output = service.output().join("\n");
    assert_eq!(output.contains("User=rosterd"), is_root(), "{output}");
}

/// The steps of the operating guide, under "Replacing the secret key".
#[test]
fn key_of_the_private_cluster_is_replaced_by_a_new_file() {
    let dir = TempDir::new();
    let mut settings = dir.private_cluster_settings();
    settings.push((
        "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD".to_owned(),
        PASSWORD.to_owned(),
    ));
    settings.push((
        "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME".to_owned(),
        "chief".to_owned(),
    ));
    let while_serving = |settings: &Settings, use_service: &dyn Fn(&ServiceProcess)| {
        let mut service = ServiceProcess::start(settings);
        use_service(&service);
        service.signal("-TERM");
        assert!(service.wait_for_exit().success());
    };
    while_serving(&settings, &|service| drop(service.token("chief", PASSWORD)));
    let (path, new_path) = (
        dir.data_dir().join("secret-key"),
        dir.data_dir().join("secret-key.new"),
    );
    fs::write(&new_path, format!("{SECRET_KEY}\n")).unwrap();
    fs::set_permissions(&new_path, Permissions::from_mode(0o600)).unwrap();

    let guide = include_str!("../../../docs/operate.md");
    let mut both_keys = settings.clone();
    for name in [
        "ROSTERD_SECRET_KEY_FILE",
        "ROSTERD_SECRET_KEY_PREVIOUS_FILE",
    ] {
        let prefix = format!("\n{name}=/var/lib/rosterd/data/");
        let (_, rest) = guide.split_once(&prefix).unwrap();
        let file = dir.data_dir().join(rest.lines().next().unwrap());
        both_keys.push((name.to_owned(), file.to_str().unwrap().to_owned()));
    }
    while_serving(&both_keys, &|_| {
        let output = run_rosterd(&["secret-key", "rotate"], &both_keys, "");
        assert!(output.status.success(), "{output:?}");
    });

    let line = start_error(&settings);
    assert!(line.contains("another ROSTERD_SECRET_KEY"), "{line}");
    fs::rename(&new_path, &path).unwrap();
    while_serving(&settings, &|service| {
        assert_ne!(service.token("chief", PASSWORD), "");
    });
    let verified = run_rosterd(&["audit", "verify"], &settings, "");
    assert!(verified.status.success(), "{verified:?}");
}
