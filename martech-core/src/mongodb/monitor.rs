//! Figures of the way to the server: the pool of connections, as the driver's events tell of it, and the commands.
//!
//! Commands are timed where they are made. The driver has events for them as well, and copies and parses every command for
//! whoever listens to those: an insert of two thousand events a second time.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mongodb::{
    event::{EventHandler, cmap::CmapEvent},
    options::ServerAddress,
};

use super::MongoError;
use crate::timing::TotalTime;

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MongoCommand {
    /// Events are stored.
    Insert,
    /// Documents are read, up to the first of them.
    Find,
    /// The server groups, up to the first result.
    Aggregate,
    /// All else: what the server is, its indexes, whether it answers.
    Other,
}

impl MongoCommand {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Insert, Self::Find, Self::Aggregate, Self::Other];

    /// The name, for figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Find => "find",
            Self::Aggregate => "aggregate",
            Self::Other => "other",
        }
    }
}

/// Commands of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandStats {
    /// Those that the server answered.
    pub answered: u64,
    /// Those that failed: the server was away or refused, or nobody waited any longer.
    pub failed: u64,
    /// How long all of them took, the wait for a connection included.
    pub time: Duration,
}

/// What a store has asked of its server, and the connections to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MongoStats {
    /// Connections that are being made.
    pub connecting: u64,
    /// Connections that nobody uses.
    pub idle: u64,
    /// Connections that are in use.
    pub in_use: u64,
    /// How often nobody got a connection who wanted one.
    pub checkouts_failed: u64,
    commands: [CommandStats; MongoCommand::ALL.len()],
}

impl MongoStats {
    /// The commands of one kind.
    pub fn commands(&self, command: MongoCommand) -> CommandStats {
        self.commands[command as usize]
    }
}

/// Counts.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    commands: [Counters; MongoCommand::ALL.len()],
    pool: Pool,
}

#[derive(Debug, Default)]
struct Counters {
    answered: AtomicU64,
    failed: AtomicU64,
    time: TotalTime,
}

#[derive(Debug, Default)]
struct Pool {
    /// Those that are being made: only of them the driver does not say how they ended.
    connecting: Mutex<HashSet<(ServerAddress, u32)>>,
    opened: AtomicU64,
    closed: AtomicU64,
    checked_out: AtomicU64,
    checked_in: AtomicU64,
    checkouts_failed: AtomicU64,
}

impl Monitor {
    /// What the driver is to call.
    pub(super) fn of_pool(self: &Arc<Self>) -> EventHandler<CmapEvent> {
        let monitor = self.clone();
        EventHandler::callback(move |event| monitor.pool.note(event))
    }

    /// Counts a command and times it, also when it is dropped before its end.
    pub(super) async fn watch<T>(
        &self,
        command: MongoCommand,
        work: impl Future<Output = Result<T, MongoError>>,
    ) -> Result<T, MongoError> {
        let mut watch = Watch { counters: &self.commands[command as usize], begun: Instant::now(), answered: false };
        // Apart: the driver's futures are large, and each that waits for one would have room for it.
        let answer = Box::pin(work).await;
        watch.answered = answer.is_ok();
        answer
    }

    pub(super) fn stats(&self) -> MongoStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let pool = &self.pool;
        let connecting = pool.connecting().len() as u64;
        // Read one after the other: what changes in between must not give less than none.
        let in_use = count(&pool.checked_out).saturating_sub(count(&pool.checked_in));
        let ready = count(&pool.opened).saturating_sub(count(&pool.closed));
        MongoStats {
            connecting,
            idle: ready.saturating_sub(in_use),
            in_use,
            checkouts_failed: count(&pool.checkouts_failed),
            commands: self.commands.each_ref().map(|counters| CommandStats {
                answered: count(&counters.answered),
                failed: count(&counters.failed),
                time: counters.time.get(),
            }),
        }
    }
}

impl Pool {
    fn note(&self, event: CmapEvent) {
        let one_more = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match event {
            CmapEvent::ConnectionCreated(event) => {
                self.connecting().insert((event.address, event.connection_id));
            }
            CmapEvent::ConnectionReady(event) => {
                self.connecting().remove(&(event.address, event.connection_id));
                one_more(&self.opened);
            }
            CmapEvent::ConnectionClosed(event) => {
                let was_open = !self.connecting().remove(&(event.address, event.connection_id));
                self.closed.fetch_add(u64::from(was_open), Ordering::Relaxed);
            }
            CmapEvent::ConnectionCheckedOut(_) => one_more(&self.checked_out),
            CmapEvent::ConnectionCheckedIn(_) => one_more(&self.checked_in),
            CmapEvent::ConnectionCheckoutFailed(_) => one_more(&self.checkouts_failed),
            _ => {}
        }
    }

    fn connecting(&self) -> std::sync::MutexGuard<'_, HashSet<(ServerAddress, u32)>> {
        self.connecting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command on its way.
struct Watch<'a> {
    counters: &'a Counters,
    begun: Instant,
    answered: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let Counters { answered, failed, time } = self.counters;
        let outcome = if self.answered { answered } else { failed };
        outcome.fetch_add(1, Ordering::Relaxed);
        time.add(self.begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_count_however_they_end() {
        let monitor = Monitor::default();
        let _ = monitor.watch(MongoCommand::Insert, async { Ok(()) }).await;
        let lost = async { Err::<(), _>(MongoError::Unavailable("gone".to_owned())) };
        let _ = monitor.watch(MongoCommand::Insert, lost).await;
        // Dropped, as when nobody waits any longer.
        let forever = monitor.watch(MongoCommand::Find, std::future::pending::<Result<(), _>>());
        let _ = tokio::time::timeout(Duration::ZERO, forever).await;

        let stats = monitor.stats();
        let counts = |command| (stats.commands(command).answered, stats.commands(command).failed);
        assert_eq!(MongoCommand::ALL.map(counts), [(1, 1), (0, 1), (0, 0), (0, 0)]);
    }
}
