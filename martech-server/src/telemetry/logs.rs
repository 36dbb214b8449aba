//! Logs: to standard error, and to a collector where there is one.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the log filter cannot be read: {0}")]
pub struct InvalidLogFilter(#[from] tracing_subscriber::filter::ParseError);

/// The target of what only those may read who can see this process: it holds a secret, and never leaves the machine by us.
pub(crate) const LOCAL: &str = "martech_server::local";

/// Sends the logs of this process to standard error, and to a collector. Does nothing when it was called before.
pub(super) fn init(
    format: LogFormat,
    filter: &str,
    collector: Option<&SdkLoggerProvider>,
) -> Result<(), InvalidLogFilter> {
    let bridge = collector.map(|provider| {
        // With the request's id, so that it is known where nothing is traced.
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
    // The only error is that there is a subscriber already, and then that one stays.
    let _ = if human {
        registry.with(lines.with_ansi(terminal).with_target(false)).try_init()
    } else {
        registry.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init()
    };
    Ok(())
}

/// Neither secrets, nor what the exporters say of their own work: each line would make another.
fn may_leave(metadata: &Metadata<'_>) -> bool {
    metadata.target() != LOCAL && !metadata.target().starts_with("opentelemetry")
}
