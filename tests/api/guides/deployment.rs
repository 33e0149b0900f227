//! The files in `deploy/`: units for systemd, a dashboard and alert rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{OPERATE, shell_blocks};
use crate::support::binary::{ServiceProcess, TempDir, settings_with_administrator};
use crate::support::programs::free_port;
use crate::support::{RequestBuilder, Schema};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

/// The names of metrics in a text, without the suffixes of histograms.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| {
            ["rosterd_", "http_", "process_"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
        })
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
        .collect()
}

#[test]
fn every_metric_of_the_dashboard_and_of_the_alert_rules_exists() {
    let directory = TempDir::new();
    let port = free_port();
    let mut settings = directory.private_cluster_settings();
    let metrics_addr = format!("127.0.0.1:{port}");
    settings.push(("ROSTERD_METRICS_ADDR".to_owned(), metrics_addr.clone()));
    let service = ServiceProcess::start(&settings);
    let login = serde_json::json!({"username": "ada", "password": "not the password"});
    service
        .post("/api/v1/auth/login")
        .json(&login)
        .send()
        .expect(401);
    let agent = ureq::Agent::new_with_defaults();
    let scrape = || {
        let page = RequestBuilder::new(&agent, "GET", &format!("http://{metrics_addr}/metrics"));
        page.send().text
    };
    let existing = metric_names(&scrape());
    for file in [
        "monitoring/rosterd.rules.yml",
        "monitoring/grafana-dashboard.json",
    ] {
        let used = metric_names(&fs::read_to_string(deploy(file)).unwrap());
        assert!(used.len() > 5, "{file}");
        let missing: Vec<_> = used.difference(&existing).collect();
        assert!(missing.is_empty(), "{file}: {missing:?}");
    }
}

#[test]
fn successful_probes_are_not_logged() {
    let (mut service, _schema) = {
        let schema = Schema::new();
        let mut settings = settings_with_administrator(&schema);
        settings.push(("ROSTERD_LOG".to_owned(), "info".to_owned()));
        (ServiceProcess::start(&settings), schema)
    };
    service.get("/livez").send().expect(200);
    service.get("/readyz").send().expect(200);
    service.get("/healthz").send().expect(404);
    service.wait_for_output("request completed");
    let probes = |line: &String| line.contains("/livez") || line.contains("/readyz");
    assert_eq!(service.output().into_iter().find(probes), None);
}

#[test]
fn dashboard_is_json_with_a_query_in_each_panel() {
    let text = fs::read_to_string(deploy("monitoring/grafana-dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(panel["targets"][0]["expr"].is_string(), "{panel}");
    }
}

#[test]
fn systemd_accepts_the_units() {
    // A container has no systemd, and `scripts/setup` does not install an init system.
    let program = Path::new("/usr/bin/systemd-analyze");
    if !program.exists() {
        eprintln!("skipped: systemd is not installed");
        return;
    }
    let directory = TempDir::new();
    let copies = [
        "rosterd.service",
        "rosterd-backup.service",
        "rosterd-backup.timer",
        "rosterd-check.service",
        "rosterd-check.timer",
    ]
    .map(|name| {
        let unit = fs::read_to_string(deploy(&format!("systemd/{name}"))).unwrap();
        // The program that a unit starts must exist.
        let unit = unit.replace("/usr/local/bin/rosterd", env!("CARGO_BIN_EXE_rosterd"));
        let copy = directory.path().join(name);
        fs::write(&copy, unit).unwrap();
        copy
    });
    let verify = Command::new(program)
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(copies)
        .output()
        .unwrap();
    let errors = String::from_utf8(verify.stderr).unwrap();
    assert!(verify.status.success() && errors.is_empty(), "{errors}");
}

/// As `systemd-analyze security` rates a unit, in tenths: 0 is the best.
#[test]
fn units_give_their_processes_few_privileges() {
    let program = Path::new("/usr/bin/systemd-analyze");
    if !program.exists() {
        eprintln!("skipped: systemd is not installed");
        return;
    }
    for name in [
        "rosterd.service",
        "rosterd-backup.service",
        "rosterd-check.service",
    ] {
        let rating = Command::new(program)
            .args(["security", "--offline=yes", "--threshold=25", "--no-pager"])
            .arg(deploy(&format!("systemd/{name}")))
            .output()
            .unwrap();
        let text = String::from_utf8(rating.stdout).unwrap();
        assert!(rating.status.success(), "{text}");
    }
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path())
            } else {
                vec![entry.path()]
            }
        })
        .collect()
}

#[test]
fn installation_steps_install_all_files_and_removal_steps_remove_them() {
    let directory = TempDir::new();
    let root = directory.path().join("root");
    for existing in [
        "usr/local/bin",
        "etc/systemd/system",
        "usr/lib",
        // These are created by systemd-tmpfiles and by the service.
        "etc/rosterd",
        "var/backups/rosterd",
        "var/lib/rosterd",
    ] {
        fs::create_dir_all(root.join(existing)).unwrap();
    }
    let program = directory.path().join("rosterd");
    fs::write(&program, "").unwrap();
    let steps: Vec<String> = shell_blocks(OPERATE, "Under systemd")
        .iter()
        .flat_map(|block| block.lines())
        .map(|line| line.split(" #").next().unwrap().trim())
        .map(|line| {
            line.replace(" /", &format!(" {}/", root.display()))
                .replace("-o root -g rosterd ", "")
                .replace("target/release/rosterd", program.to_str().unwrap())
                .replace(
                    "rosterd man",
                    &format!("{} man", env!("CARGO_BIN_EXE_rosterd")),
                )
        })
        .collect();
    let run = |is_step: fn(&str) -> bool| {
        let script: Vec<&str> = steps
            .iter()
            .map(String::as_str)
            .filter(|line| is_step(line))
            .collect();
        let status = Command::new("sh")
            .args(["-euc", &script.join("\n")])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(status.unwrap().success(), "{script:?}");
    };

    run(|line| line.starts_with("install ") || line.contains("rosterd man "));
    let installed = files(&root);
    let contents: Vec<Vec<u8>> = installed
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    for file in files(&deploy("systemd")) {
        assert!(
            contents.contains(&fs::read(&file).unwrap()),
            "{}",
            file.display()
        );
    }
    for path in [
        "usr/local/bin/rosterd",
        "etc/rosterd/rosterd.env",
        "usr/local/share/man/man1/rosterd.1",
    ] {
        assert!(root.join(path).is_file(), "{path}");
    }

    run(|line| line.starts_with("rm ") && !line.contains("first-password"));
    assert_eq!(files(&root), Vec::<PathBuf>::new());
    assert!(!root.join("var/lib/rosterd").exists());
}

#[test]
fn settings_for_systemd_are_known_to_the_program() {
    let example = fs::read_to_string(deploy("../.env.example")).unwrap();
    let settings = fs::read_to_string(deploy("systemd/rosterd.env")).unwrap();
    let lines: Vec<&str> = settings
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(lines.len() > 2);
    for line in lines {
        let (name, _) = line.split_once('=').unwrap();
        assert!(example.contains(&format!("#{name}=")), "{name}");
    }
}
