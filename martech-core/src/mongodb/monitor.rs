//! Metrics of the connection to the server: the connection pool, from the driver's events, and the commands.
//!
//! Commands are timed by the caller. The driver also has command events, but it copies and parses every command for
//! their handlers. That would cost an insert of two thousand events a second pass.

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
use serde::{Serialize, Serializer};

use super::error::MongoError;
use crate::timing::{TotalTime, seconds};

/// Kinds of commands sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum MongoCommand {
    /// Inserts of events.
    Insert,
    /// Reads of documents, timed up to the first batch.
    Find,
    /// Aggregations, timed up to the first batch.
    Aggregate,
    /// All other commands: server information, indexes, pings.
    Other,
}

impl MongoCommand {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Insert, Self::Find, Self::Aggregate, Self::Other];

    /// Returns the name of the kind, for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Find => "find",
            Self::Aggregate => "aggregate",
            Self::Other => "other",
        }
    }
}

/// Metrics of one kind of command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommandStats {
    /// Commands that the server answered.
    pub answered: u64,
    /// Commands that failed or were cancelled.
    pub failed: u64,
    /// Total duration of all commands, including the wait for a connection.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

/// Metrics of a store's commands and connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MongoStats {
    /// Connections that are being established.
    pub connecting: u64,
    /// Connections that are open and not in use.
    pub idle: u64,
    /// Connections that are in use.
    pub in_use: u64,
    /// Failed attempts to check out a connection.
    pub checkouts_failed: u64,
    #[serde(serialize_with = "by_command")]
    commands: [CommandStats; MongoCommand::ALL.len()],
}

impl MongoStats {
    /// Returns the metrics of one kind of command.
    pub fn commands(&self, command: MongoCommand) -> CommandStats {
        self.commands[command as usize]
    }
}

/// Serializes the metrics of commands as a map by the name of the command.
fn by_command<S: Serializer>(stats: &[CommandStats], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(MongoCommand::ALL.iter().zip(stats))
}

/// Counters behind [`MongoStats`].
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
    /// Connections that are being established. The driver's close event does not say whether the connection was ready.
    connecting: Mutex<HashSet<(ServerAddress, u32)>>,
    opened: AtomicU64,
    closed: AtomicU64,
    checked_out: AtomicU64,
    checked_in: AtomicU64,
    checkouts_failed: AtomicU64,
}

impl Monitor {
    /// Returns the handler for the driver's connection pool events.
    pub(super) fn of_pool(self: &Arc<Self>) -> EventHandler<CmapEvent> {
        let monitor = self.clone();
        EventHandler::callback(move |event| monitor.pool.note(event))
    }

    /// Counts and times a command, even if its future is dropped.
    pub(super) async fn watch<T>(
        &self,
        command: MongoCommand,
        work: impl Future<Output = Result<T, MongoError>>,
    ) -> Result<T, MongoError> {
        let mut watch = Watch { counters: &self.commands[command as usize], begun: Instant::now(), answered: false };
        // Boxed because the driver's futures are large and would otherwise enlarge every future that awaits one.
        let answer = Box::pin(work).await;
        watch.answered = answer.is_ok();
        answer
    }

    pub(super) fn stats(&self) -> MongoStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let pool = &self.pool;
        let connecting = pool.connecting().len() as u64;
        // The counters are not read atomically together. Saturating subtraction keeps the differences from
        // underflowing.
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

/// A command in progress. Dropping it records the outcome.
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
    async fn counts_answered_failed_and_cancelled_commands() {
        let monitor = Monitor::default();
        let _ = monitor.watch(MongoCommand::Insert, async { Ok(()) }).await;
        let lost = async { Err::<(), _>(MongoError::Unavailable("gone".to_owned())) };
        let _ = monitor.watch(MongoCommand::Insert, lost).await;
        // Dropped before completion, as in a cancelled request.
        let forever = monitor.watch(MongoCommand::Find, std::future::pending::<Result<(), _>>());
        let _ = tokio::time::timeout(Duration::ZERO, forever).await;

        let stats = monitor.stats();
        let counts = |command| (stats.commands(command).answered, stats.commands(command).failed);
        assert_eq!(MongoCommand::ALL.map(counts), [(1, 1), (0, 1), (0, 0), (0, 0)]);
        let json = serde_json::to_value(stats).unwrap();
        assert_eq!((&json["commands"]["insert"]["failed"], &json["inUse"]), (&1.into(), &0.into()), "{json}");
    }
}
