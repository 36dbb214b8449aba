//! Journal throughput: 1, 64 and 512 callers that each append 200 bytes, wait until they are durable, and repeat.
//!
//! `cargo bench -p martech-benches --features rivals --bench journal -- [rounds] [milliseconds of a run]`
//!
//! # Contestants
//! | | |
//! |---|---|
//! | `callback` | the journal; each completion submits the caller's next frame on the writer thread |
//! | `await` | the journal; one task per caller, including the cost of task switches |
//! | `threads` | the journal; one thread per caller, as the two rival crates require |
//! | `bare` | a loop of write and fdatasync on one thread, with one sync and as many bytes per group of the journal |
//! | `bare, length set` | the same with a file whose length was set before, so no sync has to store a new length |
//! | `bare, written before` | the same with a file that was filled with zeros and synced before, so no block is new |
//! | `okaywal` | one entry with one chunk per frame; segments of 16 MiB, preallocated and recycled |
//! | `raft-engine` | one `LogBatch` with one value per frame, `sync`; no compression; log files prefilled and reused |
//!
//! All give the same guarantee: an acknowledged frame is covered by an fdatasync, and a checksum detects torn frames.
//!
//! # Method
//! Disk performance changes within seconds. Each run of the journal is therefore followed at once by the bare loop for
//! the same work, and rounds alternate between all contestants. Figures are medians over the rounds, and a ratio is the
//! median of the ratios of each round. Criterion would measure one contestant after another, so this bench does not use
//! it.

#[cfg(feature = "rivals")]
mod rivals;

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use martech_benches::{argument, median};
use martech_core::{
    fs::Disk,
    journal::{Journal, JournalError, JournalOptions},
};
use tokio::{runtime::Runtime, task::JoinSet};

const CALLERS: [usize; 3] = [1, 64, 512];
const PAYLOAD: [u8; 200] = [7; 200];
/// Bytes that the journal writes for one payload.
const FRAME: usize = PAYLOAD.len() + 20;

/// Preparation of the bare loop's file before the clock starts.
#[derive(Clone, Copy, PartialEq)]
enum Prepared {
    Nothing,
    Length,
    Bytes,
}

const PREPARED: [(&str, Prepared); 3] =
    [("bare", Prepared::Nothing), ("bare, length set", Prepared::Length), ("bare, written before", Prepared::Bytes)];

/// Result of one run.
#[derive(Clone, Copy)]
struct Run {
    frames: u64,
    elapsed: Duration,
    /// Number of synced groups, if known.
    syncs: Option<u64>,
}

impl Run {
    fn per_second(self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs with the given number of callers until the given time. Returns the number of frames.
type Contestant<'a> = (&'static str, Box<dyn Fn(usize, Instant) -> u64 + 'a>);

fn main() {
    let rounds = argument(0).unwrap_or(7);
    let length = Duration::from_millis(argument(1).unwrap_or(1_000));
    // The system's temporary directory may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be created");
    let runtime = Runtime::new().expect("a runtime can be created");
    let options = JournalOptions::new(64 << 30);
    let (journal, _) = Journal::open(Arc::new(Disk), &dir.path().join("journal"), options).expect("the journal opens");
    let ours: [Contestant<'_>; 3] = [
        ("callback", Box::new(|callers, end| callback(&journal, callers, end))),
        ("await", Box::new(|callers, end| awaited(&runtime, &journal, callers, end))),
        ("threads", Box::new(|callers, end| threads(callers, end, || blocking(&journal)))),
    ];
    #[cfg(feature = "rivals")]
    let logs = rivals::Logs::open(dir.path());
    #[cfg(feature = "rivals")]
    let rivals = logs.contestants();
    #[cfg(not(feature = "rivals"))]
    let rivals: [Contestant<'_>; 0] = [];

    println!("{rounds} rounds, runs of {} ms, {} B per frame", length.as_millis(), PAYLOAD.len());
    for callers in CALLERS {
        let mut table = Table::default();
        for _ in 0..rounds {
            for (name, run) in &ours {
                let groups = journal.stats().groups;
                let run = timed(length, |end| run(callers, end));
                let syncs = journal.stats().groups - groups;
                journal.trim(u64::MAX).expect("segments can be removed");
                let run = Run { syncs: Some(syncs), ..run };
                table.add(name, run, None);
                for (suffix, prepared) in PREPARED {
                    table.add(&format!("{name}: {suffix}"), bare(dir.path(), run.frames, syncs, prepared), Some(run));
                }
            }
            for (name, run) in &rivals {
                table.add(name, timed(length, |end| run(callers, end)), None);
            }
        }
        println!("\n{callers} waiting callers");
        table.print();
    }
}

fn timed(length: Duration, run: impl FnOnce(Instant) -> u64) -> Run {
    let start = Instant::now();
    let frames = run(start + length);
    Run { frames, elapsed: start.elapsed(), syncs: None }
}

/// Rows in the order of their first run.
#[derive(Default)]
struct Table(Vec<Row>);

struct Row {
    name: String,
    runs: Vec<Run>,
    /// Throughput of the journal divided by that of each bare run.
    ratios: Vec<f64>,
}

impl Table {
    fn add(&mut self, name: &str, run: Run, journal: Option<Run>) {
        let at = self.0.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.0.push(Row { name: name.to_owned(), runs: Vec::new(), ratios: Vec::new() });
            self.0.len() - 1
        });
        self.0[at].runs.push(run);
        self.0[at].ratios.extend(journal.map(|journal| journal.per_second() / run.per_second()));
    }

    fn print(&self) {
        for Row { name, runs, ratios } in &self.0 {
            let frames = median(runs.iter().map(|run| run.per_second()));
            let mut line = format!("{name:<32} {frames:>10.0} frames/s");
            let grouped: Vec<_> = runs.iter().filter_map(|run| Some((run.frames, run.syncs?))).collect();
            if !grouped.is_empty() {
                let size = median(grouped.iter().map(|(frames, syncs)| *frames as f64 / *syncs as f64));
                line += &format!("  {size:>6.1} frames per sync");
            }
            if !ratios.is_empty() {
                line += &format!("  journal / this = {:.2}", median(ratios.iter().copied()));
            }
            println!("{line}");
        }
    }
}

/// Writes the journal's number of frames with the same number of syncs.
fn bare(dir: &Path, frames: u64, syncs: u64, prepared: Prepared) -> Run {
    let path = dir.join("bare");
    let mut file = File::options().write(true).create_new(true).open(&path).expect("a file can be created");
    let groups = (0..syncs).map(|group| frames * (group + 1) / syncs - frames * group / syncs);
    let largest = vec![7; FRAME * frames.div_ceil(syncs) as usize];
    let length = frames * FRAME as u64;
    if prepared == Prepared::Bytes {
        std::io::copy(&mut std::io::repeat(0).take(length), &mut file).expect("the disk accepts writes");
        file.rewind().expect("a file can be rewound");
    }
    if prepared != Prepared::Nothing {
        file.set_len(length).expect("a length can be set");
        file.sync_all().expect("the disk syncs");
    }
    let start = Instant::now();
    for group in groups {
        file.write_all(&largest[..FRAME * group as usize]).expect("the disk accepts writes");
        file.sync_data().expect("the disk syncs");
    }
    let elapsed = start.elapsed();
    std::fs::remove_file(path).expect("the file can be removed");
    Run { frames, elapsed, syncs: Some(syncs) }
}

fn callback(journal: &Journal, callers: usize, end: Instant) -> u64 {
    fn call(journal: Journal, end: Instant, completed: u64, total: mpsc::Sender<u64>) {
        let next = journal.clone();
        let done = move |result: Result<u64, JournalError>| {
            result.expect("the disk accepts frames");
            if Instant::now() < end {
                call(next, end, completed + 1, total);
            } else {
                total.send(completed + 1).expect("the bench waits for all callers");
            }
        };
        journal.submit(&PAYLOAD[..], done).expect("the queue holds a frame of each caller");
    }
    let (total, totals) = mpsc::channel();
    for _ in 0..callers {
        call(journal.clone(), end, 0, total.clone());
    }
    drop(total);
    totals.iter().sum()
}

fn awaited(runtime: &Runtime, journal: &Journal, callers: usize, end: Instant) -> u64 {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let journal = journal.clone();
            tasks.spawn(async move {
                let mut frames = 0;
                while Instant::now() < end {
                    journal.append(&PAYLOAD[..]).await.expect("the disk accepts frames");
                    frames += 1;
                }
                frames
            });
        }
        tasks.join_all().await.into_iter().sum()
    })
}

/// Runs one thread per caller. `caller` creates the closure that the thread repeats.
fn threads<F: FnMut()>(callers: usize, end: Instant, caller: impl Fn() -> F + Sync) -> u64 {
    let frames = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let (mut append, mut appended) = (caller(), 0);
                while Instant::now() < end {
                    append();
                    appended += 1;
                }
                frames.fetch_add(appended, Ordering::Relaxed);
            });
        }
    });
    frames.into_inner()
}

fn blocking(journal: &Journal) -> impl FnMut() {
    let (done, results) = mpsc::channel();
    move || {
        let done = done.clone();
        journal.submit(&PAYLOAD[..], move |result| drop(done.send(result))).expect("the queue holds a frame of each");
        results.recv().expect("each frame completes").expect("the disk accepts frames");
    }
}
