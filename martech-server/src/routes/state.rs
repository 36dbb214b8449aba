//! The state of the routes. Handlers extract the parts that they need.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::extract::FromRef;

use super::queries::QueryLimit;
use crate::{
    http::{auth::Access, bodies::Bodies, observe::Observer, rate_limits::Limiter},
    observability::metrics::Metrics,
    projects::{Projects, QueueBounds, disk_space::DiskSpace},
    uploads::Uploads,
};

/// The state of the routes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ApiState(Arc<Parts>);

/// The parts of a server that requests need.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) projects: Projects,
    pub(crate) access: Arc<Access>,
    /// The bodies of events.
    pub(crate) bodies: Arc<Bodies>,
    /// The bodies of other requests, which are small.
    pub(crate) small_bodies: Arc<Bodies>,
    pub(crate) query_limit: Arc<QueryLimit>,
    pub(crate) disk_space: Arc<DiskSpace>,
    pub(crate) uploads: Uploads,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) bounds: Bounds,
    pub(crate) lifecycle: Arc<Lifecycle>,
}

/// Bounds that responses report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) queue: QueueBounds,
    pub(crate) connections: usize,
    pub(crate) journal_bytes: u64,
}

/// When the server started, and whether it is stopping.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    started: Instant,
    draining: AtomicBool,
}

impl Lifecycle {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), draining: AtomicBool::new(false) }
    }

    /// Makes `/readyz` fail from now on.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl ApiState {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Returns the state of the layer that limits requests.
    pub(super) fn limiter(&self) -> Limiter {
        Limiter { rates: self.access.rates.clone(), proxies: self.access.proxies.clone(), bodies: self.bodies.clone() }
    }
}

impl Deref for ApiState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

macro_rules! parts {
    ($($field:ident: $part:ty),+ $(,)?) => {
        $(
            impl FromRef<ApiState> for $part {
                fn from_ref(state: &ApiState) -> Self {
                    state.$field.clone()
                }
            }
        )+
    };
}

parts! {
    projects: Projects,
    access: Arc<Access>,
    query_limit: Arc<QueryLimit>,
    uploads: Uploads,
    metrics: Arc<Metrics>,
}
