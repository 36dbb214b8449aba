//! Chooses the moments of kills, and kills the program.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    audit::look_into,
    board::{Activity, Board},
    client::Client,
    importer::{Importer, Target},
    ledger::STATS,
    program::Program,
    report::Report,
};

/// The moment of a kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After this many more events were acknowledged.
    Events(u64),
    /// This long after an activity began.
    Into(Activity, Duration),
    /// This long after the start, or as soon as the program listens.
    Opening(Duration),
    /// This long after SIGTERM.
    Ending(Duration),
    /// No kill: a clean end by SIGTERM.
    Terminate,
    /// This long after the start of an import into the data folder.
    Offline(Duration),
}

impl Moment {
    fn choose(random: &mut fastrand::Rng) -> Self {
        match random.u8(..100) {
            0..20 => Self::Events(random.u64(1..700)),
            20..65 => {
                let activities = [Activity::Roll, Activity::Roll, Activity::Compaction, Activity::Compaction];
                let others = [Activity::Import, Activity::Single, Activity::Batch, Activity::Query];
                let pool = if random.bool() { activities } else { others };
                Self::Into(*random.choice(&pool).unwrap(), short(random, 40_000))
            }
            65..80 => Self::Opening(short(random, 100_000)),
            80..86 => Self::Ending(short(random, 30_000)),
            86..92 => Self::Terminate,
            _ => Self::Offline(short(random, 300_000)),
        }
    }
}

/// Returns a duration from zero to `most_micros`, usually very short: every power of two is equally likely.
fn short(random: &mut fastrand::Rng, most_micros: u64) -> Duration {
    let bits = random.u32(..=most_micros.ilog2());
    Duration::from_micros(random.u64(..1 << bits).min(most_micros))
}

pub(crate) struct Killer<'a> {
    board: &'a Board,
    report: &'a Report,
    dir: PathBuf,
    addr: SocketAddr,
    random: fastrand::Rng,
    /// The largest number of events that `/stats` has counted.
    seen: u64,
}

impl<'a> Killer<'a> {
    pub(crate) fn new(board: &'a Board, report: &'a Report, dir: &Path, mut random: fastrand::Rng) -> Self {
        Self { board, report, dir: dir.to_owned(), addr: free_address(&mut random), random, seen: 0 }
    }

    /// Runs `kills` kills on this folder. Returns the running program.
    pub(crate) fn run(&mut self, kills: u64, offline: &mut Importer) -> Program {
        let goal = self.report.kills() + kills;
        while self.report.kills() < goal && !self.board.is_stopped() {
            match Moment::choose(&mut self.random) {
                Moment::Opening(delay) => {
                    let program = self.start();
                    let opening = program.kill_within(delay);
                    let mut figures = self.report.figures();
                    *(if opening { &mut figures.opening } else { &mut figures.serving }) += 1;
                }
                Moment::Offline(delay) => match offline.import(&Target::Folder(self.data_dir()), delay) {
                    Some(events) => self.board.acknowledge(events),
                    None => self.report.figures().imports_offline += 1,
                },
                moment => self.serve_until(moment),
            }
            // The next start removes temporary files, so these are from the last kill.
            let unfinished = ["events", "ids", "users"].iter().any(|name| look_into(&self.data_dir().join(name)).1);
            self.report.figures().unfinished_files += u64::from(unfinished);
        }
        self.serve().0
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Starts the program, publishes it on the board, and checks its totals.
    pub(crate) fn serve(&mut self) -> (Program, Client<'a>) {
        let (program, took) = self.start().ready();
        self.report.figures().recoveries.push(took);
        let acknowledged = self.board.acknowledged();
        let client = Client::new(self.board, self.board.open(program.addr()));
        let health = client.get("/health").unwrap();
        assert_eq!(health["checks"]["lake"]["journalDamage"], 0, "{health}");
        let stats = client.get(STATS).unwrap();
        let events = stats["totals"]["events"].as_u64().unwrap();
        assert!(events >= acknowledged, "{events} events are stored, but {acknowledged} were acknowledged");
        assert!(events >= self.seen, "{events} events are stored, but {} were before", self.seen);
        self.seen = events;
        (program, client)
    }

    fn start(&mut self) -> Program {
        Program::start(&self.dir, self.addr, &mut self.random)
    }

    fn serve_until(&mut self, moment: Moment) {
        let (program, _) = self.serve();
        match moment {
            Moment::Into(activity, delay) => self.board.await_into(activity, delay),
            Moment::Events(events) => self.board.await_more(events),
            _ => self.board.await_more(self.random.u64(1..300)),
        }
        match moment {
            Moment::Terminate => {
                self.board.end();
                program.terminate();
                self.report.figures().terminations += 1;
                self.board.close(true);
            }
            Moment::Ending(delay) => {
                self.board.end();
                program.terminate_and_kill(delay);
                self.report.figures().ending += 1;
                self.board.close(false);
            }
            _ => {
                let met = self.board.under_way();
                program.kill();
                self.board.close(false);
                self.report.met(&met);
                self.report.figures().serving += 1;
            }
        }
    }
}

/// Returns an address with a port that is free now and outside the ephemeral range, so that no outgoing connection
/// takes it. All runs of the server on a folder use this address.
fn free_address(random: &mut fastrand::Rng) -> SocketAddr {
    let addresses = std::iter::repeat_with(|| SocketAddr::from(([127, 0, 0, 1], random.u16(10_000..32_000))));
    addresses.take(100).find(|addr| TcpListener::bind(addr).is_ok()).expect("one of many ports is free")
}
