//! Which part of the requests is refused.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Instant,
};

use super::{alarm::CALM, smoothed::Smoothed};

/// Counts, and is looked at now and then.
#[derive(Debug, Default)]
pub(super) struct Tally {
    asked: AtomicU64,
    refused: AtomicU64,
    /// The part that is refused now, of 2³².
    part: AtomicU32,
}

/// What was seen of a tally.
#[derive(Debug)]
pub(super) struct Look {
    at: Instant,
    asked: u64,
    refused: u64,
    part: Smoothed,
    /// When somebody was refused for the last time, unless that is long ago.
    last_refusal: Option<Instant>,
}

impl Look {
    pub(super) fn new(at: Instant) -> Self {
        Self { at, asked: 0, refused: 0, part: Smoothed::default(), last_refusal: None }
    }
}

impl Tally {
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn part_refused(&self) -> f64 {
        f64::from(self.part.load(Ordering::Relaxed)) / f64::from(u32::MAX)
    }

    /// Smooths the part, and says so in the log where refusing begins or has ended.
    pub(super) fn look(&self, look: &mut Look, now: Instant) {
        let (asked, refused) = (self.asked.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        let (came, gone) = (asked.saturating_sub(look.asked), refused.saturating_sub(look.refused));
        if came > 0 {
            look.part.saw(now.saturating_duration_since(look.at), (gone as f64 / came as f64).min(1.0));
            (look.at, look.asked, look.refused) = (now, asked, refused);
        }
        match look.last_refusal {
            None if gone > 0 => {
                tracing::warn!("more events come than can be taken: some are refused");
                look.last_refusal = Some(now);
            }
            Some(_) if gone > 0 => look.last_refusal = Some(now),
            Some(at) if now.saturating_duration_since(at) >= CALM => {
                tracing::info!("all events are taken again");
                (look.last_refusal, look.part) = (None, Smoothed::default());
            }
            _ => {}
        }
        self.part.store((look.part.value() * f64::from(u32::MAX)) as u32, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_part_that_is_refused_follows_what_happens() {
        let (tally, mut now) = (Tally::default(), Instant::now());
        let mut look = Look::new(now);
        let mut pass = |asked: u64, refused: u64| {
            (0..asked).for_each(|_| tally.ask());
            (0..refused).for_each(|_| tally.refuse());
            now += Duration::from_millis(5);
            tally.look(&mut look, now);
            tally.part_refused()
        };
        assert_eq!(pass(10, 0), 0.0);
        assert!((0.0..0.1).contains(&pass(10, 9)), "it is smoothed");
        for _ in 0..400 {
            pass(10, 9);
        }
        assert!((0.89..0.91).contains(&pass(10, 9)));
        for _ in 0..199 {
            assert!(pass(0, 0) > 0.5, "nobody asks");
        }
        assert_eq!(pass(0, 0), 0.0, "nobody was refused for a second");
    }
}
