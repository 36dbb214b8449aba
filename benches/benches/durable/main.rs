//! Batches of 2,000 events made durable: the lake beside fjall, redb and SQLite.
//!
//! `cargo bench -p martech-benches --features rivals --bench durable -- [events] [rounds]`
//!
//! # The job
//! Events of a shop come in the order of time, in batches of 2,000. An answer says that the batch is durable (fdatasync
//! or more) and how many of its events were new: an event that is there already is not stored again, whenever it came.
//! The events of a user can be read in the order of time at any moment.
//!
//! Each store is run with one batch at a time, and with three on their way as the server has it. Rivals then get group
//! commit: one thread writes, and takes all batches that wait into one transaction.
//!
//! The clock stops when the last batch is durable. What a store does on closing is timed apart, and its size is that
//! after closing. Then a hundred journeys are read, and must be the same in every store.
//! Rounds go through all contestants in turn; figures are medians of rounds.
//!
//! # What each rival was given
//! All: what does not stand in a key is written as compactly as the lake's journal has it (`row.rs`), encoded on the
//! thread that hands the batch over; rows sorted by key before they are inserted; a cache that holds everything (1 GiB).
//! Two tables, `id` and `(user, time, id) -> row`: an index by id would point at rows elsewhere, which costs the B-trees
//! no fewer pages and journeys a lookup for each event.
//!
//! | | |
//! |---|---|
//! | fjall | two keyspaces, one write batch, `SyncData`; memtables of 256 MiB, so that little is compacted meanwhile; two workers |
//! | redb | two tables, one transaction, `Durability::Immediate`, one-phase commit |
//! | SQLite | two tables WITHOUT ROWID, prepared statements, WAL, synchronous=FULL, pages of 4 KiB, a checkpoint at 64 MiB |
//! | lake | its defaults; rolling and compacting go on meanwhile |

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

use self::row::{Batch, Told};

const BATCH: usize = 2_000;
/// How many batches are on their way at once.
const IN_FLIGHT: [usize; 2] = [1, 3];
const JOURNEYS: usize = 100;
/// What a rival may cache, in bytes.
const CACHE: usize = 1 << 30;
/// 2026-11-01T00:00:00Z.
const END: Timestamp = Timestamp::from_millis(1_793_491_200_000);

/// A store that is open in a folder.
trait Contestant {
    /// Appends all batches, so many at once; gives how many events were new.
    fn append(&mut self, batches: &[Vec<Event>], in_flight: usize) -> usize;
    /// The events of a user in the order of time.
    fn journey(&mut self, user: &str) -> Vec<Told>;
    /// Ends what it does in the background.
    fn close(self: Box<Self>);
}

/// What a rival has to do: its batches come through the same hands.
trait Rival {
    /// Makes batches durable in one transaction; gives how many events of each were new.
    fn commit(&mut self, group: &[Batch<'_>]) -> Vec<usize>;
    fn journey(&mut self, user: &str) -> Vec<Told>;
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
            assert!(*expected.get_or_insert_with(|| journeys.clone()) == journeys, "{name} tells other journeys");
            if round == 0 {
                rows.push((format!("{name}, {in_flight} at once"), Vec::new()));
            }
            rows[at].1.push(figures);
        }
    }
    print(&rows, count);
}

fn combinations() -> impl Iterator<Item = (&'static str, Open, usize)> {
    CONTESTANTS.into_iter().flat_map(|(name, open)| IN_FLIGHT.map(|in_flight| (name, open, in_flight)))
}

fn run(open: Open, in_flight: usize, batches: &[Vec<Event>], users: &[&str]) -> (Figures, Vec<Vec<Told>>) {
    // Not the system's folder for temporary files, which may lie in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let mut store = open(dir.path());
    let start = Instant::now();
    let stored = store.append(batches, in_flight);
    let per_second = (batches.len() * BATCH) as f64 / start.elapsed().as_secs_f64();
    assert_eq!(stored, batches.len() * BATCH, "each event is new");
    // Two batches come again.
    assert_eq!(store.append(&batches[batches.len() / 2..][..2], in_flight), 0, "no event is stored twice");
    let start = Instant::now();
    let journeys = users.iter().map(|user| store.journey(user)).collect();
    let asked = start.elapsed();
    let start = Instant::now();
    store.close();
    let figures = Figures { per_second, close: start.elapsed(), bytes: bytes_in(dir.path()), journeys: asked };
    (figures, journeys)
}

fn print(rows: &[(String, Vec<Figures>)], count: u64) {
    let of = |runs: &[Figures], figure: fn(&Figures) -> f64| median(runs.iter().map(figure));
    let best = |ours: bool| {
        let rows = rows.iter().filter(|(name, _)| name.starts_with("lake") == ours);
        rows.map(|(_, runs)| of(runs, |run| run.per_second)).fold(0.0, f64::max)
    };
    println!("{:<20} {:>12} {:>10} {:>12} {:>22}", "", "events/s", "closing", "B/event", "100 journeys");
    for (name, runs) in rows {
        println!(
            "{name:<20} {:>12.0} {:>8.2} s {:>12.1} {:>19.1} ms",
            of(runs, |run| run.per_second),
            of(runs, |run| run.close.as_secs_f64()),
            of(runs, |run| run.bytes as f64) / count as f64,
            of(runs, |run| run.journeys.as_secs_f64() * 1000.0),
        );
    }
    println!("lake / best rival: {:.2}", best(true) / best(false));
}

impl<R: Rival> Contestant for R {
    fn append(&mut self, batches: &[Vec<Event>], in_flight: usize) -> usize {
        if in_flight == 1 {
            return batches.iter().map(|events| self.commit(&[Batch::of(events)])[0]).sum();
        }
        let turns = Turns::new(batches);
        let (sender, waiting) = mpsc::sync_channel(in_flight);
        thread::scope(|scope| {
            let hands = (0..in_flight).map(|_| {
                let (sender, turns) = (sender.clone(), &turns);
                scope.spawn(move || turns.map(|events| by_the_writer(&sender, Batch::of(events))).sum::<usize>())
            });
            let hands: Vec<_> = hands.collect();
            drop(sender);
            while let Ok(first) = waiting.recv() {
                let (group, answers): (Vec<_>, Vec<_>) = iter::once(first).chain(waiting.try_iter()).unzip();
                for (answer, stored) in answers.into_iter().zip(self.commit(&group)) {
                    answer.send(stored).expect("a hand waits for each answer");
                }
            }
            hands.into_iter().map(|hand| hand.join().expect("a hand does not panic")).sum()
        })
    }

    fn journey(&mut self, user: &str) -> Vec<Told> {
        Rival::journey(self, user)
    }

    fn close(self: Box<Self>) {}
}

/// Hands a batch to the thread that writes, and waits until it is durable.
fn by_the_writer<'a>(writer: &SyncSender<(Batch<'a>, SyncSender<usize>)>, batch: Batch<'a>) -> usize {
    let (answer, answered) = mpsc::sync_channel(1);
    writer.send((batch, answer)).expect("the writer is there");
    answered.recv().expect("each batch is answered")
}

/// Batches, taken by several threads in turn.
struct Turns<'a> {
    batches: &'a [Vec<Event>],
    next: AtomicUsize,
}

impl<'a> Turns<'a> {
    fn new(batches: &'a [Vec<Event>]) -> Self {
        Self { batches, next: AtomicUsize::new(0) }
    }
}

impl<'a> Iterator for &Turns<'a> {
    type Item = &'a [Event];

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.get(self.next.fetch_add(1, Ordering::Relaxed)).map(Vec::as_slice)
    }
}
