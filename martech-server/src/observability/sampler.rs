//! Samples frequent log lines: the first lines of a kind are written, and the others are counted.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Maximum number of lines of a kind that are written in one [`PERIOD`].
const LINES: u32 = 10;
/// Period over which lines of a kind are counted together.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
/// Maximum number of kinds that are counted separately.
const MAX_KINDS: usize = 1000;

/// Decides which lines are written, by their kind.
#[derive(Debug)]
pub(crate) struct Sampler<K> {
    windows: Mutex<HashMap<K, Window>>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    written: u32,
    suppressed: u64,
}

impl<K> Default for Sampler<K> {
    fn default() -> Self {
        Self { windows: Mutex::default() }
    }
}

impl<K: Hash + Eq> Sampler<K> {
    /// Returns whether a line of this kind is written now. If there are too many kinds, a new one counts as the
    /// `general` kind.
    pub(crate) fn admit(&self, kind: K, general: impl FnOnce(K) -> K) -> bool {
        let mut windows = self.windows();
        let is_new = !windows.contains_key(&kind);
        let kind = if is_new && windows.len() >= MAX_KINDS { general(kind) } else { kind };
        let now = Instant::now();
        let window = windows.entry(kind).or_insert(Window { begun: now, written: 0, suppressed: 0 });
        if window.suppressed == 0 && window.begun + PERIOD <= now {
            (window.begun, window.written) = (now, 0);
        }
        if window.written < LINES {
            window.written += 1;
            return true;
        }
        window.suppressed += 1;
        false
    }

    /// Returns how many lines of each kind were not written in the periods that are over.
    pub(crate) fn suppressed(&self) -> Vec<(K, u64)> {
        let now = Instant::now();
        let over = self.windows().extract_if(|_, window| window.begun + PERIOD <= now).collect::<Vec<_>>();
        over.into_iter().map(|(kind, window)| (kind, window.suppressed)).filter(|(_, count)| *count > 0).collect()
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<K, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_first_lines_of_a_kind_and_counts_others() {
        let sampler = Sampler::default();
        let written = (0..1000).filter(|_| sampler.admit("a", |kind| kind)).count();
        assert_eq!(written, 10);
        assert!(sampler.admit("b", |kind| kind));
        assert_eq!(sampler.suppressed(), []);
        tokio::time::advance(PERIOD).await;
        assert!(!sampler.admit("a", |kind| kind), "the count of suppressed lines comes before further lines");
        assert_eq!(sampler.suppressed(), [("a", 991)]);
        assert!(sampler.admit("a", |kind| kind));
        assert_eq!(sampler.suppressed(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_the_number_of_kinds() {
        let sampler = Sampler::default();
        for kind in 1..5000 {
            sampler.admit(kind, |_| 0);
        }
        assert_eq!(sampler.windows().len(), MAX_KINDS + 1);
        tokio::time::advance(PERIOD).await;
        assert_eq!(sampler.suppressed(), [(0, 5000 - 1 - MAX_KINDS as u64 - u64::from(LINES))]);
        assert!(sampler.windows().is_empty());
    }
}
