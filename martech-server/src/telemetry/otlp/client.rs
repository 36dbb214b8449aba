//! How bytes get to a collector: by a client that blocks, on the exporters' own threads.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use ureq::tls::{RootCerts, TlsConfig};

use super::settings::{Signal, Target};

/// The most that is read of an answer.
const ANSWER: u64 = 64 << 10;

/// Sends one kind of telemetry. An outage is told once, and so is its end.
#[derive(Debug)]
pub(super) struct Client {
    signal: Signal,
    agent: ureq::Agent,
    is_away: AtomicBool,
}

impl Client {
    pub(super) fn new(target: &Target) -> Self {
        let roots = match &target.roots[..] {
            [] => RootCerts::WebPki,
            roots => RootCerts::from(roots.to_vec()),
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(target.timeout))
            // Whoever the headers are meant for, it is not somebody else.
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("martech-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { signal: target.signal, agent, is_away: AtomicBool::new(false) }
    }

    /// Blocks until the collector has answered, or its time is over.
    pub(super) fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let sent = self.try_send(request);
        match &sent {
            Ok(response) if response.status().is_success() => self.arrived(),
            Ok(response) => self.failed(&format!("the collector answers {}", response.status())),
            Err(error) => self.failed(&in_full(error)),
        }
        sent
    }

    fn try_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let answer = self.agent.run(request.map(Vec::from))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    fn arrived(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(signal = %self.signal, "the collector takes telemetry again");
        }
    }

    fn failed(&self, error: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            let signal = self.signal;
            tracing::warn!(%signal, error, "telemetry does not get to the collector; until it does, what is too much is dropped");
        }
    }
}

/// The SDK polls this on a thread of its own, which has nothing else to do.
#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.send(request)?)
    }
}

/// With what caused it.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if !text.contains(&cause.to_string()) {
            text = format!("{text}: {cause}");
        }
        source = cause.source();
    }
    text
}
