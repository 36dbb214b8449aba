//! This crate's stores against the conformance suite, and the suite against faulty stores.

// Clippy allows these in functions marked as tests, but not in the helpers they share.
#![allow(clippy::unwrap_used)]

mod mutants;
mod on_disk;

use martech_core::{
    Event, MemoryStore,
    event::Timestamp,
    testing::conformance::{self, Numbered, Report, Subject},
};

use on_disk::OnDisk;

struct InMemory;

impl Subject for InMemory {
    type Event = Event;
    type Store = MemoryStore<Event>;
    const PERSISTENT: bool = false;

    async fn open(&self) -> MemoryStore<Event> {
        MemoryStore::of_events()
    }

    async fn reopen(&self, store: MemoryStore<Event>) -> MemoryStore<Event> {
        store
    }

    async fn remove_before(&self, store: &MemoryStore<Event>, before: Timestamp) -> Option<u64> {
        Some(store.remove_before(before))
    }
}

/// Events of a custom type, deduplicated by number or not at all.
struct Pairs<const KNOWN: bool>;

impl<const KNOWN: bool> Subject for Pairs<KNOWN> {
    type Event = (u64, &'static str);
    type Store = MemoryStore<Self::Event>;
    const PERSISTENT: bool = false;
    const KNOWS_DUPLICATES: bool = KNOWN;

    async fn open(&self) -> Self::Store {
        if KNOWN { MemoryStore::keyed(|event: &Self::Event| event.0) } else { MemoryStore::new() }
    }

    async fn reopen(&self, store: Self::Store) -> Self::Store {
        store
    }
}

impl<const KNOWN: bool> Numbered for Pairs<KNOWN> {
    fn event(&self, number: u64) -> Self::Event {
        (number, "an event")
    }

    async fn contents(&self, store: &Self::Store) -> Option<Vec<u64>> {
        Some(store.events().into_iter().map(|event| event.0).collect())
    }
}

fn not_applicable(report: &Report) -> Vec<&str> {
    report.not_applicable().map(|(name, _)| name).collect()
}

const UNREFUSED: &str = "append::refused_events";

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_of_events_conforms() {
    let report = conformance::run_events(&InMemory).await;
    report.assert_passed();
    let reopening = ["append::opening_again", UNREFUSED, "retries::an_append_dropped_before_closing"];
    assert_eq!(not_applicable(&report), reopening);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_of_a_custom_type_conforms() {
    conformance::run(&Pairs::<true>).await.assert_passed();
}

#[tokio::test]
async fn memory_store_without_deduplication_conforms() {
    let report = conformance::run(&Pairs::<false>).await;
    report.assert_passed();
    let known = ["append::duplicates_inside_a_batch", "concurrency::writers_of_the_same_events"];
    assert!(known.iter().all(|name| not_applicable(&report).contains(name)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lake_with_default_options_conforms() {
    let report = conformance::run_events(&OnDisk::new(|options| options)).await;
    report.assert_passed();
    assert_eq!(not_applicable(&report), [UNREFUSED]);
}

/// Each roll writes one window, so a file has many days, and the days of files overlap.
#[tokio::test(flavor = "multi_thread")]
async fn lake_with_wide_windows_conforms() {
    let wide = OnDisk::new(|options| options.roll_bytes(20 << 10).roll_windows(1));
    let report = conformance::run_events(&wide).await;
    report.assert_passed();
    assert_eq!(not_applicable(&report), [UNREFUSED]);
}

/// Hot tables of a few dozen events, background compaction, and no memory for the ids of stored files.
#[tokio::test(flavor = "multi_thread")]
async fn lake_with_small_hot_tables_conforms() {
    let small = OnDisk::new(|options| options.roll_bytes(40 << 10).dedupe_memory(0).journal_capacity(1 << 20));
    let report = conformance::run_events(&small).await;
    report.assert_passed();
    assert_eq!(not_applicable(&report), [UNREFUSED]);
}
