//! Metrics for Prometheus, on a separate listener.
//!
//! - Frequent events are counted where they happen ([`ingest`], [`http`], [`sign_ins`]), in counters that are looked up
//!   once.
//! - Everything else is read on each scrape. [`figures`] takes a snapshot of each part of the server, from memory only,
//!   and [`families`] turns the snapshots into metrics. A scrape never queries MongoDB and never waits for a disk.
//! - Labels are bounded: event types that the configuration does not name are `other`, and so are unknown routes.
//!
//! There is no global state, so that several servers can run in one process.

mod families;
mod figures;
mod http;
mod ingest;
mod listener;
mod process;
mod sign_ins;
mod stores;

use std::sync::Arc;

use martech_core::event::EventTypes;
use prometheus::{Registry, TextEncoder};

pub use self::listener::{MetricsAddr, bind, serve_metrics};
use self::{families::Families, process::Started, sign_ins::SignIns};
pub(crate) use self::{
    http::{HttpMetrics, known_method},
    ingest::{Fate, Ingested, Kind},
    sign_ins::SignInOutcome,
};
use crate::App;

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
}

/// Returns all metrics of a server in Prometheus' text format. Blocks briefly on the kernel.
fn scrape(app: &App) -> Result<String, prometheus::Error> {
    let metrics = app.metrics();
    let mut families = Families::default();
    figures::of_server(app).tell(&mut families);
    stores::tell(&figures::of_stores(app), &mut families);
    process::tell(&metrics.started, &mut families);
    let mut all = metrics.registry.gather();
    all.extend(families.finish());
    TextEncoder::new().encode_to_string(&all)
}
