//! Logs to standard error, and to a collector if there is one.

use std::io::{self, IsTerminal};

use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// Human-readable lines.
    Human,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// Each value with its name.
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("human", Self::Human), ("json", Self::Json)];
}

/// A log filter that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("the log filter cannot be read: {0}")]
pub struct InvalidLogFilter(#[from] tracing_subscriber::filter::ParseError);

/// Target of log lines that contain a secret. They go to standard error only, for people who can see this process; the
/// server never sends them off the machine.
pub(crate) const LOCAL: &str = "martech_server::local";

/// Sends the logs of this process to standard error, and to a collector. Does nothing if it was called before.
pub(super) fn init(
    format: LogFormat,
    filter: &str,
    collector: Option<&SdkLoggerProvider>,
) -> Result<(), InvalidLogFilter> {
    let bridge = collector.map(|provider| {
        // Includes the id of the request, so that it is known without traces too.
        let attributes = TracingSpanAttributes::all();
        let bridge = OpenTelemetryTracingBridge::builder(provider).with_tracing_span_attributes(attributes).build();
        bridge.with_filter(filter_fn(may_leave))
    });
    let registry = registry().with(EnvFilter::try_new(filter)?).with(bridge);
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let lines = fmt::layer().with_writer(io::stderr);
    // The only error is that a subscriber already exists. That one stays.
    let _ = if human {
        registry.with(lines.with_ansi(terminal).with_target(false)).try_init()
    } else {
        registry.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init()
    };
    Ok(())
}

/// Returns whether a line may be exported. Secrets may not be. Lines of the exporters may not either, because each line
/// would cause another.
fn may_leave(metadata: &Metadata<'_>) -> bool {
    metadata.target() != LOCAL && !metadata.target().starts_with("opentelemetry")
}
