//! Secrets in `/proc` and core dumps.

use crate::support::binary::{ServiceProcess, TempDir, database_settings};
use crate::support::{Schema, wait_until};

fn read_proc_file(pid: u32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

// SECURITY: J10
#[test]
fn process_arguments_and_core_dumps_reveal_no_secret() {
    let folder = TempDir::new();
    let schema = Schema::new();
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut secrets = Vec::new();
    for (name, text) in database_settings(&schema) {
        if name == "DATABASE_URL" || name == "ROSTERD_SECRET_KEY" {
            let path = folder.path().join(&name);
            std::fs::write(&path, &text).unwrap();
            settings.push((format!("{name}_FILE"), path.to_str().unwrap().to_owned()));
            secrets.push(text);
        } else {
            settings.push((name, text));
        }
    }
    let mut service = ServiceProcess::start(&settings);
    for file in ["cmdline", "environ"] {
        let text = read_proc_file(service.pid(), file);
        assert!(!text.is_empty());
        for secret in &secrets {
            assert!(!text.contains(secret), "{file}");
        }
    }
    let limits = read_proc_file(service.pid(), "limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let limits_in_bytes: Vec<&str> = core
        .split_whitespace()
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert_eq!(limits_in_bytes, ["0", "0"], "{core}");
    service.signal("-ABRT");
    let exit_status = service.wait_for_exit();
    let signal = std::os::unix::process::ExitStatusExt::signal(&exit_status);
    let core_dumped = std::os::unix::process::ExitStatusExt::core_dumped(&exit_status);
    assert_eq!((signal, core_dumped), (Some(6), false));
}

// SECURITY: J10
#[test]
fn private_cluster_password_is_not_visible_in_proc() {
    let folder = TempDir::new();
    let mut service = ServiceProcess::start(&folder.private_cluster_settings());
    let first_password = service.generated_password();
    let password = std::fs::read_to_string(folder.data_dir().join("password")).unwrap();
    let mut pids = vec![service.pid()];
    wait_until(|| folder.postmaster_pid().is_some());
    pids.extend(folder.postmaster_pid());
    for pid in pids {
        for file in ["cmdline", "environ"] {
            let text = read_proc_file(pid, file);
            assert!(!text.contains(password.trim()), "{file}");
            assert!(!text.contains(&first_password), "{file}");
        }
    }
}
