//! A client for a server that may be killed at any moment.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::{
    board::{Board, Server},
    program::TOKEN,
};

/// The server was killed or stopped before it answered.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) struct Client<'a> {
    agent: Agent,
    board: &'a Board,
    pub(crate) server: Server,
}

/// The body formats of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    Array,
    Object,
    Lines,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

impl<'a> Client<'a> {
    pub(crate) fn new(board: &'a Board, server: Server) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Self { agent: config.build().into(), board, server }
    }

    /// Sends events in a format. A single event in a JSON format is sent as one object.
    pub(crate) fn post(&self, ack: &str, events: &[Value], format: Format, encoding: Encoding) -> Result<Value, Gone> {
        let (body, content_type) = match (events, format) {
            ([event], Format::Array | Format::Object) => (event.to_string(), "application/json"),
            (_, Format::Array) => (Value::from(events).to_string(), "application/json"),
            (_, Format::Object) => (serde_json::json!({ "events": events }).to_string(), "application/json"),
            (_, Format::Lines) => {
                (events.iter().map(|event| format!("{event}\n")).collect::<String>(), "application/x-ndjson")
            }
        };
        // Requests with the admin token may contain events of any age.
        let mut request = self
            .agent
            .post(self.url(&format!("/events?ack={ack}")))
            .header("authorization", format!("Bearer {TOKEN}"))
            .content_type(content_type);
        let body = match encoding {
            Encoding::Plain => body.into_bytes(),
            Encoding::Gzip => {
                request = request.header("content-encoding", "gzip");
                gzip(body.as_bytes())
            }
            Encoding::Zstd => {
                request = request.header("content-encoding", "zstd");
                zstd::encode_all(body.as_bytes(), 1).unwrap()
            }
        };
        let expected = if ack == "stored" { 200 } else { 202 };
        self.read("/events", expected, request.send(body))
    }

    pub(crate) fn command(&self, path: &str) -> Result<Value, Gone> {
        let request = self.agent.post(self.url(path)).header("authorization", format!("Bearer {TOKEN}"));
        self.read(path, 200, request.send_empty())
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Gone> {
        let request = self.agent.get(self.url(path)).header("authorization", format!("Bearer {TOKEN}"));
        self.read(path, 200, request.call())
    }

    /// Returns the rows of all pages. `path` must have a query.
    pub(crate) fn all(&self, path: &str, rows: &str) -> Result<Vec<Value>, Gone> {
        let mut all = Vec::new();
        let mut page = self.get(path)?;
        loop {
            all.append(page[rows].as_array_mut().unwrap());
            let Some(cursor) = page["nextCursor"].as_str() else { return Ok(all) };
            page = self.get(&format!("{path}&cursor={cursor}"))?;
        }
    }

    /// Returns all events of a user. Asserts that they are in time order.
    pub(crate) fn journey(&self, user: &str, limit: usize) -> Result<Vec<Value>, Gone> {
        let events = self.all(&format!("/users/{user}/journey?limit={limit}"), "events")?;
        assert!(events.is_sorted_by_key(|event| event["occurredAt"].as_str().unwrap()), "the journey of {user}");
        Ok(events)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addr)
    }

    fn read(&self, path: &str, expected: u16, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, Gone> {
        let mut answer = answer.map_err(gone)?;
        let mut text = String::new();
        answer.body_mut().as_reader().read_to_string(&mut text).map_err(|_| Gone)?;
        // A server that is stopping rejects new requests. It may have stored part of the batch nevertheless.
        if answer.status() == 503 && !self.board.is_serving(self.server) {
            return Err(Gone);
        }
        assert_eq!(answer.status(), expected, "{path}: {text}");
        Ok(serde_json::from_str(&text).unwrap())
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gone(error: ureq::Error) -> Gone {
    // A timeout means that the server hangs, which is a failure of its own.
    assert!(!matches!(error, ureq::Error::Timeout(_)), "{error}");
    Gone
}
