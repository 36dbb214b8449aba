//! TLS in the server itself, and HTTP/2 over TLS.

use std::{convert::Infallible, fs, path::Path, sync::Arc, time::Duration};

use axum::http::{Method, Request, Version, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::Frame,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use martech_server::App;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
};

use crate::harness::{Answer, Server, event, serve_args};

/// The files of a self-signed certificate for `localhost` and its key.
struct Files {
    dir: TempDir,
    cert: CertificateDer<'static>,
}

impl Files {
    fn new() -> Self {
        let mut files = Self { dir: tempfile::tempdir().unwrap(), cert: CertificateDer::from(Vec::new()) };
        files.renew();
        files
    }

    fn renew(&mut self) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        // The server may see the new key with the old certificate for a moment. That must do no harm.
        self.put("key.pem", &signing_key.serialize_pem());
        self.put("cert.pem", &cert.pem());
        self.cert = cert.der().clone();
    }

    /// Replaces a file atomically, as programs that renew certificates do.
    fn put(&self, name: &str, text: &str) {
        let new = self.dir.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.dir.path().join(name)).unwrap();
    }

    fn flags(&self) -> Vec<String> {
        let path = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        vec!["--tls-cert".to_owned(), path("cert.pem"), "--tls-key".to_owned(), path("key.pem")]
    }

    async fn serve(&self, more: &[&str]) -> Server {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Server::start_with(&flags).await
    }

    /// Connects as a client that trusts only this certificate.
    async fn connect(
        &self,
        server: &Server,
        versions: &[&'static SupportedProtocolVersion],
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.cert.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(server.addr).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn http1(&self, server: &Server) -> http1::SendRequest<Full<Bytes>> {
        let stream = self.connect(server, &[&TLS13], "http/1.1").await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn http2(&self, server: &Server) -> http2::SendRequest<Full<Bytes>> {
        let stream = self.connect(server, &[&TLS13], "h2").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

fn post(uri: &str, authorization: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(uri)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, authorization)
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap()
}

async fn read(response: hyper::Response<hyper::body::Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    Answer::new(head.status, head.headers, &body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn serves_tls_and_sets_secure_cookies() {
    let files = Files::new();
    let server = files.serve(&["--password-memory", "512KiB"]).await;
    let mut client = files.http1(&server).await;
    let answer = read(client.send_request(post("/events", "", &event("u1", "a"))).await.unwrap()).await;
    answer.assert_counts(202, [1, 0, 0]);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));

    let owner = json!({ "name": "owner", "email": "owner@shop.example", "password": "correct horse battery" });
    let admin = format!("Bearer {}", server.token);
    let answer = read(client.send_request(post("/api/auth/sign-up/email", &admin, &owner)).await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Secure-better-auth.session_token=") && cookie.contains("Secure;"), "{cookie}");
}

#[tokio::test]
async fn serves_concurrent_http2_requests() {
    let files = Files::new();
    let server = files.serve(&[]).await;
    let client = files.http2(&server).await;
    let requests = (0..50).map(|n| {
        let mut client = client.clone();
        async move {
            let body = event("u1", &format!("e{n}"));
            let response = client.send_request(post("https://localhost/events", "", &body)).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            read(response).await.assert_counts(202, [1, 0, 0]);
        }
    });
    futures_util::future::join_all(requests).await;
    let long = format!("https://localhost/livez?{}", "x".repeat(9 << 10));
    let answer = read(client.clone().send_request(post(&long, "", &json!({}))).await.unwrap()).await;
    answer.assert_error(414, "uri_too_long");
    // An open connection does not block shutdown.
    server.stopped().await;
    drop(client);
}

#[tokio::test]
async fn closes_idle_http2_connections() {
    let files = Files::new();
    let server = files.serve(&["--idle-timeout", "100ms"]).await;
    let mut client = files.http2(&server).await;
    let answer =
        read(client.send_request(post("https://localhost/events", "", &event("u1", "a"))).await.unwrap()).await;
    answer.assert_counts(202, [1, 0, 0]);
    while !client.is_closed() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn accepts_tls_1_2_clients() {
    let files = Files::new();
    let server = files.serve(&[]).await;
    assert!(files.connect(&server, &[&TLS12], "http/1.1").await.is_ok());
    assert!(Files::new().connect(&server, &[&TLS12, &TLS13], "http/1.1").await.is_err(), "a different certificate");
}

#[tokio::test]
async fn reloads_renewed_certificates_and_ignores_invalid_ones() {
    let mut files = Files::new();
    let server = files.serve(&[]).await;
    let mut kept = files.http1(&server).await;
    let before = CertificateDer::from(files.cert.to_vec());
    files.renew();
    assert!(files.connect(&server, &[&TLS13], "http/1.1").await.is_ok(), "uses the new certificate");
    let after = std::mem::replace(&mut files.cert, before);
    assert!(files.connect(&server, &[&TLS13], "http/1.1").await.is_err(), "no longer uses the old one");
    files.cert = after;
    let answer = kept.send_request(post("/events", "", &event("u1", "a"))).await.unwrap();
    assert_eq!(answer.status(), 202, "existing connections continue");

    files.put("cert.pem", "no certificate");
    assert!(files.connect(&server, &[&TLS13], "http/1.1").await.is_ok(), "keeps the last valid pair");
    fs::remove_file(files.dir.path().join("key.pem")).unwrap();
    assert!(files.connect(&server, &[&TLS13], "http/1.1").await.is_ok());
    files.renew();
    assert!(files.connect(&server, &[&TLS13], "http/1.1").await.is_ok(), "uses the next valid pair");
}

#[tokio::test]
async fn times_out_stalled_handshakes() {
    let files = Files::new();
    let server = files.serve(&["--idle-timeout", "100ms"]).await;
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test]
async fn rejects_unusable_certificates_at_startup() {
    let (files, others) = (Files::new(), Files::new());
    let start = async |cert: &Path, key: &Path| {
        let dir = tempfile::tempdir().unwrap();
        let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        App::open(&serve_args(dir.path(), &flags)).await.unwrap_err().to_string()
    };
    let path = |files: &Files, name| files.dir.path().join(name);
    let (cert, key) = (path(&files, "cert.pem"), path(&files, "key.pem"));
    for (cert, key, word) in [
        (&cert, &path(&others, "key.pem"), "cannot be used together"),
        (&path(&files, "nowhere.pem"), &key, "nowhere.pem"),
        (&key, &key, "there is no certificate in it"),
        (&cert, &cert, "there is no key in it"),
    ] {
        let error = start(cert, key).await;
        assert!(error.contains(word), "{error}");
    }
    for half in [["--tls-cert", cert.to_str().unwrap()], ["--tls-key", key.to_str().unwrap()]] {
        let dir = tempfile::tempdir().unwrap();
        let error = App::open(&serve_args(dir.path(), &half)).await.unwrap_err().to_string();
        assert!(error.contains("TLS needs both"), "{error}");
    }
}

/// Some clients report the reset of a stream in place of the response that came before it.
#[tokio::test]
async fn http2_response_before_the_end_of_a_body_resets_no_stream() {
    let files = Files::new();
    let server = files.serve(&[]).await;
    let stream = files.connect(&server, &[&TLS13], "h2").await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);

    for (path, status) in [("/nothing", 404), ("/admin/keys", 401), ("/livez", 405)] {
        let (part, mut parts) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
        let parts = futures_util::stream::poll_fn(move |context| parts.poll_recv(context));
        let uri = format!("https://localhost{path}");
        let request =
            Request::post(uri).header("content-type", "application/json").body(BoxBody::new(StreamBody::new(parts)));
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        response.into_body().collect().await.unwrap();
        // A reset would be here before the response to another request.
        let next = Request::get("https://localhost/livez").body(BoxBody::new(Full::default())).unwrap();
        assert_eq!(sender.send_request(next).await.unwrap().status(), 200);
        assert!(!part.is_closed(), "{path}");
        part.try_send(Ok(Frame::data(Bytes::from_static(b"{}")))).unwrap();
    }
}

/// A client may grant a small stream window and then read nothing. The server keeps the response in memory no longer
/// than the write timeout, as over HTTP/1.
#[tokio::test]
async fn resets_stream_when_client_stops_reading() {
    let files = Files::new();
    let server = files.serve(&["--write-timeout", "300ms", "--metrics-addr", "127.0.0.1:0"]).await;
    let stream = files.connect(&server, &[&TLS13], "h2").await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(1024);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);

    let faults = Value::Array(vec![json!({}); 200]);
    let unread = sender.send_request(post("https://localhost/events", "", &faults)).await.unwrap();
    assert_eq!(unread.status(), 400);
    while !server.ask_metrics(Method::GET, "/metrics").await.text.contains("martech_http_answers_given_up_total 1") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(unread.into_body().collect().await.is_err());
    // The connection stays usable, and small responses fit into the window.
    let answer =
        read(sender.send_request(post("https://localhost/events", "", &event("u1", "a"))).await.unwrap()).await;
    answer.assert_counts(202, [1, 0, 0]);
    assert!(server.ask_metrics(Method::GET, "/metrics").await.text.contains("martech_http_answer_bytes 0"));
}

/// A stream of events has no end, and may be quiet for longer than the write timeout.
#[tokio::test]
async fn resets_stream_of_events_when_client_stops_reading_but_not_when_it_is_quiet() {
    let files = Files::new();
    let server = files.serve(&["--write-timeout", "300ms", "--metrics-addr", "127.0.0.1:0"]).await;
    let stream = files.connect(&server, &[&TLS13], "h2").await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(1024);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut open = async |user: &str| {
        let request = Request::get(format!("https://localhost/events/stream?userId={user}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", server.token));
        sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap().into_body()
    };
    let (mut quiet, unread) = (open("quiet").await, open("busy").await);
    assert_eq!(quiet.frame().await.unwrap().unwrap().into_data().unwrap(), ": keep-alive\n\n");
    let mut http1 = files.http1(&server).await;
    let mut send = async |user: &str, n: usize| {
        let event = event(user, &format!("{user}{n}"));
        read(http1.send_request(post("https://localhost/events", "", &event)).await.unwrap()).await
    };
    let mut sent = 0;
    while !server.ask_metrics(Method::GET, "/metrics").await.text.contains("martech_http_answers_given_up_total 1") {
        send("busy", sent).await.assert_counts(202, [1, 0, 0]);
        sent += 1;
    }
    assert!(unread.collect().await.is_err());
    send("quiet", 0).await.assert_counts(202, [1, 0, 0]);
    let shown = quiet.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(shown.starts_with(b"event: event\ndata: "), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_trust_the_given_ca_certificate() {
    let files = Files::new();
    let server = files.serve(&[]).await;
    let event = r#"{"userId":"u1","type":"search","occurredAt":"2026-01-01"}"#;
    fs::write(server.dir.path().join("a.ndjson"), event).unwrap();
    let run = |arguments: &[&str], trusted: bool| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_martech-server"));
        command
            .current_dir(server.dir.path())
            .args(arguments)
            .args(["--url", &format!("https://localhost:{}", server.addr.port())]);
        if trusted {
            command.arg("--ca-cert").arg(files.dir.path().join("cert.pem"));
        }
        command.env("MARTECH_TOKEN", &server.token).args(["--data-dir", "."]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        async move {
            let output = output.await.unwrap();
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            (output.status.success(), said)
        }
    };
    for arguments in [&["import", "a.ndjson"][..], &["user", "list"]] {
        let (done, said) = run(arguments, true).await;
        assert!(done, "{said}");
        let (done, said) = run(arguments, false).await;
        assert!(!done && said.contains("https://localhost") && said.to_lowercase().contains("certificate"), "{said}");
    }
    assert_eq!(fs::read_to_string(server.dir.path().join("a.ndjson")).unwrap(), event);
}
