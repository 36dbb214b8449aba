//! A server with its own data folder, and clients for it.

use std::{ffi::OsString, fs, net::SocketAddr, path::Path, time::Duration};

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use martech_server::{App, CloseError, MetricsAddr, ServeArgs, bind_metrics, serve, serve_metrics};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::contract::Contract;

/// Longer than any step of a test takes. A test that waits this long hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    /// The address of the metrics listener, if there is one.
    metrics: Option<SocketAddr>,
    pub(crate) token: String,
    pub(crate) dir: TempDir,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), CloseError>>,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags).await
    }

    pub(crate) async fn start_in(dir: TempDir, flags: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let args = serve_args(dir.path(), flags);
        // Only tests that ask for metrics have a listener, each on its own port.
        let metrics = bind_metrics(Some(args.metrics_addr.unwrap_or(MetricsAddr::Off))).await.unwrap();
        let metrics_addr = metrics.as_ref().map(|listener| listener.local_addr().unwrap());
        let app = App::open(&args).await.unwrap();
        if let Some(metrics) = metrics {
            tokio::spawn(serve_metrics(metrics, app.clone(), std::future::pending()));
        }
        let token = fs::read_to_string(dir.path().join("admin-token")).unwrap_or_default().trim().to_owned();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, app, async {
            let _ = stopped.await;
        }));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { addr, metrics: metrics_addr, token, dir, client, stop: Some(stop), task }
    }

    /// Tells the server to stop, and does not wait.
    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().expect("a server is stopped once").send(());
    }

    /// Stops the server, unless that has begun, and waits until it has closed everything. Returns the data folder.
    pub(crate) async fn stopped(mut self) -> TempDir {
        if self.stop.is_some() {
            self.begin_stop();
        }
        timeout(PATIENCE, self.task).await.expect("the server stops").unwrap().unwrap();
        self.dir
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.addr))
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = self.exchange(request).await;
        // The API description does not cover the metrics listener.
        if uri.port_u16() == Some(self.addr.port()) {
            self.contract().await.check(&method, uri.path(), &answer);
        }
        answer
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.open(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer::new(head.status, head.headers, &body)
    }

    /// Sends a request, and returns the response before its body has come.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> hyper::Response<hyper::body::Incoming> {
        timeout(PATIENCE, self.client.request(request)).await.expect("the server answers").unwrap()
    }

    async fn contract(&self) -> &'static Contract {
        if let Some(known) = Contract::known() {
            return known;
        }
        let request = self.request(Method::GET, "/api-docs/openapi.json").body(Full::default()).unwrap();
        Contract::told(self.exchange(request).await.json)
    }

    /// Sends a GET with the admin token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// Sends a request to the metrics listener.
    pub(crate) async fn ask_metrics(&self, method: Method, path: &str) -> Answer {
        let addr = self.metrics.expect("the server has metrics");
        let request = Request::builder().method(method).uri(format!("http://{addr}{path}"));
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// Sends a POST with the admin token and without a body.
    pub(crate) async fn command(&self, path: &str) -> Answer {
        let request = self.request(Method::POST, path).header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// Sends a JSON body to `POST /events`.
    pub(crate) async fn post(&self, query: &str, body: impl Into<Bytes>) -> Answer {
        self.post_as(query, &[("content-type", "application/json")], body).await
    }

    pub(crate) async fn post_as(&self, query: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send_with("POST", &format!("/events{query}"), headers, body).await
    }

    pub(crate) async fn send_json(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send_with(method, path, &headers, body.to_string()).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = self.request(method.parse().unwrap(), path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.addr).await.unwrap(), unread: Vec::new() }
    }
}

pub(crate) fn serve_args(dir: &Path, flags: &[&str]) -> ServeArgs {
    let mut line: Vec<OsString> = vec!["--data-dir".into(), dir.into()];
    line.extend(flags.iter().map(OsString::from));
    // Tests must not depend on the free disk space of the machine.
    if !flags.contains(&"--min-free-space") {
        line.extend(["--min-free-space", "0B"].map(OsString::from));
    }
    // Test events have fixed times, which may be old.
    if !flags.contains(&"--public-event-days") {
        line.extend(["--public-event-days", "0"].map(OsString::from));
    }
    ServeArgs::parse_from(line)
}

impl Answer {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    /// Asserts that this is an error with the given status and code, in the common error shape.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.json["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert!(!self.json["message"].as_str().unwrap().is_empty());
        assert_eq!(self.json["requestId"].as_str(), self.header("x-request-id"), "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn assert_field(&self, field: &str) -> &Self {
        assert_eq!(self.json["field"], field, "{}", self.text);
        self
    }

    /// Asserts the status and the counts `[accepted, duplicates, rejected]`.
    #[track_caller]
    pub(crate) fn assert_counts(&self, status: u16, counts: [u64; 3]) -> &Self {
        let found = ["accepted", "duplicates", "rejected"].map(|name| self.json[name].as_u64().unwrap_or(u64::MAX));
        assert_eq!((self.status.as_u16(), found), (status, counts), "{}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A connection on which a test controls every byte.
pub(crate) struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Writes as much as the server reads: it may respond and close the connection before the end.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Closes the writing half of the connection.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads one response, which must not be a response to HEAD.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("the connection ended before an answer")
    }

    /// Reads one response. Returns `None` if the connection ends before it.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.fill().await == 0 {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..head_end).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let len: usize = headers[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
        while self.unread.len() < len {
            assert!(self.fill().await > 0, "the connection ended within a response");
        }
        let body: Vec<u8> = self.unread.drain(..len).collect();
        Some(Answer::new(status, headers, &body))
    }

    /// Reads an interim response and asserts that it is `expected`.
    pub(crate) async fn interim(&mut self, expected: &str) {
        while self.unread.len() < expected.len() {
            assert!(self.fill().await > 0, "the connection ended early: {:?}", self.unread);
        }
        let found: Vec<u8> = self.unread.drain(..expected.len()).collect();
        assert_eq!(String::from_utf8_lossy(&found), expected);
    }

    /// Returns whether the server closes the connection without sending more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.fill().await == 0
    }

    async fn fill(&mut self) -> usize {
        // A reset also counts as the end.
        timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.expect("the server says something").unwrap_or(0)
    }
}

/// Returns a page view of a user, with the given event id.
pub(crate) fn event(user: &str, id: &str) -> Value {
    serde_json::json!({ "eventId": id, "userId": user, "type": "page_view", "occurredAt": "2026-01-05T10:00:00Z" })
}
