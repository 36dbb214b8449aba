//! Durable appends in batches of 2,000 events: the lake compared with fjall, redb and SQLite.
//!
//! `cargo bench -p martech-benches --features rivals --bench durable -- [events] [rounds]`
//!
//! # The job
//! A shop's events arrive in time order, in batches of 2,000. The result of an append says that the batch is durable
//! (fdatasync or stronger) and how many of its events were new. An event that is already stored is not stored again,
//! whenever it arrived. A user's events can be read in time order at any moment.
//!
//! Each store runs with one batch in flight, and with three, as in the server. With three, rivals use group commit: one
//! thread writes, and commits all waiting batches in one transaction.
//!
//! The clock stops when the last batch is durable. After that a hundred journeys are read, which must be equal in all
//! stores. Closing is timed separately, and the size is measured after closing. Rounds alternate between the
//! contestants. Figures are medians over the rounds.
//!
//! # Configuration of the rivals
//! All rivals: fields outside the key are encoded as compactly as in the lake's journal (`row.rs`), on the thread that
//! submits the batch; rows are sorted by key before insertion; the cache holds everything (1 GiB). Each has two tables,
//! `id` and `(user, time, id) -> row`. An index by id that pointed at rows elsewhere would touch as many B-tree pages
//! and cost journeys one lookup per event.
//!
//! | | |
//! |---|---|
//! | fjall | two keyspaces, one write batch, `SyncData`; memtables of 256 MiB, to keep compaction low; two workers |
//! | redb | two tables, one transaction, `Durability::Immediate`, one-phase commit |
//! | SQLite | two tables WITHOUT ROWID, prepared statements, WAL, synchronous=FULL, pages of 4 KiB, a checkpoint at 64 MiB |
//! | lake | defaults; rolls and compactions run during the measurement |

mod fjall;
mod lake;
mod redb;
mod row;
mod sqlite;

use std::{
    iter,
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use martech_benches::{Shop, argument, bytes_in, median};
use martech_core::{Event, event::Timestamp};

use self::row::{Batch, StoredEvent};

const BATCH: usize = 2_000;
/// Numbers of batches in flight.
const IN_FLIGHT: [usize; 2] = [1, 3];
const JOURNEYS: usize = 100;
/// Cache size of each rival, in bytes.
const CACHE: usize = 1 << 30;
/// 2026-11-01T00:00:00Z.
const END: Timestamp = Timestamp::from_millis(1_793_491_200_000);

/// A store opened in a directory.
trait Contestant {
    /// Appends all batches with `in_flight` at a time. Returns the number of new events.
    fn append(&mut self, batches: &[Vec<Event>], in_flight: usize) -> usize;
    /// Returns a user's events in time order.
    fn journey(&mut self, user: &str) -> Vec<StoredEvent>;
    /// Closes the store and stops its background work.
    fn close(self: Box<Self>);
}

/// Operations of a rival. The shared `Contestant` implementation submits its batches.
trait Rival {
    /// Commits a group of batches durably in one transaction. Returns the number of new events of each batch.
    fn commit(&mut self, group: &[Batch<'_>]) -> Vec<usize>;
    fn journey(&mut self, user: &str) -> Vec<StoredEvent>;
}

type Open = fn(&Path) -> Box<dyn Contestant>;

const CONTESTANTS: [(&str, Open); 4] = [
    ("lake", |dir| Box::new(lake::LakeStore::open(dir))),
    ("fjall", |dir| Box::new(fjall::Fjall::open(dir))),
    ("redb", |dir| Box::new(redb::Redb::open(dir))),
    ("SQLite", |dir| Box::new(sqlite::Sqlite::open(dir))),
];

#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    close: Duration,
    bytes: u64,
    journeys: Duration,
}

fn main() {
    let count = argument(0).unwrap_or(1_000_000);
    let rounds = argument(1).unwrap_or(3);
    let mut shop = Shop::new(count, count / 10, 30, END);
    let batches: Vec<_> = (0..count / BATCH as u64).map(|_| shop.events(BATCH)).collect();
    let users: Vec<_> = (0..JOURNEYS).map(|at| &*batches[at * batches.len() / JOURNEYS][at].user_id).collect();
    println!("{} batches of {BATCH} events, {rounds} rounds", batches.len());

    let mut rows: Vec<(String, Vec<Figures>)> = Vec::new();
    let mut expected = None;
    for round in 0..rounds {
        for (at, (name, open, in_flight)) in combinations().enumerate() {
            let (figures, journeys) = run(open, in_flight, &batches, &users);
            assert!(
                *expected.get_or_insert_with(|| journeys.clone()) == journeys,
                "{name} returned different journeys"
            );
            if round == 0 {
                rows.push((format!("{name}, {in_flight} in flight"), Vec::new()));
            }
            rows[at].1.push(figures);
        }
    }
    print(&rows, count);
}

fn combinations() -> impl Iterator<Item = (&'static str, Open, usize)> {
    CONTESTANTS.into_iter().flat_map(|(name, open)| IN_FLIGHT.map(|in_flight| (name, open, in_flight)))
}

fn run(open: Open, in_flight: usize, batches: &[Vec<Event>], users: &[&str]) -> (Figures, Vec<Vec<StoredEvent>>) {
    // The system's temporary directory may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be created");
    let mut store = open(dir.path());
    let start = Instant::now();
    let stored = store.append(batches, in_flight);
    let per_second = (batches.len() * BATCH) as f64 / start.elapsed().as_secs_f64();
    assert_eq!(stored, batches.len() * BATCH, "some events were not stored");
    // Two batches are sent again.
    assert_eq!(store.append(&batches[batches.len() / 2..][..2], in_flight), 0, "events were stored twice");
    let start = Instant::now();
    let journeys = users.iter().map(|user| store.journey(user)).collect();
    let journeys_time = start.elapsed();
    let start = Instant::now();
    store.close();
    let figures = Figures { per_second, close: start.elapsed(), bytes: bytes_in(dir.path()), journeys: journeys_time };
    (figures, journeys)
}

fn print(rows: &[(String, Vec<Figures>)], count: u64) {
    let median_of = |runs: &[Figures], figure: fn(&Figures) -> f64| median(runs.iter().map(figure));
    let best = |ours: bool| {
        let rows = rows.iter().filter(|(name, _)| name.starts_with("lake") == ours);
        rows.map(|(_, runs)| median_of(runs, |run| run.per_second)).fold(0.0, f64::max)
    };
    println!("{:<20} {:>12} {:>10} {:>12} {:>22}", "", "events/s", "closing", "B/event", "100 journeys");
    for (name, runs) in rows {
        println!(
            "{name:<20} {:>12.0} {:>8.2} s {:>12.1} {:>19.1} ms",
            median_of(runs, |run| run.per_second),
            median_of(runs, |run| run.close.as_secs_f64()),
            median_of(runs, |run| run.bytes as f64) / count as f64,
            median_of(runs, |run| run.journeys.as_secs_f64() * 1000.0),
        );
    }
    println!("lake / best rival: {:.2}", best(true) / best(false));
}

impl<R: Rival> Contestant for R {
    fn append(&mut self, batches: &[Vec<Event>], in_flight: usize) -> usize {
        if in_flight == 1 {
            return batches.iter().map(|events| self.commit(&[Batch::new(events)])[0]).sum();
        }
        let shared = SharedBatches::new(batches);
        let (sender, waiting) = mpsc::sync_channel(in_flight);
        thread::scope(|scope| {
            let workers = (0..in_flight).map(|_| {
                let (sender, shared) = (sender.clone(), &shared);
                scope.spawn(move || shared.map(|events| commit_on_writer(&sender, Batch::new(events))).sum::<usize>())
            });
            let workers: Vec<_> = workers.collect();
            drop(sender);
            while let Ok(first) = waiting.recv() {
                let (group, senders): (Vec<_>, Vec<_>) = iter::once(first).chain(waiting.try_iter()).unzip();
                for (result_sender, stored) in senders.into_iter().zip(self.commit(&group)) {
                    result_sender.send(stored).expect("a worker waits for each result");
                }
            }
            workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).sum()
        })
    }

    fn journey(&mut self, user: &str) -> Vec<StoredEvent> {
        Rival::journey(self, user)
    }

    fn close(self: Box<Self>) {}
}

/// Passes a batch to the writer thread and waits until it is durable.
fn commit_on_writer<'a>(writer: &SyncSender<(Batch<'a>, SyncSender<usize>)>, batch: Batch<'a>) -> usize {
    let (result_sender, result) = mpsc::sync_channel(1);
    writer.send((batch, result_sender)).expect("the writer is running");
    result.recv().expect("each batch gets a result")
}

/// An iterator over batches, shared by several threads.
struct SharedBatches<'a> {
    batches: &'a [Vec<Event>],
    next: AtomicUsize,
}

impl<'a> SharedBatches<'a> {
    fn new(batches: &'a [Vec<Event>]) -> Self {
        Self { batches, next: AtomicUsize::new(0) }
    }
}

impl<'a> Iterator for &SharedBatches<'a> {
    type Item = &'a [Event];

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.get(self.next.fetch_add(1, Ordering::Relaxed)).map(Vec::as_slice)
    }
}
