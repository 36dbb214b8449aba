//! What happens when more events come than the processors can take: some are refused at once, so that the others do not wait.
//!
//! # The sign
//! A request waits where nobody sees it: its bytes are there, and the thread that is to read them is busy with others. So a task of
//! the server's own gets in the same line every few milliseconds, and sees how long it waits ([`lag`]): the lag of the event
//! loop, by which `node-toobusy` (Lloyd Hilaiel, Mozilla) sheds load. Large and packed bodies wait for a thread
//! that unpacks them; how long the last of them did counts as well, where that is longer.
//!
//! # The rule
//! As in CoDel (RFC 8289) a long wait is no overload as long as the line is short again within an interval: a burst is
//! absorbed. Where it stays long for that ([`Shedder`]), requests are refused with a probability that grows with the wait, from none at
//! the bound to nearly all at one and a half times as much; whoever has waited for a thread for longer than that is refused when it
//! is their turn. A refusal costs a fraction of the work, so the line becomes shorter at once, and all are taken again as fast.
//!
//! The queue of each project's store has a rule of its own ([`Gate`]), so that one shop does not turn the events of another away. It is
//! too long where more waits than the store takes in its next round, and the oldest has waited for longer than the bound, while
//! the store goes on taking.
//!
//! # What is no overload
//! A disk that stalls, or a MongoDB that is slow. Then processors are idle and their line is short, however long answers take; and a
//! store that takes nothing for a tenth of a second is not one that is overrun. Nobody is refused on account of it. Senders wait for
//! their answer, which is what they would do otherwise, until the queue is full (429), or the store was tried for ten seconds (503). Limits
//! that adapt to the time of answers would take a stall of one second for an overload, and refuse everybody who could have waited.

mod gate;
mod lag;
mod shedder;

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use tokio::task::JoinSet;

pub(crate) use self::gate::Gate;
use self::shedder::Shedder;
use crate::{config::parse_duration_or_off, error::ApiError, projects::Project};

/// How often the line is looked at.
const EVERY: Duration = Duration::from_millis(5);
/// Shorter waits cannot be told from what timers are late by anyway.
const LEAST: Duration = Duration::from_millis(5);
/// What is refused with this code is a matter of figures, not a line each in the log.
pub(crate) const CODE: &str = "server_busy";

/// How long requests may wait for a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxIngestDelay {
    /// For as long as it takes.
    Off,
    /// Beyond that, some are refused.
    Of(Duration),
}

impl FromStr for MaxIngestDelay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(parse_duration_or_off(text, LEAST)?.map_or(Self::Off, Self::Of))
    }
}

/// Decides which events are taken. Cheap to ask.
#[derive(Debug)]
pub(crate) struct Overload {
    bound: Option<Duration>,
    valve: Arc<Valve>,
    /// Ends when this is dropped.
    _watch: JoinSet<()>,
}

/// Lets through as many as it was last set to.
#[derive(Debug, Default)]
struct Valve {
    /// How many of 2³² requests are refused now.
    refused: AtomicU32,
    /// How long the line is, in microseconds, as it was last seen.
    delay: AtomicU32,
}

impl Valve {
    fn admit(&self) -> Result<(), ApiError> {
        match self.refused.load(Ordering::Relaxed) {
            0 => Ok(()),
            refused if draw() >= refused => Ok(()),
            _ => Err(refusal()),
        }
    }

    /// Sets it by how long the line is, and says so in the log where that begins or ends to refuse somebody.
    fn set(&self, shedder: &mut Shedder, now: Instant, delay: Duration) {
        let was = shedder.is_shedding();
        let refused = shedder.saw(now, delay);
        self.delay.store(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.refused.store((refused * f64::from(u32::MAX)) as u32, Ordering::Relaxed);
        match (was, shedder.is_shedding()) {
            (false, true) => tracing::warn!(?delay, "more events come than can be taken: some are refused"),
            (true, false) => tracing::info!("all events are taken again"),
            _ => {}
        }
    }
}

impl Overload {
    /// From now on. To be called in the runtime whose threads serve connections.
    pub(crate) fn watch(bound: MaxIngestDelay, line: Arc<Line>) -> Self {
        let (valve, mut watch) = (Arc::<Valve>::default(), JoinSet::new());
        let bound = if let MaxIngestDelay::Of(bound) = bound { Some(bound) } else { None };
        if let Some(bound) = bound {
            let (valve, mut shedder) = (valve.clone(), Shedder::new(bound));
            watch.spawn(lag::watch(EVERY, move |lag| {
                let now = Instant::now();
                valve.set(&mut shedder, now, lag.max(line.wait(now)));
                line.be_patient(shedder.patience());
            }));
        }
        Self { bound, valve, _watch: watch }
    }

    /// Takes a request, or refuses it before any work was done for it.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        self.valve.admit()
    }

    /// The same, of events for a project.
    pub(crate) fn admit_to(&self, project: &Project) -> Result<(), ApiError> {
        match self.bound {
            Some(bound) => project.gate().admit(bound, || project.sink().stats()),
            None => Ok(()),
        }
    }

    /// How long requests wait for a processor now, and which part of them is refused.
    pub(crate) fn figures(&self) -> (Duration, f64) {
        let delay = Duration::from_micros(self.valve.delay.load(Ordering::Relaxed).into());
        (delay, f64::from(self.valve.refused.load(Ordering::Relaxed)) / f64::from(u32::MAX))
    }
}

fn refusal() -> ApiError {
    let message = "more events come than this server can take in time; send them again after Retry-After";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, CODE, message).retry_after(Duration::from_secs(1))
}

/// Those who wait for a thread, first come first served.
#[derive(Debug)]
pub(crate) struct Line {
    waits: Mutex<Waits>,
    /// Whoever has waited for more microseconds when their turn comes has waited in vain.
    patience: AtomicU64,
}

impl Default for Line {
    fn default() -> Self {
        Self { waits: Mutex::default(), patience: AtomicU64::new(u64::MAX) }
    }
}

#[derive(Debug, Default)]
struct Waits {
    waiting: u32,
    /// When the last one had its turn, and how long it had waited.
    last: Option<(Instant, Duration)>,
}

impl Line {
    /// Waits in line for a turn. Where too much comes, whoever waited for long is refused at its end: they came before anybody
    /// knew, and work on them would keep those waiting who came later. CoDel, too, drops from the head of the line.
    pub(crate) async fn wait_for<T>(&self, turn: impl Future<Output = T>) -> Result<T, ApiError> {
        struct Place<'a>(&'a Line);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                self.0.waits().waiting -= 1;
            }
        }
        let came = Instant::now();
        self.waits().waiting += 1;
        let _place = Place(self);
        let turn = turn.await;
        let now = Instant::now();
        let waited = now.saturating_duration_since(came);
        self.waits().last = Some((now, waited));
        if waited.as_micros() > self.patience.load(Ordering::Relaxed).into() { Err(refusal()) } else { Ok(turn) }
    }

    /// From now on nobody has waited for too long in less than this.
    fn be_patient(&self, time: Duration) {
        self.patience.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long the line is now.
    fn wait(&self, now: Instant) -> Duration {
        let waits = self.waits();
        match waits.last {
            // Whoever comes now finds nobody before them.
            None => Duration::ZERO,
            Some(_) if waits.waiting == 0 => Duration::ZERO,
            // Nobody had a turn since: those who wait have waited that much longer.
            Some((at, waited)) => waited.max(now.saturating_duration_since(at)),
        }
    }

    fn waits(&self) -> std::sync::MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any number, as likely as any other.
fn draw() -> u32 {
    use std::cell::Cell;
    thread_local! {
        // Where each thread begins is of no importance, but they should not all begin alike.
        static STATE: Cell<u64> = Cell::new(xxhash_rust::xxh3::xxh3_64(format!("{:?}", std::thread::current().id()).as_bytes()));
    }
    // SplitMix64, by Guy Steele, Doug Lea and Christine Flood.
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 32) as u32
    })
}

impl fmt::Display for MaxIngestDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Of(bound) => write!(f, "{bound:?}"),
        }
    }
}

#[cfg(test)]
mod tests;
