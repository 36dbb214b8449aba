//! HTTP client of the exporters, which blocks on the exporters' own threads.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use ureq::tls::{RootCerts, TlsConfig};

use super::Signal;

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of bytes read of a response.
const MAX_RESPONSE: u64 = 64 << 10;

/// Sends one signal. Logs the start and the end of an outage once each.
#[derive(Debug)]
pub(super) struct Client {
    signal: Signal,
    agent: ureq::Agent,
    is_away: AtomicBool,
}

impl Client {
    pub(super) fn new(signal: Signal) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            // Redirects are not followed: headers may contain a password of the collector.
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::WebPki).build())
            .user_agent(concat!("martech-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { signal, agent, is_away: AtomicBool::new(false) }
    }

    /// Blocks until the collector has responded, or the timeout is over.
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
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
        let body = body.with_config().limit(MAX_RESPONSE).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    fn arrived(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(signal = %self.signal, "the collector is available again");
        }
    }

    fn failed(&self, error: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            let signal = self.signal;
            tracing::warn!(%signal, error, "the collector is unavailable; records that exceed the queue are dropped");
        }
    }
}

/// The SDK polls this on a thread of its own that does nothing else, so it may block.
#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.send(request)?)
    }
}

/// Returns the error message with its causes.
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
