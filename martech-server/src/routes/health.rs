//! Whether the process lives, whether it should be sent requests, and what it is doing.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::{lake::LakeStatus, sink::SinkStats};
use serde::Serialize;

use crate::{App, error::ApiError};

/// Touches nothing: a process that answers is alive, whatever else is wrong.
pub(super) async fn live() -> Json<Short> {
    Json(Short { status: "alive" })
}

/// Whether events that are sent now would be taken.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Short>, ApiError> {
    match obstacle(&app, &app.sink().stats(), &app.lake().status()) {
        None => Ok(Json(Short { status: "ready" })),
        Some(obstacle) => {
            let (code, message) = obstacle.explain();
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(Duration::from_secs(1)))
        }
    }
}

/// The figures behind that. For everyone, so nothing secret is in it.
pub(super) async fn health(State(app): State<App>) -> Response {
    let (sink, lake) = (app.sink().stats(), app.lake().status());
    let obstacle = obstacle(&app, &sink, &lake);
    let status = if obstacle.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let health = Health {
        status: obstacle.map_or("ok", |obstacle| obstacle.explain().0),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.uptime().as_secs(),
        checks: Checks {
            journal: Journal {
                status: if lake.journal_bytes < app.journal_capacity() { "ok" } else { "full" },
                bytes: lake.journal_bytes,
                capacity_bytes: app.journal_capacity(),
            },
            lake: Lake { status: if lake.error.is_none() { "ok" } else { "failing" }, figures: lake },
            bodies: Bodies { bytes: app.bodies().held(), capacity_bytes: app.bodies().capacity() },
        },
        sink: Sink::new(&sink),
    };
    (status, Json(health)).into_response()
}

/// Why events are not taken now.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    Draining,
    Poisoned,
    StoreFailing,
    Full,
}

impl Obstacle {
    fn explain(self) -> (&'static str, &'static str) {
        match self {
            Self::Draining => ("draining", "the server is stopping"),
            Self::Poisoned => ("stopped", "the store takes nothing any more; the server must be started anew"),
            Self::StoreFailing => ("store_failing", "the store reports an error; /health shows it"),
            Self::Full => ("full", "the queue is full"),
        }
    }
}

fn obstacle(app: &App, sink: &SinkStats, lake: &LakeStatus) -> Option<Obstacle> {
    let queue = app.queue();
    let full = sink.pending >= queue.events as u64 || sink.pending_bytes >= queue.bytes as u64;
    if app.is_draining() {
        Some(Obstacle::Draining)
    } else if app.sink().poison().is_some() {
        Some(Obstacle::Poisoned)
    } else if lake.error.is_some() {
        Some(Obstacle::StoreFailing)
    } else {
        full.then_some(Obstacle::Full)
    }
}

#[derive(Serialize)]
pub(super) struct Short {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    checks: Checks,
    sink: Sink,
}

#[derive(Serialize)]
struct Checks {
    lake: Lake,
    journal: Journal,
    bodies: Bodies,
}

#[derive(Serialize)]
struct Lake {
    status: &'static str,
    #[serde(flatten)]
    figures: LakeStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Journal {
    status: &'static str,
    bytes: u64,
    capacity_bytes: u64,
}

/// Memory of the bodies that are being received and parsed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bodies {
    bytes: usize,
    capacity_bytes: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sink {
    accepted: u64,
    stored: u64,
    duplicates: u64,
    rejected: u64,
    dead_lettered: u64,
    pending: u64,
    pending_bytes: u64,
    refused: u64,
    retries: u64,
    drain_per_second: u64,
}

impl Sink {
    fn new(stats: &SinkStats) -> Self {
        Self {
            accepted: stats.accepted,
            stored: stats.stored,
            duplicates: stats.duplicates,
            rejected: stats.rejected,
            dead_lettered: stats.dead_lettered,
            pending: stats.pending,
            pending_bytes: stats.pending_bytes,
            refused: stats.refused,
            retries: stats.retries,
            drain_per_second: stats.drain_per_second,
        }
    }
}
