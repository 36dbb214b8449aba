//! Conformance of the spool as a store.

use std::sync::atomic::{AtomicU64, Ordering};

use martech_core::{
    Appended, MemoryStore, Store, StoreError,
    spool::{SpoolOptions, Spooled},
    testing::conformance::{self, Numbered, Subject},
};
use tempfile::TempDir;

use crate::LONG;

/// Spools in front of an in-memory store. They acknowledge once that store has the events (`STORED`), or once the
/// events are durable in the spool.
struct Spools<const STORED: bool> {
    root: TempDir,
    count: AtomicU64,
}

#[derive(Clone)]
struct Subjected<const STORED: bool> {
    spool: Spooled<MemoryStore<Click>, Click>,
    options: SpoolOptions,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Click {
    number: u64,
    path: String,
}

impl<const STORED: bool> Spools<STORED> {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), count: AtomicU64::new(0) }
    }

    async fn spool(&self, options: SpoolOptions, store: MemoryStore<Click>) -> Subjected<STORED> {
        let spool = Spooled::open(options.clone(), store, |_| {}).await.unwrap();
        Subjected { spool, options }
    }
}

impl<const STORED: bool> Store<Click> for Subjected<STORED> {
    async fn append(&self, batch: &[Click]) -> Result<Appended, StoreError> {
        if STORED { self.spool.stored(LONG).append(batch).await } else { self.spool.append(batch).await }
    }
}

impl<const STORED: bool> Subject for Spools<STORED> {
    type Event = Click;
    type Store = Subjected<STORED>;
    const PERSISTENT: bool = true;
    const KNOWS_DUPLICATES: bool = STORED;

    async fn open(&self) -> Self::Store {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut options = SpoolOptions::new(self.root.path().join(number.to_string()));
        options.sink.flush_interval = std::time::Duration::from_millis(1);
        let store = if STORED { MemoryStore::keyed(|click: &Click| click.number) } else { MemoryStore::new() };
        self.spool(options, store).await
    }

    async fn reopen(&self, store: Self::Store) -> Self::Store {
        let Subjected { spool, options } = store;
        spool.close(LONG).await;
        self.spool(options, spool.store().clone()).await
    }
}

impl<const STORED: bool> Numbered for Spools<STORED> {
    fn event(&self, number: u64) -> Click {
        Click { number, path: format!("/{number}") }
    }

    async fn contents(&self, store: &Self::Store) -> Option<Vec<u64>> {
        store.spool.forwarded().await;
        Some(store.spool.store().events().iter().map(|click| click.number).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_when_acknowledging_after_the_store() {
    conformance::run(&Spools::<true>::new()).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_when_acknowledging_durable_events() {
    conformance::run(&Spools::<false>::new()).await.assert_passed();
}
