//! Writes a log line for each request that failed.
//!
//! Anyone can make the server write lines, with invalid or refused requests. Lines are therefore short, whatever the
//! path and the name of an invalid field, and lines of one kind are [sampled](Sampler): the server writes ten of them in ten seconds, and then
//! one that says how many more there were. A kind is a status, an error code, a project and a key.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use opentelemetry::trace::TraceId;
use tracing::Level;

use super::error::ErrorDetails;
use crate::{
    identity::ProjectId,
    observability::{PERIOD, RequestId, Sampler},
    util::every,
};

/// Maximum part of a path or a field name in a log line, in bytes. A path may have 8 KiB, the name of an unknown field
/// in a body 64 KiB.
const EXCERPT_BYTES: usize = 256;

/// Writes the log lines of requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    sampler: Sampler<Kind>,
}

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Answered<'a> {
    pub(super) id: &'a RequestId,
    pub(super) method: &'a Method,
    /// The [beginning](excerpt) of the path.
    pub(super) path: &'a str,
    pub(super) status: StatusCode,
    pub(super) address: IpAddr,
    pub(super) trace_id: Option<TraceId>,
    pub(super) elapsed: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    status: StatusCode,
    code: Option<Cow<'static, str>>,
    project: Option<ProjectId>,
    key: Option<String>,
}

impl Kind {
    /// Removes the project and the key, so that all callers share one kind.
    fn general(self) -> Self {
        Self { project: None, key: None, ..self }
    }
}

impl RequestLog {
    /// Starts a log that regularly reports how many lines were left out, for as long as the log is in use.
    pub(crate) fn start() -> Arc<Self> {
        let log = Arc::new(Self::default());
        tokio::spawn(every(PERIOD, Arc::downgrade(&log), async |log: Arc<Self>| log.tell_suppressed()));
        log
    }

    /// Logs a request that was answered.
    pub(super) fn answered(&self, answered: &Answered<'_>, details: ErrorDetails) {
        let Answered { id, method, path, status, address, trace_id, elapsed } = *answered;
        let elapsed_us = elapsed.as_micros() as u64;
        if !status.is_client_error() && !status.is_server_error() {
            let trace_id = trace_id.map(tracing::field::display);
            tracing::debug!(%id, %method, path, trace_id, status = status.as_u16(), elapsed_us, "answered");
            return;
        }
        let ErrorDetails { code, field, project, key, cause } = details;
        let kind = Kind { status, code, project, key };
        if !self.sampler.admit(kind.clone(), Kind::general) {
            return;
        }
        let Kind { code, project, key, .. } = kind;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    %id,
                    %method,
                    path,
                    trace_id = trace_id.map(tracing::field::display),
                    status = status.as_u16(),
                    code = code.as_deref(),
                    field = field.as_deref().map(excerpt),
                    project = project.as_ref().map(tracing::field::display),
                    key = key.as_deref(),
                    %address,
                    cause = cause.as_deref(),
                    elapsed_us,
                    "answered"
                )
            };
        }
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            line!(Level::ERROR);
        } else if status.is_server_error() {
            line!(Level::WARN);
        } else {
            line!(Level::INFO);
        }
    }

    fn tell_suppressed(&self) {
        for (Kind { status, code, project, key }, count) in self.sampler.suppressed() {
            let (code, key) = (code.as_deref(), key.as_deref());
            let project = project.as_ref().map(tracing::field::display);
            let status = status.as_u16();
            tracing::info!(status, code, project, key, count, "further requests with this answer were not logged");
        }
    }
}

/// Returns the beginning of a text that a client has chosen.
pub(super) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(EXCERPT_BYTES)]
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        net::Ipv4Addr,
        sync::{Mutex, PoisonError},
    };

    use super::*;

    /// The bytes of a log.
    #[derive(Debug, Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_short_whatever_the_field() {
        let (written, id) = (Written::default(), RequestId::example());
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let answered = Answered {
                id: &id,
                method: &Method::POST,
                path: "/api/auth/sign-in/email",
                status: StatusCode::BAD_REQUEST,
                address: Ipv4Addr::LOCALHOST.into(),
                trace_id: None,
                elapsed: Duration::ZERO,
            };
            let field = Some("é".repeat(30_000));
            RequestLog::default().answered(&answered, ErrorDetails { field, ..ErrorDetails::default() });
        });
        let line = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(line.contains("field=\"éé") && line.len() < 1_000, "{} bytes", line.len());
    }
}
