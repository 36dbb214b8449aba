//! The lake at full size: five million events of a million users over thirty days.
//!
//! `cargo bench -p martech-benches --bench lake -- [events]`
//!
//! With `MARTECH_BENCH_DIR` the data is kept in that directory, and a second run reuses it instead of appending it
//! again.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use martech_benches::{REGULAR, Shop, argument, median_millis, memory};
use martech_core::{
    Store,
    event::Timestamp,
    lake::{Lake, LakeOptions},
    query::{JourneyQuery, Reader, StatsQuery, TimeRange, UserSort, UsersQuery},
};

const BATCH: usize = 2_000;
/// Large enough that most visits are from new users. About a million users occur.
const USERS: u64 = 20_000_000;
const DAYS: u32 = 30;
/// 2026-11-01T00:00:00Z.
const END: Timestamp = Timestamp::from_millis(1_793_491_200_000);

#[tokio::main]
async fn main() {
    let count = argument(0).unwrap_or(5_000_000);
    let temporary = tempfile::tempdir_in(option_env!("CARGO_TARGET_TMPDIR").unwrap_or(".")).expect("a directory");
    let kept = std::env::var_os("MARTECH_BENCH_DIR").map(PathBuf::from);
    let dir = kept.as_deref().unwrap_or(temporary.path());
    println!("{count} events over {DAYS} days");
    if !dir.join("catalog").exists() {
        append(dir, count).await;
    }
    let lake = open(dir, "open").await;
    query(&lake, "before compaction").await;
    compact(&lake, count).await;
    query(&lake, "after compaction").await;
    duplicates(&lake, count).await;
    lake.close().await.expect("closing");
}

fn row(what: &str, figure: String) {
    let (peak, now) = memory();
    println!("{what:<52} {figure:>24}   {now} MiB (peak {peak})");
}

async fn open(dir: &Path, what: &str) -> Lake {
    let start = Instant::now();
    let lake = Lake::open(LakeOptions::new(dir).auto_compaction(false)).await.expect("opening");
    let status = lake.status();
    row(what, format!("{:.0} ms, {} hot events", millis(start), status.hot_events));
    lake
}

async fn append(dir: &Path, count: u64) {
    let lake = Lake::open(LakeOptions::new(dir)).await.expect("opening");
    let mut shop = Shop::new(count, USERS, DAYS, END);
    let (mut done, mut slowest, mut appending) = (0, Duration::ZERO, Duration::ZERO);
    let (mut bytes, start) = (0, Instant::now());
    while done < count {
        let batch = shop.events(BATCH);
        if done.is_multiple_of(100_000) {
            bytes += serde_json::to_vec(&batch).expect("events serialize").len();
        }
        let before = Instant::now();
        let appended = lake.append(&batch).await.expect("appending");
        appending += before.elapsed();
        slowest = slowest.max(before.elapsed());
        assert_eq!(appended.stored, batch.len());
        done += BATCH as u64;
    }
    let seconds = start.elapsed().as_secs_f64();
    let sampled = count.div_ceil(100_000) * BATCH as u64;
    row("append, including event generation", format!("{:.0} events/s", count as f64 / seconds));
    row("append alone", format!("{:.0} events/s", count as f64 / appending.as_secs_f64()));
    row("slowest append", format!("{:.0} ms", slowest.as_secs_f64() * 1000.0));
    row("JSON of an event", format!("{} B", bytes as u64 / sampled));
    // A copy of the running store, in the state that a kill would leave.
    let copy = dir.join("copy");
    copy_dir(dir, &copy);
    lake.close().await.expect("closing");
    open(&copy, "open a copy of the running store").await.close().await.expect("closing");
    std::fs::remove_dir_all(copy).expect("removing the copy");
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("listing").filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path() == *to {
            continue;
        }
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            // Compaction may remove a file during the copy.
            let _ = std::fs::copy(entry.path(), target);
        }
    }
}

async fn compact(lake: &Lake, count: u64) {
    let status = lake.status();
    row("on disk before compaction", format!("{} files, {:.1} B/event", status.files, per_event(&status, count)));
    let start = Instant::now();
    lake.roll().await.expect("rolling");
    lake.compact().await.expect("compacting");
    let status = lake.status();
    row("roll and compact everything", format!("{:.0} ms", millis(start)));
    row("on disk after compaction", format!("{} files, {:.1} B/event", status.files, per_event(&status, count)));
}

fn per_event(status: &martech_core::lake::LakeStatus, count: u64) -> f64 {
    status.file_bytes as f64 / count as f64
}

async fn query(lake: &Lake, when: &str) {
    println!("{when}:");
    let day = |day: i64| Timestamp::from_millis(END.millis() - day * 86_400_000);
    let tz = jiff::tz::TimeZone::get("America/New_York").expect("a time zone");
    let month = StatsQuery::new(TimeRange { from: day(30), to: day(0) }).tz(tz);
    time("  stats over 30 days, first", 1, || async { lake.stats(month.clone()).await.expect("stats").totals.events })
        .await;
    time("  stats over 30 days, repeated", 3, || async {
        lake.stats(month.clone()).await.expect("stats").totals.users
    })
    .await;
    let journey = JourneyQuery::new(REGULAR).limit(1000);
    time("  journey of about 200 events", 9, || async {
        lake.journey(journey.clone()).await.expect("journey").events.len() as u64
    })
    .await;
    for sort in [UserSort::LastSeen, UserSort::Revenue, UserSort::Events, UserSort::UserId] {
        let query = UsersQuery::default().sort(sort);
        time(&format!("  page of users by {}", sort.as_str()), 5, || async {
            lake.users(query.clone()).await.expect("users").total
        })
        .await;
    }
}

async fn time<F: Future<Output = u64>>(what: &str, times: usize, work: impl Fn() -> F) {
    let mut durations = Vec::new();
    let mut answer = 0;
    for _ in 0..times {
        let start = Instant::now();
        answer = work().await;
        durations.push(start.elapsed());
    }
    row(what, format!("{:.1} ms ({answer})", median_millis(durations)));
}

async fn duplicates(lake: &Lake, count: u64) {
    let mut shop = Shop::new(count, USERS, DAYS, END);
    let again = count.min(500_000);
    let start = Instant::now();
    for _ in 0..again / BATCH as u64 {
        assert_eq!(lake.append(&shop.events(BATCH)).await.expect("appending").duplicates.len(), BATCH);
    }
    row("append of duplicate events", format!("{:.0} events/s", again as f64 / start.elapsed().as_secs_f64()));
}

fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
