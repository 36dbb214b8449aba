//! Kills the real program with SIGKILL repeatedly under a mixed load: single events and batches in all formats and with
//! all values of `ack`, imports over HTTP and into the folder (also killed, and resumed), rolls, compactions, queries.
//! Every acknowledged event is stored exactly once, only events that were sent are stored, and no response contradicts
//! an earlier one.
//!
//! | variable | default | |
//! |---|---|---|
//! | `MARTECH_TEST_KILLS` | 15 | number of kills |
//! | `MARTECH_TEST_SEED` | 1997 | seed of the moments, events and settings |
//! | `MARTECH_SERVER` | the binary that cargo built | the program |
//!
//! `MARTECH_TEST_KILLS=1000 cargo test --release -p martech-server --test kill -- --nocapture` takes some minutes and
//! prints a report. If a check fails, the data folder is kept.

// Clippy exempts only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod audit;
mod board;
mod clerk;
mod client;
mod importer;
mod killer;
mod ledger;
mod program;
mod report;
mod sender;

use std::{env, thread};

use crate::{
    audit::{audit, look_into},
    board::Board,
    importer::{Importer, PATIENCE, Target},
    killer::Killer,
    ledger::Ledger,
    program::Program,
    report::Report,
    sender::Sender,
};

const SENDERS: u32 = 4;
/// The number of kills per data folder. After that, the test audits the folder and begins a new one.
const KILLS_OF_A_FOLDER: u64 = 50;

#[test]
fn acknowledged_events_survive_kills_exactly_once() {
    let kills: u64 = env::var("MARTECH_TEST_KILLS").map_or(15, |text| text.parse().unwrap());
    let seed: u64 = env::var("MARTECH_TEST_SEED").map_or(1997, |text| text.parse().unwrap());
    println!("MARTECH_TEST_SEED={seed} MARTECH_TEST_KILLS={kills} of {}", program::path().display());
    let report = Report::default();
    let mut seeds = fastrand::Rng::with_seed(seed);
    while report.kills() < kills {
        let here = KILLS_OF_A_FOLDER.min(kills - report.kills());
        kill_in_a_folder(here, &report, seeds.u64(..));
        println!("{} kills, {} events acknowledged", report.kills(), report.figures().acknowledged);
    }
    println!("{report}");
}

fn kill_in_a_folder(kills: u64, report: &Report, seed: u64) {
    let mut dir = tempfile::tempdir().unwrap();
    // A failed test keeps the folder for analysis.
    dir.disable_cleanup(true);
    println!("{} (seed {seed})", dir.path().display());
    let (path, board) = (dir.path(), Board::default());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut killer = Killer::new(&board, report, path, random.fork());
    let mut offline = Importer::new(path, SENDERS + 1, random.fork());
    let online = Importer::new(path, SENDERS, random.fork());
    let (program, ledgers) = thread::scope(|scope| {
        let _end = board.stop_on_drop();
        let board = &board;
        let senders: Vec<_> = (0..SENDERS)
            .map(|source| {
                let sender = Sender::new(board, source, random.fork());
                scope.spawn(move || stop_others(board, || sender.run()))
            })
            .collect();
        let importer = scope.spawn(move || stop_others(board, || online.run(board, report)));
        let tidying = random.fork();
        let clerks = [
            scope.spawn(move || stop_others(board, || clerk::keep_tidy(board, tidying))),
            scope.spawn(move || stop_others(board, || clerk::keep_asking(board))),
        ];
        let program = killer.run(kills, &mut offline);
        board.stop();
        clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
        let mut ledgers: Vec<Ledger> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        ledgers.push(importer.join().unwrap());
        (program, ledgers)
    });
    finish(&board, report, program, &mut killer, offline, ledgers);
    let (bytes, _) = look_into(&path.join("data"));
    let mut figures = report.figures();
    figures.bytes += bytes;
    figures.folders += 1;
    drop(figures);
    dir.disable_cleanup(false);
}

/// Runs `work`. Stops the other threads when it ends, also by a panic.
fn stop_others<T>(board: &Board, work: impl FnOnce() -> T) -> T {
    let _end = board.stop_on_drop();
    work()
}

/// Audits the folder four times: as it is, after all events were sent again, after a roll and a compaction, and after a
/// clean stop.
fn finish(
    board: &Board,
    report: &Report,
    program: Program,
    killer: &mut Killer<'_>,
    mut offline: Importer,
    mut ledgers: Vec<Ledger>,
) {
    program.terminate();
    board.close(true);
    for sent in ledgers.iter_mut().flat_map(|ledger| &mut ledger.events) {
        sent.acknowledged |= sent.buffered.is_some_and(|run| board.ended_well(run));
    }
    // The import into the folder is resumed until it is done.
    let done = offline.import(&Target::Folder(killer.data_dir()), PATIENCE);
    assert!(done.is_some(), "the last import does not finish");
    ledgers.push(offline.ledger);

    let (program, client) = killer.serve();
    let found = audit(&client, &ledgers);
    sender::send_again(&client, &ledgers);
    assert_eq!(audit(&client, &ledgers), found, "events that are sent again are not stored again");
    client.command("/admin/roll").unwrap();
    client.command("/admin/compact").unwrap();
    assert_eq!(audit(&client, &ledgers), found, "a roll and a compaction change nothing");
    program.terminate();
    board.close(true);

    let (program, client) = killer.serve();
    assert_eq!(audit(&client, &ledgers), found, "a clean stop changes nothing");
    program.terminate();
    board.close(true);

    let events = || ledgers.iter().flat_map(|ledger| &ledger.events);
    let mut figures = report.figures();
    figures.sent += events().filter(|sent| sent.tried).count() as u64;
    figures.acknowledged += events().filter(|sent| sent.acknowledged).count() as u64;
    figures.stored += found.stored;
    figures.unknown_stored += found.unknown_stored;
    figures.unknown_not_stored += found.unknown_not_stored;
}
