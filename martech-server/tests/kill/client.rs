//! Requests to a server that may die at any moment.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::program::TOKEN;

/// The server was killed before it had answered.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) struct Client {
    agent: Agent,
    addr: SocketAddr,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
        Self { agent: config.build().into(), addr }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn post(&self, body: &Value) -> Result<Value, Gone> {
        let request = self.agent.post(self.url("/events")).content_type("application/json");
        self.read("/events", 202, request.send(body.to_string()))
    }

    pub(crate) fn command(&self, path: &str) -> Result<Value, Gone> {
        let request = self.agent.post(self.url(path)).header("authorization", format!("Bearer {TOKEN}"));
        self.read(path, 200, request.send_empty())
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Gone> {
        let request = self.agent.get(self.url(path)).header("authorization", format!("Bearer {TOKEN}"));
        self.read(path, 200, request.call())
    }

    /// All rows of an answer that comes in pages. `path` has a query.
    pub(crate) fn all(&self, path: &str, rows: &str) -> Result<Vec<Value>, Gone> {
        let mut all = Vec::new();
        let mut page = self.get(path)?;
        loop {
            all.append(page[rows].as_array_mut().unwrap());
            let Some(cursor) = page["nextCursor"].as_str() else { return Ok(all) };
            page = self.get(&format!("{path}&cursor={cursor}"))?;
        }
    }

    /// All events of a user, which must be in time order.
    pub(crate) fn journey(&self, user: &str, limit: usize) -> Result<Vec<Value>, Gone> {
        let events = self.all(&format!("/users/{user}/journey?limit={limit}"), "events")?;
        assert!(events.is_sorted_by_key(|event| event["occurredAt"].as_str().unwrap()), "the journey of {user}");
        Ok(events)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn read(&self, path: &str, expected: u16, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, Gone> {
        let mut answer = answer.map_err(gone)?;
        let text = answer.body_mut().read_to_string().map_err(gone)?;
        assert_eq!(answer.status(), expected, "{path}: {text}");
        Ok(serde_json::from_str(&text).unwrap())
    }
}

fn gone(error: ureq::Error) -> Gone {
    // A server that lives and says nothing is no dead one.
    assert!(!matches!(error, ureq::Error::Timeout(_)), "{error}");
    Gone
}
