//! A canary: now and then the server writes an event of its own, waits until the store has it, and reads it back.
//!
//! # What it proves
//! That an event which is sent now would be stored and found: that the disk takes a synced write and gives it back, that
//! MongoDB acknowledges a write and answers a question, and that the threads which do so get their turn. Other figures tell
//! that something is wrong when events come; this one tells it at night, when none do.
//!
//! # Nobody's event
//! It goes the way of all others (`store`: a sink, a journal and a hot table, or a spool and MongoDB), in a store of its own:
//! a lake in `canary` of the data folder, or the collection `canary` in the database of the events. No project is made of
//! that, so no question, export, check or figure ever sees it. What it holds is worth nothing: what an earlier run left is
//! removed, and days that are over are forgotten.
//!
//! # When it fails
//! One run at a time. A run that takes too long has failed, and is not joined by another while its work goes on: reads of
//! files cannot be stopped. A failure is logged when it begins and when it is over. `/readyz` does not ask the canary.

mod error;
mod store;

use std::{
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use martech_core::event::Timestamp;
use serde::Serialize;
use tokio::{
    sync::{Mutex as AsyncMutex, OnceCell},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use utoipa::ToSchema;

use self::{
    error::CanaryError,
    store::{CanaryStore, Place},
};
use crate::{backend::Backend, config::parse_duration_or_off, metrics::CanaryMetrics};

/// A server that has just started has enough to do.
const FIRST: Duration = Duration::from_secs(10);
/// How long a run may take. Longer than a store that fails is tried again, so that its reason is heard.
const PATIENCE: Duration = Duration::from_secs(10);
/// What its store gets to close.
const CLOSING: Duration = Duration::from_secs(2);
/// Each run is a sync.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// How often there is a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryInterval {
    /// Never.
    Off,
    /// Every so often, a second at least.
    Every(Duration),
}

impl FromStr for CanaryInterval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(parse_duration_or_off(text, LEAST_INTERVAL)?.map_or(Self::Off, Self::Every))
    }
}

/// The canary of a server.
#[derive(Debug)]
pub(crate) struct Canary {
    watch: Arc<Watch>,
    store: Arc<OnceCell<CanaryStore>>,
    /// Ends when this is dropped.
    task: AsyncMutex<JoinSet<()>>,
}

impl Canary {
    /// From now on, beside this store. Its own is opened by the first run.
    pub(crate) fn start(interval: Duration, beside: &Backend, data_dir: &Path, metrics: CanaryMetrics) -> Self {
        let watch = Arc::new(Watch { metrics, last: Mutex::default() });
        let store = Arc::new(OnceCell::new());
        let place = Arc::new(Place::beside(beside, data_dir));
        let mut task = JoinSet::new();
        task.spawn({
            let (watch, store) = (watch.clone(), store.clone());
            async move {
                let mut times = interval_at(Instant::now() + interval.min(FIRST), interval);
                times.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut turn = Turn::default();
                loop {
                    times.tick().await;
                    let (store, place) = (store.clone(), place.clone());
                    let run = async move { store.get_or_try_init(|| CanaryStore::open(&place)).await?.run().await };
                    watch.note(Timestamp::now(), turn.take(PATIENCE, run).await);
                }
            }
        });
        Self { watch, store, task: AsyncMutex::new(task) }
    }

    pub(crate) fn status(&self) -> CanaryStatus {
        self.watch.status(Timestamp::now())
    }

    /// Ends it. What it has not stored is nobody's loss.
    pub(crate) async fn close(&self) {
        self.task.lock().await.shutdown().await;
        let Some(store) = self.store.get() else { return };
        if timeout(CLOSING, store.close()).await.is_err() {
            tracing::warn!("the store of the canary did not close in time");
        }
    }
}

/// Has one run at a time, and waits for none too long.
#[derive(Debug, Default)]
struct Turn {
    /// One that took too long, while its work goes on.
    running: JoinSet<Result<Duration, CanaryError>>,
}

impl Turn {
    async fn take(
        &mut self,
        patience: Duration,
        run: impl Future<Output = Result<Duration, CanaryError>> + Send + 'static,
    ) -> Result<Duration, CanaryError> {
        // How a late one ended nobody asks any more.
        let _ = self.running.try_join_next();
        if !self.running.is_empty() {
            return Err(CanaryError::Stuck);
        }
        self.running.spawn(run);
        match timeout(patience, self.running.join_next()).await {
            Err(_) => Err(CanaryError::Late(patience)),
            Ok(Some(Ok(ended))) => ended,
            Ok(Some(Err(panic))) => Err(CanaryError::Panicked(panic.to_string())),
            Ok(None) => Err(CanaryError::Stuck),
        }
    }
}

/// How the runs went.
#[derive(Debug)]
struct Watch {
    metrics: CanaryMetrics,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    success: Option<(Timestamp, Duration)>,
    /// Why the last run failed, if it did.
    error: Option<String>,
}

impl Watch {
    fn note(&self, now: Timestamp, ended: Result<Duration, CanaryError>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match ended {
            Ok(took) => {
                self.metrics.came_back(now, took);
                last.success = Some((now, took));
                if last.error.take().is_some() {
                    tracing::info!(?took, "the canary's event comes back again");
                }
            }
            Err(error) => {
                self.metrics.failed();
                let error = error.to_string();
                if last.error.is_none() {
                    tracing::warn!(
                        error,
                        "the canary's event did not come back: events may not be stored, or not be found"
                    );
                }
                last.error = Some(error);
            }
        }
    }

    fn status(&self, now: Timestamp) -> CanaryStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match (&last.error, last.success) {
            (Some(_), _) => "failing",
            (None, Some(_)) => "ok",
            (None, None) => "waiting",
        };
        CanaryStatus {
            status,
            last_success_at: last.success.map(|(at, _)| at),
            age_ms: last.success.map(|(at, _)| now.millis().saturating_sub(at.millis()).max(0)),
            latency_ms: last.success.map(|(_, took)| (took.as_secs_f64() * 1e4).round() / 10.0),
            error: last.error.clone(),
        }
    }
}

/// How the canary is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CanaryHealth)]
pub(crate) struct CanaryStatus {
    /// `waiting` for the first run, `ok` or `failing`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success_at: Option<Timestamp>,
    /// How long ago that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<i64>,
    /// From writing the event to having read it, the last time that it came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[cfg(test)]
mod tests;
