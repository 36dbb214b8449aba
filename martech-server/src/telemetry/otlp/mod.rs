//! OpenTelemetry: traces, metrics and logs to a collector over OTLP (HTTP and Protobuf), where `OTEL_*` variables name one.
//!
//! - Spans and logs wait in the SDK's bounded queues, which drop what does not fit, and are sent by a thread each.
//! - Metrics are those of `/metrics`, converted: nothing is counted twice.
//! - A collector that is away costs a request nothing: nobody waits for those threads but the end of the process, and that
//!   for a few seconds.

mod client;
mod convert;
mod metrics;
mod settings;

use std::{
    thread,
    time::{Duration, Instant},
};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{Resource, logs::SdkLoggerProvider, trace::SdkTracerProvider};
use tokio::sync::oneshot;
use uuid::Uuid;

pub(crate) use self::settings::Settings;
use self::{client::Client, metrics::MetricsExport, settings::Target};
use super::trace;
use crate::App;

/// What tells of this program when nobody says otherwise.
const NAME: &str = env!("CARGO_PKG_NAME");

/// What is sent while a server runs.
#[derive(Debug)]
pub(super) struct Exports {
    settings: Settings,
    resource: Resource,
    traces: Option<SdkTracerProvider>,
    pub(super) logs: Option<SdkLoggerProvider>,
    metrics: Option<MetricsExport>,
}

impl Exports {
    /// Starts the threads that send. From now on requests are traced, where traces are sent.
    pub(super) fn start(settings: Settings) -> Result<Self, ExporterBuildError> {
        let resource = resource();
        let traces = match &settings.traces {
            None => None,
            Some(target) => {
                let exporter = aimed(SpanExporter::builder().with_http(), target).build()?;
                let provider = SdkTracerProvider::builder().with_resource(resource.clone());
                Some(provider.with_batch_exporter(exporter).build())
            }
        };
        let logs = match &settings.logs {
            None => None,
            Some(target) => {
                let exporter = aimed(LogExporter::builder().with_http(), target).build()?;
                let provider = SdkLoggerProvider::builder().with_resource(resource.clone());
                Some(provider.with_batch_exporter(exporter).build())
            }
        };
        if let Some(traces) = &traces {
            trace::begin(traces.tracer(NAME));
        }
        Ok(Self { settings, resource, traces, logs, metrics: None })
    }

    /// From now on the metrics of a server are sent.
    pub(super) fn export_metrics(&mut self, app: App) {
        if let Some(target) = &self.settings.metrics {
            self.metrics = MetricsExport::start(target, self.settings.interval, &self.resource, app);
        }
    }

    /// Sends what is still here, and waits no longer than `patience` for it.
    pub(super) async fn end(self, patience: Duration) {
        let Self { traces, logs, metrics, .. } = self;
        let deadline = Instant::now() + patience;
        let mut ends: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        if let Some(traces) = traces {
            ends.push(Box::new(move || drop(traces.shutdown_with_timeout(patience))));
        }
        if let Some(logs) = logs {
            ends.push(Box::new(move || drop(logs.shutdown_with_timeout(patience))));
        }
        if let Some(metrics) = metrics {
            ends.push(Box::new(move || metrics.end()));
        }
        // Not on threads of the runtime, whose end waits for them.
        let ended: Vec<_> = ends.into_iter().map(on_thread).collect();
        for ended in ended {
            // Whatever is not sent by then, nobody gets.
            let _ = tokio::time::timeout_at(deadline.into(), ended).await;
        }
    }
}

/// The headers are read by the exporter itself.
fn aimed<B: WithExportConfig + WithHttpConfig>(exporter: B, target: &Target) -> B {
    let exporter = exporter
        .with_http_client(Client::new(target))
        .with_endpoint(target.endpoint.to_string())
        .with_timeout(target.timeout);
    if target.gzip { exporter.with_compression(Compression::Gzip) } else { exporter }
}

fn on_thread(work: Box<dyn FnOnce() + Send>) -> oneshot::Receiver<()> {
    let (done, ended) = oneshot::channel();
    let run = move || {
        work();
        // Nobody waits any more when it took too long.
        let _ = done.send(());
    };
    // Where there is no thread left, the sender is gone, and so is the wait.
    let _ = thread::Builder::new().name("telemetry-end".to_owned()).spawn(run);
    ended
}

/// What this process is: what variables say, and a few things that they need not.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let is_named = found
        .iter()
        .any(|(key, value)| key.as_str() == "service.name" && !value.as_str().starts_with("unknown_service"));
    let mut own = vec![
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
    ];
    if !is_named {
        own.push(KeyValue::new("service.name", NAME));
    }
    own.retain(|attribute| attribute.key.as_str() == "service.name" || found.get_ref(&attribute.key).is_none());
    Resource::builder().with_attributes(own).build()
}
