//! Logs, metrics and traces. If a collector is configured (`otlp`), it receives request spans and the logs.
//!
//! These modules know nothing of the parts that they observe.

mod logs;
pub(crate) mod metrics;
mod otlp;
mod request_id;
mod sampler;
mod trace;

use std::time::Duration;

pub use self::logs::{InvalidLogFilter, LogFormat};
use self::otlp::Providers;
pub(crate) use self::{
    logs::LOCAL,
    otlp::Exporters as OtlpExporters,
    request_id::RequestId,
    sampler::{PERIOD, Sampler},
    trace::{RequestSpan, Timeline},
};

/// Logs and their export to a collector, from the start of a process to its end.
#[derive(Debug)]
pub struct Telemetry(Providers);

/// Reasons why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is invalid.
    #[error(transparent)]
    Filter(#[from] InvalidLogFilter),
    /// The endpoint of the collector is invalid. The message does not repeat it, because it may contain a password.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT, or that of traces or logs, is not a URL such as http://localhost:4318")]
    Endpoint,
}

/// Maximum wait for a collector at the end of a process.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Minimum wait for a collector, even if the drain has used up its time.
const LEAST_LAST_WORDS: Duration = Duration::from_secs(1);

impl Telemetry {
    /// Starts logging to standard error, and the export of traces and logs to the collector that `OTEL_*` variables
    /// name.
    ///
    /// # Errors
    /// Fails if the log filter or an endpoint is invalid.
    pub fn start(format: LogFormat, filter: &str) -> Result<Self, TelemetryError> {
        let exporters = OtlpExporters::from_environment()?;
        let signals = exporters.describe();
        let providers = exporters.start();
        logs::init(format, filter, providers.logs.as_ref())?;
        if let Some(signals) = signals {
            tracing::info!("OpenTelemetry sends {signals}");
        }
        Ok(Self(providers))
    }

    /// Sends the remaining records. Waits for at most `timeout`, limited to between one and five seconds.
    pub async fn end(self, timeout: Duration) {
        self.0.shut_down(timeout.clamp(LEAST_LAST_WORDS, LAST_WORDS)).await;
    }
}
