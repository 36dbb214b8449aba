//! The spool: acknowledged events reach the store behind it, whatever happens to either.

// Clippy allows these in functions marked as tests, but not in the helpers they share.
#![allow(clippy::unwrap_used)]

mod bounds;
mod conformance;
mod faults;
mod forwarding;
mod power;
mod restart;
mod store;

use std::{path::Path, sync::Arc, time::Duration};

use martech_core::{
    Store,
    sink::SinkConfig,
    spool::{SpoolError, SpoolOptions, Spooled},
    testing::SimFs,
};

use store::TestStore;

type Spool = Spooled<TestStore, u64>;

/// Longer than any step here takes. A wait this long is a failure.
const LONG: Duration = Duration::from_secs(60);

/// Options of a spool that forwards at once, in small batches.
fn options(disk: &SimFs) -> SpoolOptions {
    let sink = SinkConfig::default().max_batch(10).flush_interval(Duration::ZERO).capacity(50);
    SpoolOptions::new("/spool").fs(Arc::new(disk.clone())).sink(sink)
}

async fn try_open(options: SpoolOptions, store: &TestStore) -> Result<Spool, SpoolError> {
    let letters = store.clone();
    Spooled::open(options, store.clone(), move |letter| letters.letter(letter.event)).await
}

async fn open(disk: &SimFs, store: &TestStore) -> Spool {
    try_open(options(disk), store).await.unwrap()
}

/// Appends events with these numbers as one batch.
async fn append(spool: &Spool, numbers: impl IntoIterator<Item = u64>) {
    let batch: Vec<u64> = numbers.into_iter().collect();
    assert_eq!(spool.append(&batch).await.unwrap().stored, batch.len());
}

/// Waits for a condition, and panics after [`LONG`].
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("waited for ever: {what}"));
}
