//! Start and shutdown.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use martech_server::App;
use tokio::net::TcpStream;

use crate::harness::{Server, event, serve_args};

#[tokio::test]
async fn answers_in_flight_requests_before_stopping() {
    let mut server = Server::start().await;
    let body = event("u1", "late").to_string();
    let mut raw = server.connect().await;
    raw.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw.write(head).await;
    // The interim response shows that the server has begun to read the body.
    raw.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    server.begin_stop();
    while TcpStream::connect(server.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    raw.write(body).await;
    raw.answer().await.assert_counts(202, [1, 0, 0]);
    assert!(raw.is_closed().await);

    let dir = server.stopped().await;
    let server = Server::start_in(dir, &[]).await;
    assert_eq!(server.get("/users/u1/journey").await.json["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn stalled_client_does_not_block_shutdown() {
    let mut server = Server::start_with(&["--drain-timeout", "100ms"]).await;
    let mut raw = server.connect().await;
    raw.write(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    )
    .await;
    raw.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    server.begin_stop();
    server.stopped().await;
}

#[tokio::test]
async fn stores_buffered_events_before_stopping() {
    let server = Server::start().await;
    for n in 0..50 {
        server.post("?ack=buffered", event("u1", &format!("b{n}")).to_string()).await.assert_counts(202, [1, 0, 0]);
    }
    let server = Server::start_in(server.stopped().await, &[]).await;
    assert_eq!(server.get("/users").await.json["users"][0]["events"], 50);
}

#[tokio::test]
async fn only_one_server_opens_a_data_folder() {
    let server = Server::start().await;
    let error = App::open(&serve_args(server.dir.path(), &[])).await.unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[test]
fn exits_cleanly_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_martech-server"))
            .args(["--addr", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
            .arg(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut logs = BufReader::new(program.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(logs.any(|line| line.contains("\"listening\"")), "the program starts");
        let kill = Command::new("kill").args([format!("-{signal}"), program.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let rest: Vec<String> = logs.collect();
        assert_eq!(program.wait().unwrap().code(), Some(0), "{rest:#?}");
        assert!(dir.path().join("admin-token").exists());
    }
}

#[test]
fn reports_a_port_in_use_and_creates_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_martech-server"))
        .args(["--addr", &taken.local_addr().unwrap().to_string(), "--data-dir"])
        .arg(dir.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use"), "{output:?}");
    assert!(!dir.path().join("data").exists(), "the data folder was not created");
}
