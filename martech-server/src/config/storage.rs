//! Settings of the event store, and of the spool in front of MongoDB.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use martech_core::mongodb::MongoOptions;

use crate::projects::backend::StoreChoice;
use crate::util::parse_duration;

/// Settings of the store.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Event store: `lake`, the embedded store in the data folder, or a MongoDB connection string,
    /// mongodb://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env = "MARTECH_STORE",
        default_value = "lake",
        hide_env_values = true,
        value_name = "lake|URI",
        help_heading = "Storage"
    )]
    pub store: StoreChoice,

    /// Timeout of a query, including its wait for other queries, and of its work in MongoDB; then 503
    #[arg(
        long, hide_short_help = true,
        env = "MARTECH_QUERY_TIMEOUT",
        default_value = "30s",
        value_name = "TIME",
        value_parser = some_time,
        help_heading = "Storage"
    )]
    pub query_timeout: Duration,
}

/// Settings of the spool in front of MongoDB.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct SpoolArgs {
    /// Whether events are stored in the data folder until MongoDB has them, so that MongoDB may be slow or unavailable
    #[arg(long, env = "MARTECH_SPOOL", default_value = "on", value_enum)]
    pub spool: Switch,

    /// Maximum size of the spool on disk. When it is full, clients wait and then get 429 or 503 with `Retry-After`
    #[arg(long, hide_short_help = true, env = "MARTECH_SPOOL_SIZE", default_value = "1GiB", value_name = "SIZE")]
    pub spool_size: ByteSize,
}

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// Settings of the embedded store.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageArgs {
    /// New events are written to Parquet when they use this much memory
    ///
    /// At most a quarter of `--journal-size` takes effect.
    #[arg(long, hide_short_help = true, env = "MARTECH_ROLL_BYTES", default_value = "24MiB", value_name = "SIZE")]
    pub roll_bytes: ByteSize,

    /// New events are also written to Parquet when the oldest of them reaches this age
    #[arg(long, hide_short_help = true, env = "MARTECH_ROLL_AGE", default_value = "5m", value_name = "TIME", value_parser = parse_duration)]
    pub roll_age: Duration,

    /// Memory for deduplication; exact at any size, faster with more memory
    #[arg(long, hide_short_help = true, env = "MARTECH_DEDUPE_MEMORY", default_value = "64MiB", value_name = "SIZE")]
    pub dedupe_memory: ByteSize,

    /// Retention of events in days; 0 for no limit
    #[arg(long, env = "MARTECH_RETENTION_DAYS", default_value = "0", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub retention_days: u32,

    /// Maximum size of the journal on disk; when it is full, clients are asked to wait
    #[arg(long, hide_short_help = true, env = "MARTECH_JOURNAL_SIZE", default_value = "256MiB", value_name = "SIZE")]
    pub journal_size: ByteSize,
}

impl StoreArgs {
    /// Returns the options of MongoDB, or `None` if the store is a lake.
    pub(crate) fn mongo(&self) -> Option<MongoOptions> {
        let StoreChoice::Mongo(uri) = &self.store else { return None };
        Some(MongoOptions::new(uri).query_timeout(self.query_timeout))
    }
}

/// Parses a timeout of at least one millisecond, because no query completes within a zero timeout.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(1) { Err("must be at least 1ms".to_owned()) } else { Ok(time) }
}
