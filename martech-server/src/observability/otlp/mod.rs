//! OpenTelemetry: exports traces and logs over OTLP (HTTP and Protobuf) to the collector that `OTEL_*` variables name.
//!
//! - The SDK reads the variables. This module only decides whether there is a collector: without an endpoint nothing is
//!   sent, whereas the SDK would use `localhost:4318`.
//! - Spans and log records wait in bounded queues of the SDK, which drop records that do not fit. One thread per queue
//!   sends them.
//! - An unavailable collector does not delay requests. Only the end of the process waits for those threads, for a few
//!   seconds.
//! - Metrics are not sent: a collector can scrape `/metrics`.

mod client;

use std::{
    env, fmt, thread,
    time::{Duration, Instant},
};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{LogExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, logs::SdkLoggerProvider, trace::SdkTracerProvider};
use tokio::sync::oneshot;
use uuid::Uuid;

use self::client::Client;
use super::{TelemetryError, trace};

/// Service name if the variables set none.
const NAME: &str = env!("CARGO_PKG_NAME");

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
}

impl Signal {
    /// Returns whether the variables name a collector for this signal.
    fn is_exported(self, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        // By the specification, an empty variable counts as unset.
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let has = |name: &str, wanted: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
        let (endpoint, exporter) = match self {
            Self::Traces => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER"),
            Self::Logs => ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_LOGS_EXPORTER"),
        };
        let endpoint = variable(endpoint).or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        endpoint.is_some() && !has("OTEL_SDK_DISABLED", "true") && !has(exporter, "none")
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
        })
    }
}

/// The exporters that the variables configure.
#[derive(Debug)]
pub(crate) struct Exporters {
    traces: Option<SpanExporter>,
    logs: Option<LogExporter>,
}

impl Exporters {
    /// Builds the exporters without starting any threads.
    pub(crate) fn from_environment() -> Result<Self, TelemetryError> {
        let is_exported = |signal: &Signal| signal.is_exported(&|name| env::var(name).ok());
        let client = |signal| is_exported(&signal).then(|| Client::new(signal));
        let traces = client(Signal::Traces)
            .map(|client| SpanExporter::builder().with_http().with_http_client(client).build())
            .transpose()
            .map_err(|_| TelemetryError::Endpoint)?;
        let logs = client(Signal::Logs)
            .map(|client| LogExporter::builder().with_http().with_http_client(client).build())
            .transpose()
            .map_err(|_| TelemetryError::Endpoint)?;
        Ok(Self { traces, logs })
    }

    /// Returns the exported signals in words, or `None` if there are none.
    pub(crate) fn describe(&self) -> Option<&'static str> {
        match (&self.traces, &self.logs) {
            (Some(_), Some(_)) => Some("traces and logs"),
            (Some(_), None) => Some("traces"),
            (None, Some(_)) => Some("logs"),
            (None, None) => None,
        }
    }

    /// Starts the export threads. If traces are exported, requests are traced from now on.
    pub(super) fn start(self) -> Providers {
        let resource = resource();
        let traces = self.traces.map(|exporter| {
            SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build()
        });
        let logs = self
            .logs
            .map(|exporter| SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build());
        if let Some(traces) = &traces {
            trace::begin(traces.tracer(NAME));
        }
        Providers { traces, logs }
    }
}

/// Exports telemetry while the server runs.
#[derive(Debug)]
pub(super) struct Providers {
    traces: Option<SdkTracerProvider>,
    pub(super) logs: Option<SdkLoggerProvider>,
}

impl Providers {
    /// Sends the remaining records. Waits for at most `timeout`.
    pub(super) async fn shut_down(self, timeout: Duration) {
        let Self { traces, logs } = self;
        let deadline = Instant::now() + timeout;
        let mut ends: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        if let Some(traces) = traces {
            ends.push(Box::new(move || drop(traces.shutdown_with_timeout(timeout))));
        }
        if let Some(logs) = logs {
            ends.push(Box::new(move || drop(logs.shutdown_with_timeout(timeout))));
        }
        // Runtime threads are not used, because the end of the runtime waits for them.
        let ended: Vec<_> = ends.into_iter().map(on_thread).collect();
        for ended in ended {
            // Records that are not sent by then are dropped.
            let _ = tokio::time::timeout_at(deadline.into(), ended).await;
        }
    }
}

fn on_thread(work: Box<dyn FnOnce() + Send>) -> oneshot::Receiver<()> {
    let (done, ended) = oneshot::channel();
    let run = move || {
        work();
        // The receiver is gone if this took too long.
        let _ = done.send(());
    };
    // If no thread can be started, the sender is dropped, which ends the wait.
    let _ = thread::Builder::new().name("telemetry-end".to_owned()).spawn(run);
    ended
}

/// Returns the attributes of this process: those that variables set, and defaults for the others.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_only_to_a_configured_collector() {
        let exported = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
            [Signal::Traces, Signal::Logs].map(|signal| signal.is_exported(&find))
        };
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        assert_eq!(exported(&[]), [false, false]);
        assert_eq!(exported(&[("OTEL_SERVICE_NAME", "shop"), ("OTEL_TRACES_EXPORTER", "otlp")]), [false, false]);
        assert_eq!(exported(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), [false, false]);
        assert_eq!(exported(&[all]), [true, true]);
        assert_eq!(exported(&[all, ("OTEL_SDK_DISABLED", "TRUE")]), [false, false]);
        assert_eq!(exported(&[all, ("OTEL_LOGS_EXPORTER", "none")]), [true, false]);
        assert_eq!(exported(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://c/as-it-is")]), [false, true]);
    }
}
