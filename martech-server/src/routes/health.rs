//! Liveness, readiness and health figures.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::{lake::LakeStatus, sink::SinkStats, spool::SpoolStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        auth::Caller,
        error::{
            ApiError,
            catalogue::{self, Obstacle},
        },
        openapi::{
            Refusals,
            faults::{Draining, Full, SpoolFull, Stalled, Stopped, StoreFailing, StoreUnavailable},
        },
    },
    identity::{ProjectId, Role},
    projects::{
        Circuit, Project, Waits,
        backend::{Backend, BackendStatus, MongoStatus},
        disk_space::DiskSpace,
    },
    routes::ApiState,
};

/// Check liveness.
///
/// Returns 200 while the process runs. The check does not access the store.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "Health",
    operation_id = "isAlive",
    responses((status = 200, description = "The process runs.", body = Short)),
)]
pub(super) async fn live() -> Json<Short> {
    Json(Short { status: "alive" })
}

/// Check readiness.
///
/// Returns 200 if at least one project accepts events. With a spool, a project accepts events while MongoDB is
/// unavailable, until the spool is full.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Health",
    operation_id = "isReady",
    responses((status = 200, description = "The server accepts events.", body = Short), Refusals<(Draining, Stopped, StoreFailing, StoreUnavailable, Full, Stalled, SpoolFull)>),
)]
pub(super) async fn ready(State(state): State<ApiState>) -> Result<Json<Short>, ApiError> {
    let mut first = None;
    // One project that accepts events is enough: a full queue of one shop must not make the others unreachable.
    for project in state.projects.all() {
        let obstacle = match project.backend() {
            Backend::Spooled(_, spool) => {
                of_sink(&state, &project).or_else(|| of_spool(&spool.status())).or_else(|| of_stall(&project))
            }
            backend => obstacle(&state, &project, &backend.status().await),
        };
        match obstacle {
            None => return Ok(Json(Short { status: "ready" })),
            Some(obstacle) => first = first.or(Some(obstacle)),
        }
    }
    Err(catalogue::not_ready(first.unwrap_or(Obstacle::Draining)))
}

/// Retrieve health figures.
///
/// Returns the status to every caller. Figures are included for the projects that the caller may read.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Health",
    operation_id = "getHealth",
    security((), ("bearer" = []), ("basic" = []), ("cookie" = [])),
    responses((status = 200, description = "The server accepts events.", body = Health), (status = 503, description = "The server does not accept events; `status` gives the reason.", body = Health)),
)]
pub(super) async fn health(State(state): State<ApiState>, caller: Result<Caller, ApiError>) -> Response {
    let caller = match caller {
        Err(error) if error.status == StatusCode::TOO_MANY_REQUESTS => return error.into_response(),
        // The account store may be unavailable, and the response must still report that.
        caller => caller.unwrap_or(Caller::Stranger),
    };
    let (mut default, mut worst) = Shop::look(&state, state.projects.default()).await;
    let mut projects = BTreeMap::new();
    for project in state.projects.others() {
        let (shop, obstacle) = Shop::look(&state, &project).await;
        worst = worst.or(obstacle);
        if caller.may(Role::Analyst, project.id()).is_ok() {
            projects.insert(project.id().clone(), shop);
        }
    }
    default.checks.bodies = Some(Bodies { bytes: state.bodies.held(), capacity_bytes: state.bodies.capacity() });
    default.checks.disk = Some(Disk::look(&state.disk_space));
    let mut health = Health { status: told(worst), projects, ..Health::default() };
    if caller.may(Role::Analyst, &ProjectId::default()).is_ok() {
        health.version = Some(env!("CARGO_PKG_VERSION"));
        health.uptime_seconds = Some(state.lifecycle.uptime().as_secs());
        (health.checks, health.sink, health.stored_sink) =
            (Some(default.checks), Some(default.sink), default.stored_sink);
    }
    let status = if worst.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}

fn told(obstacle: Option<Obstacle>) -> &'static str {
    obstacle.map_or("ok", |obstacle| obstacle.code())
}

fn obstacle(state: &ApiState, project: &Project, store: &BackendStatus) -> Option<Obstacle> {
    let of_store = || match store {
        BackendStatus::Lake(lake) => lake.error.is_some().then_some(Obstacle::StoreFailing),
        BackendStatus::Mongo(mongo) => mongo.is_away().then_some(Obstacle::StoreUnavailable),
        BackendStatus::Spooled(_, spool) => of_spool(spool),
    };
    // A stall comes last, because the other reasons are more specific.
    of_sink(state, project).or_else(of_store).or_else(|| of_stall(project))
}

fn of_sink(state: &ApiState, project: &Project) -> Option<Obstacle> {
    let (queue, sink) = (state.bounds.queue, project.sink().stats());
    let full = sink.pending >= queue.events as u64 || sink.pending_bytes >= queue.bytes as u64;
    if state.lifecycle.is_draining() {
        Some(Obstacle::Draining)
    } else if project.sink().poison().is_some() {
        Some(Obstacle::Stopped)
    } else {
        full.then_some(Obstacle::Full)
    }
}

fn of_stall(project: &Project) -> Option<Obstacle> {
    is_stalled(&project.sink().stats()).then_some(Obstacle::Stalled)
}

/// Time without progress after which a store with waiting events counts as stalled.
const STALLED: Duration = Duration::from_secs(30);

/// Returns whether events have waited for [`STALLED`] while the store accepted none.
pub(crate) fn is_stalled(sink: &SinkStats) -> bool {
    sink.stalled >= STALLED
}

fn of_spool(spool: &SpoolStatus) -> Option<Obstacle> {
    if spool.poisoned {
        Some(Obstacle::Stopped)
    } else {
        // Only events that are not forwarded count. Forwarded ones may also fill the spool until it is trimmed, which
        // takes a moment.
        (spool.behind_bytes >= spool.capacity_bytes / 10 * 9).then_some(Obstacle::SpoolFull)
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = State)]
pub(super) struct Short {
    status: &'static str,
}

/// The health of the server. The figures are those of the default project, if the caller may read it.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sink: Option<Sink>,
    /// The queue of events sent with `ack=stored`. Present with a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_sink: Option<Sink>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    projects: BTreeMap<ProjectId, Shop>,
}

/// The health of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectHealth)]
#[serde(rename_all = "camelCase")]
struct Shop {
    status: &'static str,
    checks: Checks,
    sink: Sink,
    /// The queue of events sent with `ack=stored`. Present with a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_sink: Option<Sink>,
}

impl Shop {
    /// Returns the health of a project, and the reason if it does not accept events.
    async fn look(state: &ApiState, project: &Project) -> (Self, Option<Obstacle>) {
        let store = project.backend().status().await;
        let obstacle = obstacle(state, project, &store);
        let shop = Self {
            status: told(obstacle),
            checks: Checks::new(store, state.bounds.journal_bytes),
            sink: Sink::new(&project.sink().stats()),
            stored_sink: project
                .backend()
                .is_spooled()
                .then(|| Sink::new(&project.way_in(Waits::Store, Circuit::Closed).stats())),
        };
        (shop, obstacle)
    }
}

/// The checks of a project. Only those that apply to its store are present.
#[derive(Default, Serialize, ToSchema)]
struct Checks {
    #[serde(skip_serializing_if = "Option::is_none")]
    lake: Option<Lake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Journal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mongodb: Option<MongoStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<Spool>,
    /// Server-wide, so present in the figures of the default project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    bodies: Option<Bodies>,
    /// Server-wide, so present in the figures of the default project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<Disk>,
}

impl Checks {
    fn new(store: BackendStatus, capacity_bytes: u64) -> Self {
        match store {
            BackendStatus::Lake(lake) => Self {
                journal: Some(Journal {
                    status: if lake.journal_bytes < capacity_bytes { "ok" } else { "full" },
                    bytes: lake.journal_bytes,
                    capacity_bytes,
                }),
                lake: Some(Lake { status: if lake.error.is_none() { "ok" } else { "failing" }, figures: lake }),
                ..Self::default()
            },
            BackendStatus::Mongo(mongo) => Self { mongodb: Some(mongo), ..Self::default() },
            BackendStatus::Spooled(mongo, spool) => {
                Self { mongodb: Some(mongo), spool: Some(Spool::new(spool)), ..Self::default() }
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = LakeHealth)]
struct Lake {
    status: &'static str,
    #[serde(flatten)]
    figures: LakeStatus,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JournalHealth)]
#[serde(rename_all = "camelCase")]
struct Journal {
    status: &'static str,
    bytes: u64,
    capacity_bytes: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpoolHealth)]
struct Spool {
    status: &'static str,
    #[serde(flatten)]
    figures: SpoolStatus,
}

impl Spool {
    fn new(figures: SpoolStatus) -> Self {
        let status = match of_spool(&figures) {
            Some(Obstacle::SpoolFull) => "full",
            Some(_) => "stopped",
            None if figures.halted => "halted",
            None if figures.behind_events > 0 => "forwarding",
            None => "ok",
        };
        Self { status, figures }
    }
}

/// Memory that request bodies use while they are received and parsed.
#[derive(Serialize, ToSchema)]
#[schema(as = BodiesHealth)]
#[serde(rename_all = "camelCase")]
struct Bodies {
    bytes: usize,
    capacity_bytes: usize,
}

/// Free space on the disk of the data folder. If the status is `low`, only events sent with a secret key are accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = DiskHealth)]
#[serde(rename_all = "camelCase")]
struct Disk {
    status: &'static str,
    /// Absent if the operating system does not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
    /// Minimum free space for events from public senders.
    floor_bytes: u64,
}

impl Disk {
    fn look(space: &DiskSpace) -> Self {
        let status = if space.is_short() { "low" } else { "ok" };
        Self { status, free_bytes: space.free(), floor_bytes: space.floor() }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = SinkHealth)]
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
    /// Waiting time of the oldest pending event.
    oldest_pending_seconds: f64,
    /// How long the store has accepted no event while events wait.
    stalled_seconds: f64,
}

/// Returns a duration in seconds, rounded to the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
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
            oldest_pending_seconds: seconds(stats.oldest),
            stalled_seconds: seconds(stats.stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_stall_after_thirty_seconds() {
        let mut stats = SinkStats::default();
        assert!(!is_stalled(&stats), "nothing waits");
        stats.stalled = Duration::from_millis(29_999);
        assert!(!is_stalled(&stats));
        stats.stalled = STALLED;
        assert!(is_stalled(&stats));
        assert_eq!(Obstacle::Stalled.code(), "stalled");
    }
}
