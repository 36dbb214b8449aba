//! Group commit against a bare loop of write and fdatasync, for 1, 64 and 512 callers who each wait for their frame.
//!
//! An iteration is one frame of each caller. The bare loop writes them together: one write and one fdatasync, which is
//! the best that any log can do. `callback` is the journal alone: each answer submits the caller's next frame. `await` is
//! the same with a task for each caller, whose switching it pays for as well. How many frames the journal got into one
//! fsync is printed behind its figures.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use martech_core::{
    fs::Disk,
    journal::{Journal, JournalError, JournalOptions},
};
use tokio::{runtime::Runtime, task::JoinSet};

const CALLERS: [u64; 3] = [1, 64, 512];
const PAYLOAD: usize = 200;
const FRAME: usize = PAYLOAD + 20;

fn bare(dir: &Path, callers: u64, iterations: u64) -> Duration {
    let path = dir.join("bare");
    let mut file = File::options().append(true).create(true).open(&path).expect("a file can be made");
    let group = vec![7; FRAME * callers as usize];
    let start = Instant::now();
    for _ in 0..iterations {
        file.write_all(&group).expect("the disk takes writes");
        file.sync_data().expect("the disk syncs");
    }
    let elapsed = start.elapsed();
    std::fs::remove_file(path).expect("the file is there");
    elapsed
}

fn callback(journal: &Journal, callers: u64, iterations: u64) -> Duration {
    fn call(journal: Journal, left: u64, ended: mpsc::Sender<()>) {
        let next = journal.clone();
        let done = move |result: Result<u64, JournalError>| {
            result.expect("the disk takes frames");
            if left > 1 {
                call(next, left - 1, ended);
            } else {
                drop(ended);
            }
        };
        journal.submit(vec![7; PAYLOAD], done).expect("the queue holds a frame of each caller");
    }
    let start = Instant::now();
    let (ended, all_ended) = mpsc::channel();
    for _ in 0..callers {
        call(journal.clone(), iterations, ended.clone());
    }
    drop(ended);
    all_ended.recv().expect_err("nothing is sent");
    let elapsed = start.elapsed();
    journal.trim(u64::MAX).expect("segments can be removed");
    elapsed
}

fn awaited(runtime: &Runtime, journal: &Journal, callers: u64, iterations: u64) -> Duration {
    let start = Instant::now();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let journal = journal.clone();
            tasks.spawn(async move {
                for _ in 0..iterations {
                    journal.append(vec![7; PAYLOAD]).await.expect("the disk takes frames");
                }
            });
        }
        tasks.join_all().await;
    });
    let elapsed = start.elapsed();
    journal.trim(u64::MAX).expect("segments can be removed");
    elapsed
}

fn journal(criterion: &mut Criterion) {
    // Not the system's folder for temporary files, which may lie in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let runtime = Runtime::new().expect("a runtime can be made");
    let mut group = criterion.benchmark_group("journal");
    for callers in CALLERS {
        group.throughput(Throughput::Elements(callers));
        group.bench_function(BenchmarkId::new("bare", callers), |bencher| {
            bencher.iter_custom(|iterations| bare(dir.path(), callers, iterations));
        });
        let options = JournalOptions { segment_bytes: 16 << 20, capacity_bytes: 16 << 30 };
        let (journal, _) = Journal::open(Arc::new(Disk), &dir.path().join("journal"), options).expect("it opens");
        group.bench_function(BenchmarkId::new("callback", callers), |bencher| {
            bencher.iter_custom(|iterations| callback(&journal, callers, iterations));
        });
        group.bench_function(BenchmarkId::new("await", callers), |bencher| {
            bencher.iter_custom(|iterations| awaited(&runtime, &journal, callers, iterations));
        });
        let stats = journal.stats();
        let frames = stats.last_sequence as f64;
        println!("{:>24} {:.1} frames in a group of {callers} callers", "", frames / stats.groups as f64);
        drop(journal);
        std::fs::remove_dir_all(dir.path().join("journal")).expect("the folder is there");
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
