//! Settings of queues, bodies and queries: limits and timeouts.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::values::{bytes, positive};
use crate::util::parse_duration;
use crate::{http::bodies::BodyLimits, projects::QueueBounds};

/// Limits on what the server accepts at once, and timeouts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Bounds")]
pub struct BoundArgs {
    /// Maximum number of events that wait to be stored; further ones get 429
    #[arg(long, hide_short_help = true, env = "MARTECH_QUEUE_EVENTS", default_value = "50000", value_name = "COUNT", value_parser = positive())]
    pub queue_events: u64,

    /// Maximum memory of the events that wait to be stored
    ///
    /// At least 256KiB.
    #[arg(long, hide_short_help = true, env = "MARTECH_QUEUE_BYTES", default_value = "64MiB", value_name = "SIZE", value_parser = queue_bytes)]
    pub queue_bytes: ByteSize,

    /// Maximum body of a single event
    #[arg(long, hide_short_help = true, env = "MARTECH_MAX_BODY", default_value = "1MiB", value_name = "SIZE", value_parser = body_size)]
    pub max_body: ByteSize,

    /// Maximum body of a batch, before and after decompression
    #[arg(long, hide_short_help = true, env = "MARTECH_MAX_BATCH_BODY", default_value = "16MiB", value_name = "SIZE", value_parser = body_size)]
    pub max_batch_body: ByteSize,

    /// Maximum memory for bodies that are being received and parsed; when it is full, the server rejects the slowest
    /// body
    ///
    /// One eighth is reserved for bodies of up to 64 KiB. One address or secret key may use half of the rest, or the
    /// size of two of the largest bodies. The rejected body gets 408.
    #[arg(long, hide_short_help = true, env = "MARTECH_MAX_BODIES", default_value = "64MiB", value_name = "SIZE", value_parser = body_size)]
    pub max_bodies: ByteSize,

    /// Minimum free space on the disk of the data folder; below it, events without a key, or with a page key, are
    /// refused; 0 for no minimum
    ///
    /// The refused events get 503. Events with a secret key are accepted until the disk is full. Uploads and imports of
    /// files stop while twice as much is free.
    #[arg(long, hide_short_help = true, env = "MARTECH_MIN_FREE_SPACE", default_value = "1GiB", value_name = "SIZE")]
    pub min_free_space: ByteSize,

    /// Quota of events per project and UTC day, unless the project sets another; further events get 429. 0 for no quota
    #[arg(long, env = "MARTECH_EVENTS_PER_DAY", default_value = "0", value_name = "COUNT")]
    pub events_per_day: u64,

    /// Maximum number of queries that run or wait; further ones get 503. Without it, twenty for each core
    ///
    /// Stores run fewer at a time; the others wait. The embedded store of a project runs one `/stats` query and eight
    /// other queries, and those of all projects run two `/stats` queries. A MongoDB runs four and eight, of all
    /// projects together.
    #[arg(long, hide_short_help = true, env = "MARTECH_MAX_QUERIES", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_queries: Option<u32>,

    /// Idle timeout of a request body
    #[arg(long, hide_short_help = true, env = "MARTECH_BODY_IDLE_TIMEOUT", default_value = "15s", value_name = "TIME", value_parser = parse_duration)]
    pub body_idle_timeout: Duration,

    /// Timeout of a whole request body
    #[arg(long, hide_short_help = true, env = "MARTECH_BODY_TIMEOUT", default_value = "2m", value_name = "TIME", value_parser = parse_duration)]
    pub body_timeout: Duration,

    /// Minimum bytes per second of a request body after its idle timeout, and of a response whose client delays it for
    /// longer than the write timeout; 0 for no minimum
    #[arg(long, hide_short_help = true, env = "MARTECH_MIN_BODY_RATE", default_value = "1KiB", value_name = "SIZE")]
    pub min_body_rate: ByteSize,

    /// After SIGTERM or SIGINT: how long to answer requests in flight and to store waiting events
    #[arg(long, hide_short_help = true, env = "MARTECH_DRAIN_TIMEOUT", default_value = "25s", value_name = "TIME", value_parser = parse_duration)]
    pub drain_timeout: Duration,
}

impl BoundArgs {
    pub(crate) fn bodies(&self) -> BodyLimits {
        BodyLimits {
            single: bytes(self.max_body),
            batch: bytes(self.max_batch_body.max(self.max_body)),
            in_flight: bytes(self.max_bodies),
            idle: self.body_idle_timeout,
            total: self.body_timeout,
            rate: self.min_body_rate.as_u64(),
        }
    }

    pub(crate) fn queue(&self) -> QueueBounds {
        QueueBounds { events: usize::try_from(self.queue_events).unwrap_or(usize::MAX), bytes: bytes(self.queue_bytes) }
    }
}

/// Parses the size of the queue. The largest event must fit.
fn queue_bytes(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < ByteSize::kib(256) {
        Err("must be at least 256KiB, so that every event fits".to_owned())
    } else {
        Ok(size)
    }
}

/// Parses the size of a body. A small event must fit.
fn body_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < ByteSize::kib(1) { Err("must be at least 1KiB".to_owned()) } else { Ok(size) }
}
