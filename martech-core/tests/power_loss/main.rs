//! Power loss, failing disks and flipped bits, drawn from seeds: the lake and the journal on a simulated disk.
//!
//! ```text
//! cargo test -p martech-core --features lake,testing --test power_loss                       # a fixed small set
//! MARTECH_TEST_SEEDS=10000 cargo test -p martech-core --features lake,testing --test power_loss
//! MARTECH_TEST_SEED=123 cargo test -p martech-core --features lake,testing --test power_loss -- --nocapture
//! ```
//!
//! A seed determines everything: sizes, events, faults, the time of a power loss, and the state it leaves. Each run
//! consists of a few rounds. A round ends with a close, a kill, or a power loss at any change of the disk. Recovery can
//! fail and lose power as well. At the end the disk works, and every event with an unknown outcome is sent again.
//!
//! | event | invariant |
//! |---|---|
//! | any of the following | every stored event was sent, is stored once and is unchanged; users and stats agree with the events |
//! | EIO, ENOSPC, short reads and writes, a failed fsync followed by successful ones, a full disk | events that were acknowledged, or returned by a query, are present |
//! | power loss, kill, close, and any of these while opening | the same; once the disk works, the lake opens and reports no damage |
//! | flipped bits in a file at rest | a query returns the right answer, or an error that names the file, or opening reported the damage; stored events are unchanged and stored once. A repair reports how many events are lost, and the rest is correct |
//!
//! Runs are reproducible because only one request is active at a time, and concurrent requests are held at the disk
//! until all have arrived (`SimFs::hold`). Seeds that do not repeat fail `same_seed_repeats_the_same_run`.
//!
//! After a power loss the journal may report damage although no bit was flipped: a later frame of a group may have
//! reached the disk while an earlier one did not. That group must not have been acknowledged.

// Clippy allows these in functions marked as tests, but not in the helpers they share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod draw;
mod files;
mod inspection;
mod journal;
mod lake;
mod model;
mod seeds;

use seeds::Seeds;

#[test]
fn the_lake_keeps_what_it_acknowledged() {
    Seeds::chosen(200).run("the_lake_keeps_what_it_acknowledged", lake::run);
}

#[test]
fn the_journal_keeps_what_it_acknowledged() {
    Seeds::chosen(1000).run("the_journal_keeps_what_it_acknowledged", journal::run);
}

#[test]
fn same_seed_repeats_the_same_run() {
    let twice = |run: fn(u64, &seeds::Log) -> u64, seed: u64| {
        let logs = [seeds::Log::default(), seeds::Log::default()];
        let prints = logs.each_ref().map(|log| run(seed, log));
        let [first, second] = logs.map(|log| log.lines());
        assert_eq!(first, second, "seed {seed}");
        assert_eq!(prints[0], prints[1], "seed {seed} changes the disk in another way the second time");
    };
    for seed in 0..20 {
        twice(lake::run, seed);
        twice(journal::run, seed);
    }
}
