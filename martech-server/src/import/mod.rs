//! Imports events from files: NDJSON, other JSON, CSV and other delimited text, plain or compressed.
//!
//! ```text
//! file ─ decompress ─ split ──▶ parse ──▶ EventSink ──▶ store
//!           one thread        one thread
//! ```
//!
//! Chunks of up to [`batch_size`](ImportOptions::batch_size) records (and about 1 MiB) pass through bounded channels, so
//! memory does not grow with the size of a file. The `ordinals` module describes the memory for counting equal records.
//!
//! Chunks are settled in order. Once the store has made a chunk durable, the import writes its rejects, counts its
//! records, and may save the position behind it in the state file. All records before that position are therefore
//! settled, whenever an import ends. The next import reads the records behind it again. Their ids are derived from
//! content (see the `id` module), so the store counts those that it already has as duplicates.
//!
//! [`FileImport`] imports one file. Its caller chooses the store, sees the progress through [`Watch`], and cancels an
//! import by dropping its future. Nothing here reads a command line or prints.

mod amount;
mod cells;
mod compose;
mod detect;
mod error;
mod file;
mod id;
mod input;
mod layout;
mod members;
mod options;
mod ordinals;
mod quotes;
mod reasons;
mod records;
mod rejects;
mod shape;
mod split;
mod state;
mod target;
mod terms;
mod time;
mod values;

use std::time::Duration;

use martech_core::{
    Appended, Store, StoreError,
    event::Event,
    sink::{ConfigError, EventSink, RetryPolicy},
};

#[cfg(feature = "testing")]
pub(crate) use self::records::read_records;
pub(crate) use self::{
    amount::Notation,
    detect::{Detected, detect},
    error::{ImportError, chain},
    file::{FileImport, FileOutcome, Opened, Watch},
    input::{Reading, Source, same_file},
    layout::LayoutError,
    options::{Delimiter, Format, ImportOptions, parse_encoding, parse_mark},
    reasons::{Reasons, Tally},
    records::check,
    rejects::RejectsPath,
    shape::shape_of,
    state::{Counts, StateFile},
    target::{Target, UnknownTarget},
    terms::Terms,
    time::TimeFormat,
};

/// Store of a dry run. It stores nothing and counts every event as stored.
pub(crate) struct Nowhere;

impl Store<Event> for Nowhere {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        Ok(Appended { stored: batch.len(), ..Appended::default() })
    }
}

/// Returns a sink for imports into a store.
pub(crate) fn sink(store: impl Store<Event>, batch_size: usize) -> Result<EventSink<Event>, ConfigError> {
    EventSink::builder()
        .max_batch(batch_size)
        .flush_interval(Duration::ZERO)
        .capacity(batch_size.saturating_mul(5))
        .size_of(Event::size)
        // Leaves time for a server to restart. Giving up is harmless: the next import continues or starts over.
        .retry(RetryPolicy::default().deadline(Duration::from_secs(300)))
        // Receipts report the outcome of each event, and rejected records go to the rejects file.
        .dead_letters(drop)
        .build(store)
}
