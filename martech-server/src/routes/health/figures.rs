//! The body of `GET /health`.

use std::{collections::BTreeMap, time::Duration};

use martech_core::{lake::LakeStatus, sink::SinkStats, spool::SpoolStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::obstacles::{obstacle, of_spool};
use crate::{
    http::error::catalogue::Obstacle,
    identity::ProjectId,
    projects::{
        Circuit, Project, Waits,
        backend::{BackendStatus, MongoStatus},
        disk_space::DiskSpace,
    },
    routes::ApiState,
};

/// The health of the server. The figures are those of the default project, if the caller may read it.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checks: Option<Checks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sink: Option<Sink>,
    /// The queue of events sent with `ack=stored`. Present with a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stored_sink: Option<Sink>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) projects: BTreeMap<ProjectId, Shop>,
}

/// The health of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectHealth)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shop {
    status: &'static str,
    pub(super) checks: Checks,
    pub(super) sink: Sink,
    /// The queue of events sent with `ack=stored`. Present with a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stored_sink: Option<Sink>,
}

impl Shop {
    /// Returns the health of a project, and the reason if it does not accept events.
    pub(super) async fn look(state: &ApiState, project: &Project) -> (Self, Option<Obstacle>) {
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
pub(super) struct Checks {
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
    pub(super) bodies: Option<Bodies>,
    /// Server-wide, so present in the figures of the default project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disk: Option<Disk>,
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
pub(super) struct Bodies {
    pub(super) bytes: usize,
    pub(super) capacity_bytes: usize,
}

/// Free space on the disk of the data folder. If the status is `low`, only events sent with a secret key are accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = DiskHealth)]
#[serde(rename_all = "camelCase")]
pub(super) struct Disk {
    status: &'static str,
    /// Absent if the operating system does not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
    /// Minimum free space for events from public senders.
    floor_bytes: u64,
}

impl Disk {
    pub(super) fn look(space: &DiskSpace) -> Self {
        let status = if space.is_short() { "low" } else { "ok" };
        Self { status, free_bytes: space.free(), floor_bytes: space.floor() }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = SinkHealth)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sink {
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

/// Returns a duration in seconds, rounded to the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Returns the `status` of a server or a project.
pub(super) fn told(obstacle: Option<Obstacle>) -> &'static str {
    obstacle.map_or("ok", |obstacle| obstacle.code())
}
