//! A line in the log for each request that was not answered well.
//!
//! Anybody can make a server write lines, by requests that are mistaken or refused. So lines are short, whatever path was asked for,
//! and lines of one kind are [sampled](super::sampler): ten of them are written in ten seconds, and then one that says
//! how many more there were. A kind is a status, an error code, a project and a key.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Instant};

use axum::http::StatusCode;
use tracing::Level;

use super::sampler::{PERIOD, Sampler};
use crate::{error::Blame, periodic::every, projects::ProjectId};

/// Of a path no more is told: it may be 8 KiB.
const PATH_BYTES: usize = 256;

/// Writes the lines of requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    sampler: Sampler<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    status: StatusCode,
    code: Option<Cow<'static, str>>,
    project: Option<ProjectId>,
    key: Option<String>,
}

impl Kind {
    /// Without the names that a caller has.
    fn general(self) -> Self {
        Self { project: None, key: None, ..self }
    }
}

impl RequestLog {
    /// A log that tells now and then how many lines were left out, for as long as there is somebody who writes to it.
    pub(crate) fn start() -> Arc<Self> {
        let log = Arc::new(Self::default());
        tokio::spawn(every(PERIOD, Arc::downgrade(&log), async |log: Arc<Self>| log.tell_suppressed()));
        log
    }

    /// Tells of a request that was answered. Its span has its id, method and path.
    pub(super) fn answered(&self, status: StatusCode, blame: Blame, address: IpAddr, started: Instant) {
        let elapsed_us = started.elapsed().as_micros() as u64;
        if !status.is_client_error() && !status.is_server_error() {
            tracing::debug!(status = status.as_u16(), elapsed_us, "answered");
            return;
        }
        let Blame { code, field, project, key, cause } = blame;
        let kind = Kind { status, code, project, key };
        if !self.sampler.admit(kind.clone(), Kind::general) {
            return;
        }
        let Kind { code, project, key, .. } = kind;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    status = status.as_u16(),
                    code = code.as_deref(),
                    field = field.as_deref(),
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
            tracing::info!(status, code, project, key, count, "further requests were answered so, each without a line");
        }
    }
}

/// The beginning of a path.
pub(super) fn excerpt(path: &str) -> &str {
    &path[..path.floor_char_boundary(PATH_BYTES)]
}
