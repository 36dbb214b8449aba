//! What happens when more events come than can be taken: some are refused at once, so that the others do not wait.
//!
//! # The signs
//! A request waits where nobody sees it: its bytes are there, and the thread that is to read them is busy with others. So a task of
//! the server's own gets in the same line every few milliseconds, and sees how long it waits ([`lag`]): the lag of the event
//! loop, by which `node-toobusy` (Lloyd Hilaiel, Mozilla) sheds load. Large and packed bodies wait in a [`Line`] for a thread
//! that unpacks them, and then events wait in the queue of their project's store; there it is known how long.
//!
//! As in CoDel (RFC 8289) a long wait is no overload as long as it is short again within an interval: a burst is absorbed. Where it
//! stays long for that, there is an [`Alarm`].
//!
//! # The rules
//! Where threads keep requests waiting, all are refused with a probability that grows with the wait, from none at the bound to
//! nearly all at one and a half times as much ([`Valve`]). A refusal costs a fraction of the work, so the wait becomes shorter at once.
//!
//! Where the line or a project's queue does, its [`Gate`] lets in no more than is stored within the bound, by Little's law. That
//! is counted, not drawn: at ten times too much, what comes in the time that it takes to notice anything would keep all waiting
//! for several times the bound. Each project has a gate of its own, so that one shop does not turn the events of another away.
//!
//! Whoever has been in the line for longer than the bound when it is their turn is refused then: they came before anybody knew.
//!
//! # What is no overload
//! A disk that stalls, or a MongoDB that is slow. Then processors are idle and their line is short, however long answers take; and a
//! store that takes nothing for a tenth of a second is not one that is overrun. No alarm is raised on account of it. Senders wait for
//! their answer, which is what they would do otherwise, until the queue is full (429), or the store was tried for ten seconds (503). Limits
//! that adapt to the time of answers would take a stall of one second for an overload, and refuse everybody who could have waited.

mod alarm;
mod gate;
mod lag;
mod line;
mod smoothed;
mod tally;
mod valve;

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use tokio::task::JoinSet;

use self::{
    alarm::Alarm,
    tally::{Look, Tally},
    valve::{Shedder, Valve},
};
pub(crate) use self::{
    gate::{Coming, Gate},
    line::Line,
};
use crate::{config::parse_duration_or_off, error::ApiError, projects::Project};

/// How often the line is looked at.
const EVERY: Duration = Duration::from_millis(5);
/// Shorter waits cannot be told from what timers are late by anyway.
const LEAST: Duration = Duration::from_millis(5);
/// What is refused with this code is a matter of figures, not a line each in the log.
pub(crate) const CODE: &str = "server_busy";

/// How long requests may wait because of others.
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
    parts: Arc<Parts>,
    /// Ends when this is dropped.
    _watch: JoinSet<()>,
}

#[derive(Debug)]
struct Parts {
    valve: Valve,
    line: Arc<Line>,
    tally: Tally,
    /// How long requests wait for a thread, in microseconds, as it was last seen.
    delay: AtomicU32,
}

impl Overload {
    /// From now on. To be called in the runtime whose threads serve connections.
    pub(crate) fn watch(bound: MaxIngestDelay, line: Arc<Line>) -> Self {
        let parts =
            Arc::new(Parts { valve: Valve::default(), line, tally: Tally::default(), delay: AtomicU32::new(0) });
        let bound = if let MaxIngestDelay::Of(bound) = bound { Some(bound) } else { None };
        let mut watch = JoinSet::new();
        if let Some(bound) = bound {
            let mut watcher = Watcher::new(bound, parts.clone());
            watch.spawn(lag::watch(EVERY, move |lag| watcher.look(Instant::now(), lag)));
        }
        Self { bound, parts, _watch: watch }
    }

    /// Takes a request, or refuses it before any work was done for it.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        self.parts.tally.ask();
        if self.parts.valve.lets_through() { Ok(()) } else { Err(self.refused(refusal())) }
    }

    /// The same, of events for a project.
    pub(crate) fn admit_to(&self, project: &Project) -> Result<(), ApiError> {
        let Some(bound) = self.bound else { return Ok(()) };
        let checked = project.gate().check(bound, |now| self.parts.line.wait(now), || project.sink().stats());
        checked.map_err(|error| self.refused(error))
    }

    /// Their body is here: they have a place until they are in the queue. `None` where there is no bound.
    pub(crate) fn enter<'a>(&self, project: &'a Project) -> Result<Option<Coming<'a>>, ApiError> {
        if self.bound.is_none() {
            return Ok(None);
        }
        project.gate().enter().map(Some).map_err(|error| self.refused(error))
    }

    fn refused(&self, error: ApiError) -> ApiError {
        self.parts.tally.refuse();
        error
    }

    /// How long requests wait for a thread now, and which part of them is refused.
    pub(crate) fn figures(&self) -> (Duration, f64) {
        let delay = Duration::from_micros(self.parts.delay.load(Ordering::Relaxed).into());
        (delay, self.parts.tally.part_refused())
    }
}

/// Looks after what all projects share.
#[derive(Debug)]
struct Watcher {
    bound: Duration,
    parts: Arc<Parts>,
    shedder: Shedder,
    line_is_long: Alarm,
    look: Look,
}

impl Watcher {
    fn new(bound: Duration, parts: Arc<Parts>) -> Self {
        let (shedder, look) = (Shedder::new(bound), Look::new(Instant::now()));
        Self { bound, parts, shedder, line_is_long: Alarm::default(), look }
    }

    fn look(&mut self, now: Instant, lag: Duration) {
        let parts = &self.parts;
        let line = parts.line.wait(now);
        parts.delay.store(u32::try_from((lag + line).as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
        parts.valve.refuse(self.shedder.saw(now, lag));
        self.line_is_long.saw(now, line > self.bound);
        parts.line.be_patient(if self.line_is_long.is_on() { self.bound } else { Duration::MAX });
        parts.tally.look(&mut self.look, now);
    }
}

fn refusal() -> ApiError {
    let message = "more events come than this server can take in time; send them again after Retry-After";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, CODE, message).retry_after(Duration::from_secs(1))
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
