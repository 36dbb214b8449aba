//! Snapshots of the parts of a server, taken from memory.

use martech_core::{journal::JournalStats, lake::LakeStatus, mongodb::MongoStats, sink::SinkStats, spool::SpoolStatus};
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::{
    observability::metrics::Families,
    projects::{
        Ack, Circuit, DeadLetterCounts, Project, QueueBounds,
        backend::{Backend, Mongo},
    },
    routes::ApiState,
};

/// Figures of a store, and of the queues and the spool in front of it.
pub(super) struct StoreFigures {
    pub(super) sinks: Vec<SinkFigures>,
    pub(super) journal: Option<JournalStats>,
    pub(super) lake: Option<LakeStatus>,
    pub(super) spool: Option<SpoolFigures>,
    pub(super) mongo: Option<MongoStats>,
}

#[cfg(test)]
impl StoreFigures {
    /// Returns figures of all parts that any store has.
    pub(super) fn example() -> Self {
        let sink = SinkFigures {
            stats: SinkStats::default(),
            bounds: QueueBounds { events: 1, bytes: 1 },
            is_poisoned: false,
            is_for_stored: false,
        };
        Self {
            sinks: vec![sink],
            journal: Some(JournalStats::default()),
            lake: Some(LakeStatus::default()),
            spool: Some(SpoolFigures { status: SpoolStatus::default(), sink: SinkStats::default() }),
            mongo: Some(MongoStats::default()),
        }
    }
}

/// A queue in front of a store.
pub(super) struct SinkFigures {
    pub(super) stats: SinkStats,
    pub(super) bounds: QueueBounds,
    pub(super) is_poisoned: bool,
    /// True if senders wait for a store behind a spool, and get an error when that takes too long.
    pub(super) is_for_stored: bool,
}

/// A spool and the queue behind it.
pub(super) struct SpoolFigures {
    pub(super) status: SpoolStatus,
    pub(super) sink: SinkStats,
}

/// Takes a snapshot of the store of each project.
pub(super) fn of_stores(state: &ApiState) -> Vec<StoreFigures> {
    state.projects.all().iter().map(|project| of_store(project, state.bounds.queue)).collect()
}

fn of_store(project: &Project, bounds: QueueBounds) -> StoreFigures {
    let sink = |sink: &martech_core::sink::EventSink<_>, is_for_stored| SinkFigures {
        stats: sink.stats(),
        bounds,
        is_poisoned: sink.poison().is_some(),
        is_for_stored,
    };
    let mut sinks = vec![sink(project.sink(), false)];
    if project.backend().is_spooled() {
        sinks.push(sink(project.sink_for(Ack::Stored, Circuit::Closed), true));
    }
    let none = StoreFigures { sinks, journal: None, lake: None, spool: None, mongo: None };
    // All projects share the MongoDB connections and their counters, so only the default project reports them.
    let mongo = |mongo: &Mongo| project.id().is_default().then(|| mongo.store.monitor());
    match project.backend() {
        Backend::Lake(lake) => StoreFigures { journal: Some(lake.journal()), lake: Some(lake.status()), ..none },
        Backend::Mongo(found) => StoreFigures { mongo: mongo(found), ..none },
        Backend::Spooled(found, spool) => StoreFigures {
            journal: Some(spool.journal()),
            spool: Some(SpoolFigures { status: spool.status(), sink: spool.sink() }),
            mongo: mongo(found),
            ..none
        },
    }
}

/// Figures of the server that belong to no single store.
pub(super) struct ServerFigures {
    is_draining: bool,
    body_bytes: usize,
    body_capacity: usize,
    /// Free disk space, if known, and whether public senders are refused because of it.
    disk_free: (Option<u64>, bool),
    connections_max: usize,
    watchers: usize,
    dead_letters: DeadLetterCounts,
    runtime: RuntimeMetrics,
}

/// Takes a snapshot of the server itself. Must be called in its runtime.
pub(super) fn of_server(state: &ApiState) -> ServerFigures {
    ServerFigures {
        is_draining: state.lifecycle.is_draining(),
        body_bytes: state.bodies.held(),
        body_capacity: state.bodies.capacity(),
        disk_free: (state.disk_space.free(), state.disk_space.is_short()),
        connections_max: state.bounds.connections,
        watchers: state.projects.watchers(),
        dead_letters: state.projects.all().iter().map(Project::dead_letters).sum(),
        runtime: Handle::current().metrics(),
    }
}

impl ServerFigures {
    pub(super) fn tell(self, families: &mut Families) {
        let version = env!("CARGO_PKG_VERSION");
        families.gauges(
            "martech_build_info",
            "Always 1, with the version as a label.",
            ["version"],
            [([version], 1.0)],
        );
        families.gauge("martech_draining", "1 while the server drains.", f64::from(u8::from(self.is_draining)));
        families.gauge(
            "martech_http_body_bytes",
            "Memory of the bodies that are being received and parsed, in bytes.",
            self.body_bytes as f64,
        );
        families.gauge(
            "martech_http_body_capacity_bytes",
            "Maximum memory of bodies, in bytes. Above it, bodies are rejected with 408 or 429.",
            self.body_capacity as f64,
        );
        if let Some(free) = self.disk_free.0 {
            families.gauge(
                "martech_disk_free_bytes",
                "Free space on the disk of the data folder, in bytes.",
                free as f64,
            );
        }
        families.gauge(
            "martech_public_ingest_stopped",
            "1 while events without a secret key are refused because the disk is nearly full.",
            f64::from(u8::from(self.disk_free.1)),
        );
        families.gauge(
            "martech_http_connections_max",
            "Maximum number of open connections. For further ones, idle ones are closed.",
            self.connections_max as f64,
        );
        families.gauge("martech_event_streams", "Open streams of events (GET /events/stream).", self.watchers as f64);
        let DeadLetterCounts { kept, lost, bytes } = self.dead_letters;
        families.counters(
            "martech_dead_letters_total",
            "Accepted events that the store refuses: kept in the dead-letter file, or lost because it could not be written.",
            ["outcome"],
            [(["kept"], kept as f64), (["lost"], lost as f64)],
        );
        families.gauge(
            "martech_dead_letter_file_bytes",
            "Size of the dead-letter file, in bytes; 0 until it is opened.",
            bytes as f64,
        );
        let runtime = &self.runtime;
        let workers = runtime.num_workers();
        families.gauge("martech_runtime_workers", "Worker threads of the async runtime.", workers as f64);
        families.gauge(
            "martech_runtime_alive_tasks",
            "Async tasks that have not finished.",
            runtime.num_alive_tasks() as f64,
        );
        families.gauge(
            "martech_runtime_global_queue_depth",
            "Async tasks in the global queue, which no worker thread has taken yet.",
            runtime.global_queue_depth() as f64,
        );
        #[cfg(target_has_atomic = "64")]
        families.counter(
            "martech_runtime_busy_seconds_total",
            "Busy time of all worker threads together, in seconds.",
            (0..workers).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64()).sum(),
        );
    }
}
