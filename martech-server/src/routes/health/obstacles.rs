//! The reasons why a project does not accept events.

use std::time::Duration;

use martech_core::{sink::SinkStats, spool::SpoolStatus};

use crate::{
    http::error::catalogue::Obstacle,
    projects::{
        Project,
        backend::{Backend, BackendStatus},
    },
    routes::ApiState,
};

/// Returns the reason why a project does not accept events, if there is one.
pub(super) fn obstacle(state: &ApiState, project: &Project, store: &BackendStatus) -> Option<Obstacle> {
    let of_store = || match store {
        BackendStatus::Lake(lake) => lake.error.is_some().then_some(Obstacle::StoreFailing),
        BackendStatus::Mongo(mongo) => mongo.is_away().then_some(Obstacle::StoreUnavailable),
        BackendStatus::Spooled(_, spool) => of_spool(spool),
    };
    // A stall comes last, because the other reasons are more specific.
    of_sink(state, project).or_else(of_store).or_else(|| of_stall(project))
}

/// Returns the reason why a project does not accept events, without a request to a MongoDB behind a spool.
pub(super) async fn readiness_obstacle(state: &ApiState, project: &Project) -> Option<Obstacle> {
    match project.backend() {
        Backend::Spooled(_, spool) => {
            of_sink(state, project).or_else(|| of_spool(&spool.status())).or_else(|| of_stall(project))
        }
        backend => obstacle(state, project, &backend.status().await),
    }
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

pub(super) fn of_spool(spool: &SpoolStatus) -> Option<Obstacle> {
    if spool.poisoned {
        Some(Obstacle::Stopped)
    } else {
        // Only events that are not forwarded count. Forwarded ones may also fill the spool until it is trimmed, which
        // takes a moment.
        (spool.behind_bytes >= spool.capacity_bytes / 10 * 9).then_some(Obstacle::SpoolFull)
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
