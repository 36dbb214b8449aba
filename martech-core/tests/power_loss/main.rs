//! Power loss, failing disks and flipped bits, drawn from seeds: the lake and the journal on a simulated disk.
//!
//! ```text
//! cargo test -p martech-core --features lake,testing --test power_loss                       # a fixed small set
//! MARTECH_TEST_SEEDS=10000 cargo test -p martech-core --features lake,testing --test power_loss
//! MARTECH_TEST_SEED=123 cargo test -p martech-core --features lake,testing --test power_loss -- --nocapture
//! ```
//!
//! A seed decides everything: the sizes, what is sent, what fails, when the power goes and what it leaves. Each works for
//! a few rounds, which end with a close, a kill or a power loss at any change of the disk; recovery fails and loses power
//! as well. In the end the disk is sound, and everything of unknown fate is sent again.
//!
//! | what happens | what must hold |
//! |---|---|
//! | anything below | what is there was sent, is there once and as it was sent; users and stats agree with it |
//! | EIO, ENOSPC, short reads and writes, a failed fsync that lies afterwards, a full disk | what was acknowledged, or seen in an answer, is there |
//! | power loss, kill, close, and any of these while opening | the same; once the disk works, it opens, and reports no damage |
//! | bits flip in a file at rest | the answer is right, or an error that names the file, or opening reported damage; what is there is as it was sent, and there once. A repair says how much is lost, and what it leaves is right |
//!
//! Runs are the same from seed to seed because only one thing is asked for at a time, and what goes on at once is held
//! up on the disk until it is all there (`SimFs::hold`). Seeds that do not repeat fail `a_seed_replays_its_run`.
//!
//! After a power loss the journal may report damage although no bit flipped: where of a group of frames a later one
//! reached the disk and an earlier one did not. It must not be an acknowledged one.

// Clippy knows only functions marked as tests, not what they share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod care;
mod draw;
mod files;
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
fn a_seed_replays_its_run() {
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
