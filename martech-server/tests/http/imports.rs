//! `martech-server import`, as the real program runs it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use crate::harness::Server;

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martech-server"));
    let inherited = std::env::vars_os().map(|(name, _)| name);
    inherited.filter(|name| name.to_string_lossy().starts_with("MARTECH_")).for_each(|name| {
        command.env_remove(name);
    });
    command.current_dir(dir);
    command
}

/// Returns the exit code, standard output and standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn import(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(&program(dir).arg("import").args(arguments).output().unwrap())
}

/// Returns the code block of docs/import.md that begins with `begin`, and the block after it.
fn documentation(begin: &str) -> (String, String) {
    let documentation = include_str!("../../../docs/import.md");
    let at = documentation.find(begin).unwrap();
    let mut blocks = documentation[at..].split("```");
    let command = blocks.next().unwrap();
    let answer = blocks.nth(1).unwrap().strip_prefix("text\n").unwrap();
    (command.to_owned(), answer.to_owned())
}

#[test]
fn documented_example_prints_the_documented_output() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_martech-server")).parent().unwrap();
    let path = std::env::join_paths(
        [binary.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let (command, answer) = documentation("cat > orders.csv");
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &command]).current_dir(dir.path()).env("PATH", path.unwrap());
    let (code, said, errors) = told(&shell.output().unwrap());
    assert_eq!((code, &*errors), (0, ""), "{said}");
    let without_time = |text: &str| text.rsplit_once(" in ").map(|(text, _)| text.to_owned());
    assert_eq!(without_time(&said), without_time(&answer));

    let first = import(dir.path(), &["orders.csv", "--delimiter", ";", "--map", "userId=customer", "--dry-run"]);
    assert_eq!(first.0, 2, "without the flags of the example, no row can be read: {}", first.1);
}

#[test]
fn exits_with_2_when_too_many_rows_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let row = |user: usize, day: &str| format!("u{user},search,{day}\n");
    let rows = |bad: usize| -> String {
        let day = |n| if n < bad { "soon" } else { "2026-01-01" };
        (0..20).map(|n| row(n, day(n))).collect()
    };
    for (bad, code) in [(0, 0), (2, 0), (3, 2), (20, 2)] {
        fs::write(dir.path().join("a.csv"), format!("userId,type,occurredAt\n{}", rows(bad))).unwrap();
        let (ended, said, errors) = import(dir.path(), &["a.csv"]);
        assert_eq!(ended, code, "{bad}: {said} {errors}");
        assert!(said.contains("20 read, "), "{said}");
        assert_eq!(
            errors.contains(&format!("  {bad} records: invalid_time (occurredAt): \"soon\" is")),
            code == 2,
            "{errors}"
        );
        assert_eq!(dir.path().join("a.csv.rejects.ndjson").exists(), bad > 0, "rejects go to a file next to the input");
    }
}

#[test]
fn fails_at_once_when_the_server_is_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.ndjson"), "{}").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for dry_run in [None, Some("--dry-run")] {
        let url = format!("http://{closed}");
        let args: Vec<_> = ["a.ndjson", "--url", &url].into_iter().chain(dry_run).collect();
        let (code, _, errors) = import(dir.path(), &args);
        assert_eq!(code, 1);
        assert!(errors.contains(&format!("cannot reach {url}")), "{errors}");
    }
    assert!(!dir.path().join("a.ndjson.rejects.ndjson").exists(), "the file was not read");
}

/// The server lists the first hundred results in full, and only the indices of the others.
#[tokio::test(flavor = "multi_thread")]
async fn understands_summarized_results_of_large_batches() {
    let server = Server::start().await;
    let rows: String =
        (0..500).map(|n| format!("u{n},{},2026-01-01\n", if n % 5 == 0 { "dance" } else { "search" })).collect();
    fs::write(server.dir.path().join("a.csv"), format!("userId,type,occurredAt\n{rows}")).unwrap();
    for counts in
        ["500 read, 400 stored, 0 duplicates, 100 rejected", "500 read, 0 stored, 400 duplicates, 100 rejected"]
    {
        let mut command = program(server.dir.path());
        command.args(["import", "a.csv", "--max-rejects", "20", "--url", &format!("http://{}", server.addr)]);
        command.env("MARTECH_TOKEN", &server.token);
        let (code, said, errors) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
        assert!(code == 0 && said.contains(counts), "{said} {errors}");
        let rejects = fs::read_to_string(server.dir.path().join("a.csv.rejects.ndjson")).unwrap();
        let lines = rejects
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].as_u64().unwrap());
        assert!(lines.eq((0..100).map(|n| n * 5 + 2)));
        assert!(rejects.lines().all(|line| line.contains(r#""code":"unknown_type""#)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_unknown_projects_and_tokens() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let made = server
        .send_json("POST", "/admin/projects", &[("authorization", &authorization)], &json!({"id": "berlin"}))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let event = r#"{"userId":"u","type":"search","occurredAt":"2026-01-01"}"#;
    fs::write(server.dir.path().join("a.ndjson"), event).unwrap();
    let url = format!("http://{}", server.addr);
    let import_into = |dir: &Path, project: &str, token: &str, url: Option<&str>| {
        let mut command = program(dir);
        command.args(["import", "a.ndjson", "--project", project, "--data-dir", "."]);
        if let Some(url) = url {
            command.args(["--url", url]);
        }
        if !token.is_empty() {
            command.env("MARTECH_TOKEN", token);
        }
        tokio::task::spawn_blocking(move || told(&command.output().unwrap()))
    };
    let (code, _, errors) = import_into(server.dir.path(), "hamburg", &server.token, Some(&url)).await.unwrap();
    assert_eq!(code, 1);
    assert!(errors.contains("there is no project hamburg; existing projects: berlin, default"), "{errors}");
    // Without a token, the server accepts the events as those of a public sender. A misspelled token must fail instead.
    let short = &server.token[..server.token.len() - 1];
    let (code, _, errors) = import_into(server.dir.path(), "default", short, Some(&url)).await.unwrap();
    assert!(code == 1 && errors.contains("rejected the token in MARTECH_TOKEN"), "{errors}");
    assert!(!errors.contains(short));
    for (token, project, expected) in [
        ("mt_write_unknown", "default", "refuses events with 401: unknown or revoked key"),
        ("", "hamburg", "refuses events with 404: there is no project hamburg"),
    ] {
        let (code, _, errors) = import_into(server.dir.path(), project, token, Some(&url)).await.unwrap();
        assert!(code == 1 && errors.contains(expected), "{errors}");
    }
    let (code, said, errors) = import_into(server.dir.path(), "berlin", &server.token, Some(&url)).await.unwrap();
    assert_eq!(code, 0, "{said} {errors}");
    let dir = server.stopped().await;
    let (code, _, errors) = import_into(dir.path(), "hamburg", "", None).await.unwrap();
    assert!(code == 1 && errors.contains("existing projects: berlin, default"), "{errors}");
}
