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
        Ack, Circuit, Project,
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
    pub(super) sink: Option<SinkHealth>,
    /// The queue of events sent with `ack=stored`. Present with a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stored_sink: Option<SinkHealth>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) projects: BTreeMap<ProjectId, ProjectHealth>,
}

/// The health of a project.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectHealth {
    status: &'static str,
    pub(super) checks: Checks,
    pub(super) sink: SinkHealth,
    /// The queue of events sent with `ack=stored`. Present with a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stored_sink: Option<SinkHealth>,
}

impl ProjectHealth {
    /// Returns the health of a project, and the reason if it does not accept events.
    pub(super) async fn look(state: &ApiState, project: &Project) -> (Self, Option<Obstacle>) {
        let store = project.backend().status().await;
        let obstacle = obstacle(state, project, &store);
        let health = Self {
            status: status_of(obstacle),
            checks: Checks::new(store, state.bounds.journal_bytes),
            sink: SinkHealth::new(&project.sink().stats()),
            stored_sink: project
                .backend()
                .is_spooled()
                .then(|| SinkHealth::new(&project.sink_for(Ack::Stored, Circuit::Closed).stats())),
        };
        (health, obstacle)
    }
}

/// The checks of a project. Only those that apply to its store are present.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Checks {
    #[serde(skip_serializing_if = "Option::is_none")]
    lake: Option<LakeHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<JournalHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mongodb: Option<MongoStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<SpoolHealth>,
    /// Server-wide, so present in the figures of the default project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bodies: Option<BodiesHealth>,
    /// Server-wide, so present in the figures of the default project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disk: Option<DiskHealth>,
}

impl Checks {
    fn new(store: BackendStatus, capacity_bytes: u64) -> Self {
        match store {
            BackendStatus::Lake(lake) => Self {
                journal: Some(JournalHealth {
                    status: if lake.journal_bytes < capacity_bytes { "ok" } else { "full" },
                    bytes: lake.journal_bytes,
                    capacity_bytes,
                }),
                lake: Some(LakeHealth { status: if lake.error.is_none() { "ok" } else { "failing" }, figures: lake }),
                ..Self::default()
            },
            BackendStatus::Mongo(mongo) => Self { mongodb: Some(mongo), ..Self::default() },
            BackendStatus::Spooled(mongo, spool) => {
                Self { mongodb: Some(mongo), spool: Some(SpoolHealth::new(spool)), ..Self::default() }
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
struct LakeHealth {
    status: &'static str,
    #[serde(flatten)]
    figures: LakeStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JournalHealth {
    status: &'static str,
    bytes: u64,
    capacity_bytes: u64,
}

#[derive(Serialize, ToSchema)]
struct SpoolHealth {
    status: &'static str,
    #[serde(flatten)]
    figures: SpoolStatus,
}

impl SpoolHealth {
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
#[serde(rename_all = "camelCase")]
pub(super) struct BodiesHealth {
    pub(super) bytes: usize,
    pub(super) capacity_bytes: usize,
}

/// Free space on the disk of the data folder. If the status is `low`, only events sent with a secret key are accepted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DiskHealth {
    status: &'static str,
    /// Absent if the operating system does not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
    /// Minimum free space for events from public senders.
    floor_bytes: u64,
}

impl DiskHealth {
    pub(super) fn look(space: &DiskSpace) -> Self {
        let status = if space.is_short() { "low" } else { "ok" };
        Self { status, free_bytes: space.free(), floor_bytes: space.floor() }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SinkHealth {
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

impl SinkHealth {
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
pub(super) fn status_of(obstacle: Option<Obstacle>) -> &'static str {
    obstacle.map_or("ok", |obstacle| obstacle.code())
}
