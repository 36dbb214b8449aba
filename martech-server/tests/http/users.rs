//! `martech-server user`, with a running server and without one.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use martech_core::fs::{Disk, FileSystem};

use crate::harness::Server;

const CHEAP: [&str; 4] = ["--password-memory", "512KiB", "--password-passes", "1"];

fn user(dir: &Path, url: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martech-server"));
    command.arg("user").args(CHEAP).args(arguments).args(["--url", url]).arg("--data-dir").arg(dir);
    let mut running = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("MARTECH_ADMIN_TOKEN")
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    running.wait_with_output().unwrap()
}

/// The configured token differs from the one in the data folder.
#[tokio::test(flavor = "multi_thread")]
async fn reads_the_token_from_a_variable_or_file() {
    let server = Server::start_with(&["--admin-token", "a-token-of-my-own"]).await;
    let (dir, url) = (server.dir.path().to_owned(), format!("http://{}", server.addr));
    let list = move |variable: &'static str, content: &'static str| {
        let (url, dir) = (url.clone(), dir.clone());
        tokio::task::spawn_blocking(move || {
            std::fs::write(dir.join("a-secret"), content).unwrap();
            let value =
                if variable.ends_with("_FILE") { dir.join("a-secret").into_os_string() } else { content.into() };
            let mut command = Command::new(env!("CARGO_BIN_EXE_martech-server"));
            command.args(["user", "list", "--url", &url]).arg("--data-dir").arg(&dir);
            command.env_remove("MARTECH_ADMIN_TOKEN").env(variable, value).output().unwrap()
        })
    };
    for variable in ["MARTECH_ADMIN_TOKEN", "MARTECH_ADMIN_TOKEN_FILE"] {
        said(&list(variable, "a-token-of-my-own").await.unwrap());
        let wrong = refused(&list(variable, "a-token-of-others").await.unwrap());
        assert!(wrong.contains("the server refused the request"), "{wrong}");
    }
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs every subcommand, on the accounts of a server or of a folder.
fn walk(dir: &Path, url: &str) {
    let user = |arguments: &[&str], input: &str| user(dir, url, arguments, input);
    let made = said(&user(&["add", "Olga@shop.example", "--name", "Olga"], ""));
    assert!(made.contains("olga@shop.example is owner") && made.contains("password: "), "{made}");
    let ann = said(&user(&["add", "ann@shop.example", "--role", "admin", "--password-stdin"], "correct horse\n"));
    assert_eq!(ann, "ann@shop.example is admin\n");
    assert!(refused(&user(&["add", "ann@shop.example"], "")).contains("already exists"));
    assert!(refused(&user(&["add", "ben@shop.example", "--password-stdin"], "short\n")).contains("at least 8"));
    assert!(refused(&user(&["add", "ben"], "")).contains("name@example.com"));
    let nowhere = refused(&user(&["add", "ben@shop.example", "--project", "nowhere"], ""));
    assert!(nowhere.contains("there is no project nowhere"), "{nowhere}");

    assert_eq!(said(&user(&["role", "ann@shop.example", "analyst"], "")), "ann@shop.example is analyst\n");
    let list = said(&user(&["list"], ""));
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines.len() == 2 && lines[1].starts_with("ann@shop.example     ") && lines[1].contains("analyst"),
        "{list}"
    );
    assert!(
        lines[0].starts_with("olga@shop.example") && lines[0].contains("owner") && lines[0].ends_with("Olga"),
        "{list}"
    );
    assert!(refused(&user(&["remove", "olga@shop.example"], "")).contains("needs an owner"));
    assert!(said(&user(&["passwd", "ANN@shop.example"], "")).contains("password: "));
    said(&user(&["remove", "ann@shop.example"], ""));
    assert!(refused(&user(&["passwd", "ann@shop.example"], "")).contains("no account for ann@shop.example"));
    let list: serde_json::Value = serde_json::from_str(&said(&user(&["list", "--json"], ""))).unwrap();
    assert_eq!(list["members"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_accounts_in_the_folder_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    walk(dir.path(), "http://127.0.0.1:1");
    // A server that starts later has the accounts and the audit log.
    let server = Server::start_in(dir, &CHEAP).await;
    let audit = server.get("/admin/audit").await;
    let entries = audit.json["entries"].as_array().unwrap().iter();
    let done: Vec<_> = entries.map(|entry| [&entry["actor"], &entry["action"], &entry["detail"]]).collect();
    assert_eq!(done[0], ["shell", "memberRemoved", "ann@shop.example"], "{}", audit.text);
    assert!(done.iter().any(|entry| entry[2] == "ann@shop.example: analyst"), "{}", audit.text);
    assert_eq!(server.get("/admin/members").await.json["members"][0]["role"], "owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_accounts_through_a_running_server() {
    let server = Server::start_with(&CHEAP).await;
    let (dir, url) = (server.dir.path().to_owned(), format!("http://{}/", server.addr));
    let elsewhere = dir.clone();
    tokio::task::spawn_blocking(move || walk(&dir, &url)).await.unwrap();
    let told = tokio::task::spawn_blocking(move || refused(&user(&elsewhere, "http://127.0.0.1:1", &["list"], "")));
    assert!(told.await.unwrap().contains("--url sets its address"));
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_project_role_keeps_the_account() {
    let server = Server::start_with(&CHEAP).await;
    let authorization = format!("Bearer {}", server.token);
    let project = serde_json::json!({ "id": "berlin" });
    let made = server.send_json("POST", "/admin/projects", &[("authorization", &authorization)], &project).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (dir, url) = (server.dir.path().to_owned(), format!("http://{}", server.addr));
    tokio::task::spawn_blocking(move || give_and_take(&dir, &url, "ann@shop.example")).await.unwrap();
    give_and_take(server.stopped().await.path(), "http://127.0.0.1:1", "ben@shop.example");
}

fn give_and_take(dir: &Path, url: &str, email: &str) {
    let user = |arguments: &[&str]| user(dir, url, arguments, "");
    if !said(&user(&["list"])).contains("owner") {
        said(&user(&["add", "olga@shop.example"]));
    }
    said(&user(&["add", email]));
    said(&user(&["role", email, "admin", "--project", "berlin"]));
    assert!(said(&user(&["list", "--project", "berlin"])).contains("admin"));
    let removed = said(&user(&["remove", email, "--project", "berlin"]));
    assert_eq!(removed, format!("{email} no longer has a role in berlin\n"));
    assert!(!said(&user(&["list", "--project", "berlin"])).contains("admin"));
    assert!(said(&user(&["list"])).contains(email), "the account remains");
}

#[test]
fn creates_no_accounts_in_wrong_or_locked_folders() {
    let dir = tempfile::tempdir().unwrap();
    let typo = dir.path().join("dta");
    let told = refused(&user(&typo, "http://127.0.0.1:1", &["list"], ""));
    assert!(told.contains("dta") && !typo.exists(), "{told}");
    // A server that uses the folder may keep its accounts elsewhere, and would not read what is written here.
    let _server = Disk.lock(&dir.path().join("LOCK")).unwrap();
    std::fs::write(dir.path().join("admin-token"), "a-token-of-its-own").unwrap();
    let told = refused(&user(dir.path(), "http://127.0.0.1:1", &["add", "ann@shop.example"], ""));
    assert!(told.contains("--url sets its address") && !dir.path().join("accounts.redb").exists(), "{told}");
}

/// The umask of the shell has no effect.
#[test]
fn creates_private_files_whatever_the_umask() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let program = env!("CARGO_BIN_EXE_martech-server");
    let line = format!(
        "umask 000; exec {program} user --password-memory 512KiB add olga@shop.example --data-dir {}",
        data.display()
    );
    said(&Command::new("sh").args(["-c", &line]).env_remove("MARTECH_ADMIN_TOKEN").output().unwrap());
    let events = dir.path().join("events.ndjson");
    std::fs::write(&events, "{\"userId\":\"u1\",\"type\":\"page_view\",\"occurredAt\":\"2026-01-05T10:00:00Z\"}\n")
        .unwrap();
    let line = format!("umask 000; exec {program} import {} --data-dir {}", events.display(), data.display());
    said(&Command::new("sh").args(["-c", &line]).output().unwrap());
    let (mut seen, mut dirs) = (0, vec![data]);
    while let Some(dir) = dirs.pop() {
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => dirs.push(entry.path()),
                false => {
                    assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{}", entry.path().display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 3, "accounts, a lock and events: {seen}");
}
