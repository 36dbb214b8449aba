//! Settings, as the real program reads them.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

const TOKEN: &str = "a-token-that-nobody-may-see";

fn program(variables: &[(&str, &str)]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_martech-server"));
    let inherited = std::env::vars_os().map(|(name, _)| name);
    inherited.filter(|name| name.to_string_lossy().starts_with("MARTECH_")).for_each(|name| {
        program.env_remove(name);
    });
    program.envs(variables.iter().copied());
    program
}

fn check(variables: &[(&str, &str)], flags: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(variables).arg("check").args(flags).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn check_prints_settings_without_secrets_or_side_effects() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    let data_dir = data.to_str().unwrap();
    let variables = [
        ("MARTECH_ADMIN_TOKEN", TOKEN),
        ("MARTECH_STORE", "mongodb://user:secret@localhost/shop"),
        ("MARTECH_DATA_DIR", data_dir),
        ("MARTECH_QUEUE_EVENT", "7"),
    ];
    let (code, shown, told) = check(&variables, &["--currency", "EUR"]);
    assert_eq!(code, 0, "{told}");
    for line in [
        "MARTECH_CURRENCY=EUR ",
        "MARTECH_ADDR=127.0.0.1:3000 ",
        "MARTECH_ADMIN_TOKEN=(hidden) ",
        "MARTECH_STORE=(hidden) ",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} {shown}");
    }
    let source =
        |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().rsplit("# ").next().unwrap().to_owned();
    let sources = ["MARTECH_CURRENCY", "MARTECH_ADMIN_TOKEN", "MARTECH_ADDR"].map(source);
    assert_eq!(sources, ["command line", "environment", "default"]);
    assert!(!shown.contains(TOKEN) && !shown.contains("secret"), "{shown}");
    assert!(told.contains("MARTECH_QUEUE_EVENT is not a setting; did you mean MARTECH_QUEUE_EVENTS?"), "{told}");
    assert_eq!(entries(dir.path()), 0, "`check` creates nothing");
}

#[test]
fn check_tolerates_a_closed_pipe() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let Output { status, stderr, .. } = program(&[]).arg("check").stdout(writer).output().unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn check_reports_all_conflicts_and_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let nowhere = dir.path().join("nowhere");
    let variables = [
        ("MARTECH_STORE_FILE", nowhere.to_str().unwrap()),
        ("MARTECH_SESSION_IDLE", "3h"),
        ("MARTECH_SESSION_MAX", "2h"),
        ("MARTECH_TLS_CERT", nowhere.to_str().unwrap()),
        ("MARTECH_DATA_DIR", file.to_str().unwrap()),
    ];
    let (code, shown, told) = check(&variables, &[]);
    assert_eq!((code, shown.as_str()), (1, ""), "{told}");
    for name in ["MARTECH_STORE_FILE is", "--session-idle", "--tls-cert, --tls-key: one is set without the other"] {
        assert!(told.lines().any(|line| line.trim_start().starts_with(name)), "{name}: {told}");
    }
    assert_eq!(told.lines().count(), 4, "{told}");

    // The server reports the same errors.
    let started = program(&variables).output().unwrap();
    assert_eq!((started.status.code(), String::from_utf8(started.stderr).unwrap()), (Some(1), told));

    // `check` also reports errors of the data folder, which the server finds when it opens the folder.
    let (code, shown, told) = check(&variables[4..], &[]);
    assert!(code == 1 && shown.is_empty() && told.contains("--data-dir is"), "{told}");
}

#[test]
fn names_the_source_of_an_invalid_value_without_showing_secrets() {
    for (variable, value, told) in [
        ("MARTECH_ADDR", "everywhere", "invalid value 'everywhere' for '--addr <HOST:PORT>'"),
        ("MARTECH_ADMIN_TOKEN", "too-short", "invalid value '(hidden)' for '--admin-token <TOKEN>'"),
        ("MARTECH_SPOOL", "perhaps", "[possible values: on, off]"),
        ("MARTECH_ALLOWED_ORIGINS", "https://*.shop.example", "invalid value 'https://*.shop.example'"),
        ("MARTECH_QUERY_TIMEOUT", "0s", "at least 1ms"),
    ] {
        let (code, shown, error) = check(&[(variable, value)], &[]);
        assert_eq!((code, shown.as_str()), (2, ""), "{error}");
        assert!(error.contains(told) && error.contains(&format!("the value comes from {variable}")), "{error}");
        assert!(!error.contains("too-short"), "{error}");
    }
    let (code, _, error) = check(&[("MARTECH_MAX_BODY", "1MiB")], &["--max-body", "huge"]);
    assert!(code == 2 && error.contains("'huge'") && !error.contains("comes from"), "{error}");
}

#[test]
fn usage_errors_and_other_commands_exit_with_2() {
    assert_eq!(check(&[], &["--adr", "x"]).0, 2);
    assert_eq!(check(&[], &["--help"]).0, 0);
    // For `verify`, 1 means damage.
    let verify = program(&[("MARTECH_QUERY_TIMEOUT", "soon")]).arg("verify").output().unwrap();
    assert_eq!(verify.status.code(), Some(2), "{verify:?}");
}

#[test]
fn warns_of_unknown_variables() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = program(&[("MARTECH_IDLE_TIMEOUTS", "5s")])
        .args(["--addr", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
        .arg(dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let logs = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let until: Vec<String> = logs.take_while(|line| !line.contains("\"listening\"")).collect();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(
        until.iter().any(|line| line.contains("did you mean MARTECH_IDLE_TIMEOUT?") && line.contains("WARN")),
        "{until:#?}"
    );
}

#[test]
fn rejects_a_collector_endpoint_that_is_not_a_url() {
    let (code, _, told) = check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "user:hidden@ localhost")], &[]);
    assert!(code == 1 && told.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && !told.contains("hidden"), "{told}");
    let usable = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hidden@localhost:4318"), ("OTEL_LOGS_EXPORTER", "none")];
    let (code, shown, _) = check(&usable, &[]);
    assert!(code == 0 && shown.contains("# OpenTelemetry sends traces\n"), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn rejects_tokens_on_command_line_without_echoing_them() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    for line in [
        &["--admin-token", TOKEN][..],
        &["serve", "--admin-token", TOKEN],
        &["check", "--admin-token", TOKEN],
        &["user", "list", "--admin-token", TOKEN],
        &["user", "--admin-token", TOKEN, "list"],
        &["import", "x.ndjson", "--url", "http://127.0.0.1:1", "--token", TOKEN],
    ] {
        let output = program(&[("MARTECH_DATA_DIR", data_dir)]).args(line).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && !told.contains(TOKEN), "{line:?}: {told}");
        let variable = if line.contains(&"import") { "MARTECH_TOKEN" } else { "MARTECH_ADMIN_TOKEN" };
        let instead = format!(
            "is a secret, and `ps` shows command lines to every user of this machine; set {variable}, or {variable}_FILE"
        );
        assert_eq!(told.matches(&instead).count(), 1, "{line:?}: {told}");
    }
}
