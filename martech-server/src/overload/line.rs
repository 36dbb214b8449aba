//! Those who wait for a thread that unpacks and parses their body.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::refusal;
use crate::error::ApiError;

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
    pub(super) fn be_patient(&self, time: Duration) {
        self.patience.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long the line is now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::StatusCode;
    use tokio::sync::Semaphore;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[tokio::test]
    async fn the_line_is_as_long_as_the_last_one_waited() {
        let line = Arc::<Line>::default();
        let places = Arc::new(Semaphore::new(1));
        assert_eq!(line.wait(Instant::now()), Duration::ZERO);
        let first = line.wait_for(places.clone().acquire_owned()).await.unwrap().unwrap();
        let later = Instant::now() + ms(70);
        assert_eq!(line.wait(later), Duration::ZERO, "nobody waits");
        let second = tokio::spawn({
            let (line, places) = (line.clone(), places.clone());
            async move { line.wait_for(places.acquire_owned()).await }
        });
        while line.waits().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert!(line.wait(later) >= ms(60), "whoever waits has waited since the last one had a turn");
        second.abort();
        assert!(second.await.is_err());
        assert_eq!(line.wait(later), Duration::ZERO, "who went away does not wait any more");
        drop(first);

        let late = async {
            tokio::time::sleep(ms(3)).await;
            places.clone().acquire_owned().await
        };
        line.be_patient(ms(1));
        assert_eq!(line.wait_for(late).await.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(places.available_permits(), 1, "whoever is refused gives up the turn");
        line.be_patient(Duration::MAX);
        assert!(line.wait_for(places.clone().acquire_owned()).await.is_ok());
    }
}
