//! Throughput of the sink, compared with common alternatives: producers push single events, and a worker passes batches
//! to a store that only counts. The clock stops when the store has all events.
//!
//! `cargo bench -p martech-benches --features rivals --bench sink -- [events] [rounds] [one contestant]`
//!
//! - An event is 128 bytes of plain data, moved and not copied, without heap memory, which would cost every contestant
//!   the same.
//! - Every contestant holds up to 10,000 events and forms batches of up to 2,000. Only the sink gives receipts, counts
//!   bytes, and could retry.
//! - Async producers are tasks of a Tokio runtime with two threads. Blocking channels are fed by threads.
//! - Contestants alternate, round by round, so that noise affects all of them. Figures are medians. Each row also shows
//!   the CPU time of all threads, which is more telling on a shared machine.

mod channels;
mod opentelemetry;
mod ours;

use std::{
    env,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use tokio::runtime::{self, Runtime};

const CAPACITY: usize = 10_000;
const MAX_BATCH: usize = 2_000;

/// A page view or a purchase, without strings.
struct Event {
    _id: u128,
    _user: u128,
    _session: u128,
    _occurred_at: i64,
    _amount: i64,
    _page: [u8; 64],
}

const _: () = assert!(size_of::<Event>() == 128);

impl Event {
    fn new(number: usize) -> Self {
        Self {
            _id: number as u128,
            _user: number as u128 / 10,
            _session: number as u128 / 3,
            _occurred_at: number as i64,
            _amount: 1999,
            _page: [number as u8; 64],
        }
    }
}

/// A store that only counts.
#[derive(Debug, Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn count<T>(&self, batch: &[T]) {
        self.0.fetch_add(black_box(batch).len(), Ordering::Relaxed);
    }
}

/// A number of events from a number of producers.
#[derive(Debug, Clone, Copy)]
struct Job {
    producers: usize,
    events: usize,
}

impl Job {
    fn each(self) -> usize {
        self.events / self.producers
    }
}

type Contestant = fn(&Runtime, Job, Counter);

const OURS: [(&str, Contestant); 2] = [("sink, push", ours::push), ("sink, try_push", ours::try_push)];

const RIVALS: [(&str, Contestant); 5] = [
    ("tokio mpsc, recv_many", channels::tokio),
    ("crossbeam-channel", channels::crossbeam),
    ("flume", channels::flume),
    ("flume, async", channels::flume_async),
    ("OpenTelemetry batch processor", opentelemetry::batch_processor),
];

/// Pushing batches is a different job, shown for comparison.
const OTHERS: [(&str, Contestant); 1] = [("sink, push_batch of 100", ours::push_batch)];

fn main() {
    let mut arguments = env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let events = arguments.next().unwrap_or(5_000_000);
    let rounds = arguments.next().unwrap_or(7);
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime can be created");
    let only = env::args().skip(1).find(|argument| argument.starts_with(char::is_alphabetic));
    println!("{events} events, median of {rounds} rounds\n");
    for producers in [1, 2, 8] {
        compare(&runtime, Job { producers, events }, rounds, only.as_deref());
    }
}

fn compare(runtime: &Runtime, job: Job, rounds: usize, only: Option<&str>) {
    let mut contestants: Vec<(&str, Contestant)> = [&OURS[..], &RIVALS, &OTHERS].concat();
    contestants.retain(|(name, _)| only.is_none_or(|only| *name == only));
    let mut costs = vec![(Vec::new(), Vec::new()); contestants.len()];
    // The first round warms up.
    for round in 0..=rounds {
        for ((name, contestant), (times, spent)) in contestants.iter().zip(&mut costs) {
            let cost = measure(runtime, job, name, *contestant);
            if round > 0 {
                times.push(cost.0);
                spent.push(cost.1);
            }
        }
    }
    let medians: Vec<_> = costs.iter_mut().map(|(times, spent)| (median(times), median(spent))).collect();
    let named = || contestants.iter().map(|(name, _)| *name).zip(medians.iter().copied());
    let rivals = named().filter(|(name, _)| RIVALS.iter().any(|(rival, _)| rival == name));
    let best = rivals.min_by_key(|(_, (time, _))| *time);

    println!("{} producers", job.producers);
    for (name, (time, spent)) in named() {
        let nanos = |time: Duration| time.as_secs_f64() * 1e9 / job.events as f64;
        print!("  {name:<32} {:>7.1} ns an event ({:>7.1} ns CPU)", nanos(time), nanos(spent));
        match best {
            Some((best, (best_time, _))) => {
                println!("   {:>5.2} x {best}", best_time.as_secs_f64() / time.as_secs_f64())
            }
            None => println!(),
        }
    }
    println!();
}

/// Returns wall time and CPU time.
fn measure(runtime: &Runtime, job: Job, name: &str, contestant: Contestant) -> (Duration, Duration) {
    let counter = Counter::default();
    let (start, spent) = (Instant::now(), ProcessTime::now());
    contestant(runtime, job, counter.clone());
    let (time, spent) = (start.elapsed(), spent.elapsed());
    assert_eq!(counter.0.load(Ordering::Relaxed), job.each() * job.producers, "{name} lost or duplicated events");
    (time, spent)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
