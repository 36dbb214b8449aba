//! Metrics for Prometheus.
//!
//! - Frequent events are counted where they happen ([`ingest`], [`http`], [`sign_ins`]), in counters that are looked up
//!   once.
//! - Everything else is read on each scrape, and turned into metrics by [`Families`].
//! - Labels are bounded: event types that the configuration does not name are `other`, and so are unknown routes.
//!
//! There is no global state, so that several servers can run in one process.

mod families;
mod http;
mod ingest;
mod process;
mod sign_ins;

use std::sync::Arc;

use martech_core::event::EventTypes;
use prometheus::{Registry, proto::MetricFamily};

pub(crate) use self::{
    families::Families,
    http::{Exchange, HttpMetrics, Route, known_method},
    ingest::{EventOutcome, Ingested, Kind},
    sign_ins::SignInOutcome,
};
use self::{process::Started, sign_ins::SignIns};

/// Counters of a running server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) ingested: Arc<Ingested>,
    pub(crate) http: Arc<HttpMetrics>,
    pub(crate) sign_ins: SignIns,
    started: Started,
}

impl Metrics {
    /// Creates the metrics of a server that accepts these event types.
    pub(crate) fn new(types: &EventTypes) -> Self {
        let (ingested, http, sign_ins) = (Ingested::new(types), HttpMetrics::default(), SignIns::default());
        let registry = Registry::new();
        for collector in [ingested.collectors(), http.collectors(), sign_ins.collectors()].into_iter().flatten() {
            registry.register(collector).expect("each name is valid and is there once");
        }
        Self { registry, ingested: Arc::new(ingested), http: Arc::new(http), sign_ins, started: Started::now() }
    }

    /// Returns the counters and the figures of the process, with `more` metrics. Blocks briefly on the kernel.
    pub(crate) fn gather(&self, mut more: Families) -> Vec<MetricFamily> {
        process::tell(&self.started, &mut more);
        let mut all = self.registry.gather();
        all.extend(more.finish());
        all
    }
}
