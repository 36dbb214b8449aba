//! The real program, killed with SIGKILL again and again while it is sent events, rolls and compacts: every event that
//! was acknowledged is there once, and nothing is there that was not sent.
//!
//! `MARTECH_TEST_SEED` makes another run of it.

// Clippy knows only functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod board;
mod client;
mod program;
mod sender;

use std::{
    collections::{HashMap, HashSet},
    env,
    path::Path,
    thread,
    time::Duration,
};

use uuid::Uuid;

use crate::{
    board::Board,
    client::Client,
    program::Program,
    sender::{Sender, Sent},
};

const KILLS: usize = 10;
const SENDERS: u64 = 4;
/// Events that are acknowledged between two kills.
const BETWEEN_KILLS: std::ops::Range<u64> = 300..4_000;
/// All times of all events lie in it.
const STATS: &str = "/stats?from=2026-01-01&to=2026-01-08&tz=UTC";

#[test]
fn what_was_acknowledged_is_there_once_after_ten_kills() {
    let seed = env::var("MARTECH_TEST_SEED").map_or(1997, |text| text.parse().unwrap());
    println!("MARTECH_TEST_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let board = Board::default();
    let (program, ledgers) = thread::scope(|scope| {
        let _end = board.stop_on_drop();
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| {
                scope.spawn({
                    let board = &board;
                    move || Sender::new(number, seed + number).run(board)
                })
            })
            .collect();
        let clerk = scope.spawn(|| keep_busy(&board));
        let program = kill_again_and_again(&board, dir.path(), fastrand::Rng::with_seed(seed));
        board.stop();
        clerk.join().unwrap();
        (program, senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>())
    });
    let sent: HashMap<Uuid, Sent> = ledgers.into_iter().flatten().collect();
    println!("{} events sent, {} acknowledged", sent.len(), sent.values().filter(|event| event.acknowledged).count());

    let client = program.client();
    let stored = audit(&client, &sent);
    println!("{stored} events stored");
    sender::send_again(&client, &sent);
    assert_eq!(audit(&client, &sent), stored, "what was sent again is not added");
    client.command("/admin/roll").unwrap();
    client.command("/admin/compact").unwrap();
    assert_eq!(audit(&client, &sent), stored, "a roll and a compaction change nothing");
    program.terminate();

    let program = Program::start(dir.path()).ready();
    assert_eq!(audit(&program.client(), &sent), stored, "a clean stop changes nothing");
    program.terminate();
}

/// Returns the program as it runs after the last kill.
fn kill_again_and_again(board: &Board, dir: &Path, mut random: fastrand::Rng) -> Program {
    for _ in 0..KILLS {
        let program = Program::start(dir).ready();
        board.open(program.addr());
        board.await_more(random.u64(BETWEEN_KILLS));
        program.kill();
        board.close();
        // Recovery must bear the same.
        if random.bool() {
            Program::start(dir).kill_within(Duration::from_micros(random.u64(1..100_000)));
        }
    }
    let program = Program::start(dir).ready();
    board.open(program.addr());
    board.await_more(BETWEEN_KILLS.start);
    program
}

/// Asks for rolls, compactions and figures as long as there is a server, so that kills meet them.
fn keep_busy(board: &Board) {
    let mut seen = 0;
    while let Some(addr) = board.addr() {
        let client = Client::new(addr);
        let acknowledged = board.acknowledged();
        let Ok(stats) = client.get(STATS) else { continue };
        let events = stats["totals"]["events"].as_u64().unwrap();
        assert!(events >= acknowledged, "/stats counts {events} events when {acknowledged} were acknowledged");
        assert!(events >= seen, "/stats counted {seen} events, then {events}");
        seen = events;
        // A server that is killed meanwhile cannot answer.
        let _ = client.command("/admin/roll").and_then(|_| client.command("/admin/compact"));
    }
}

/// Reads everything there is, compares it with what was sent, and returns how many events are stored.
fn audit(client: &Client, sent: &HashMap<Uuid, Sent>) -> u64 {
    let mut found = HashSet::new();
    let users = client.all("/users?sort=userId&limit=7", "users").unwrap();
    for row in &users {
        let user = row["userId"].as_str().unwrap();
        let events = client.journey(user, 300).unwrap();
        assert_eq!(row["events"].as_u64(), Some(events.len() as u64), "{row}");
        for event in events {
            let id = event["eventId"].as_str().unwrap().parse().unwrap();
            assert!(found.insert(id), "{event} is there twice");
            let sent = sent.get(&id).unwrap_or_else(|| panic!("{event} was never sent"));
            assert!(sent.is_told_by(&event), "{sent:?} is told as {event}");
        }
    }
    let lost: Vec<_> = sent.iter().filter(|(id, event)| event.acknowledged && !found.contains(id)).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost: {:?} ...", lost.len(), lost[0]);

    let stats = client.get(STATS).unwrap();
    assert_eq!(stats["totals"]["events"].as_u64(), Some(found.len() as u64), "{}", stats["totals"]);
    assert_eq!(stats["totals"]["users"].as_u64(), Some(users.len() as u64), "{}", stats["totals"]);
    found.len() as u64
}
