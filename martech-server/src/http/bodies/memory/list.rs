//! The list of bodies that may be displaced: the memory and the present rate of each, and the memory of each holder.

use std::{collections::HashMap, task::Waker, time::Duration};

use tokio::time::Instant;

use super::Holder;

/// Window over which the present rate of a body is measured.
const WINDOW: Duration = Duration::from_secs(2);

/// Bodies that may be displaced, and the memory of each holder.
#[derive(Debug, Default)]
pub(super) struct List {
    bodies: HashMap<u64, Listed>,
    held: HashMap<Holder, usize>,
    next: u64,
}

#[derive(Debug)]
struct Listed {
    holder: Holder,
    bytes: usize,
    is_large: bool,
    rate: Rate,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// More data is expected. Holds the waker of the task that waits for it.
    Arriving(Option<Waker>),
    /// The body must release its memory.
    Displaced,
    Complete,
}

impl List {
    /// Returns whether no body is listed and no holder has memory.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty() && self.held.is_empty()
    }

    pub(super) fn add(&mut self, holder: Holder, bytes: usize, is_large: bool) -> u64 {
        self.next += 1;
        *self.held.entry(holder.clone()).or_default() += bytes;
        let (rate, stage) = (Rate::new(Instant::now(), bytes), Stage::Arriving(None));
        self.bodies.insert(self.next, Listed { holder, bytes, is_large, rate, stage });
        self.next
    }

    pub(super) fn remove(&mut self, number: u64) {
        if let Some(body) = self.bodies.remove(&number)
            && !matches!(body.stage, Stage::Displaced)
        {
            self.give_back(&body.holder, body.bytes);
        }
    }

    pub(super) fn grow(&mut self, number: u64, more: usize, is_large: bool) {
        let Some(body) = self.bodies.get_mut(&number) else { return };
        body.bytes += more;
        body.is_large = is_large;
        body.rate.saw(Instant::now(), more);
        if !matches!(body.stage, Stage::Displaced) {
            *self.held.entry(body.holder.clone()).or_default() += more;
        }
    }

    pub(super) fn settle(&mut self, number: u64) {
        if let Some(body) = self.bodies.get_mut(&number)
            && matches!(body.stage, Stage::Arriving(_))
        {
            body.stage = Stage::Complete;
        }
    }

    /// Returns whether the body is displaced. If it is still arriving, stores the waker.
    pub(super) fn wait(&mut self, number: u64, waker: &Waker) -> bool {
        match self.bodies.get_mut(&number).map(|body| &mut body.stage) {
            Some(Stage::Displaced) => true,
            Some(Stage::Arriving(known)) => {
                match known {
                    Some(known) => known.clone_from(waker),
                    None => *known = Some(waker.clone()),
                }
                false
            }
            _ => false,
        }
    }

    /// Returns whether a holder may take `more` bytes. Displaces slower bodies of the same holder if its share is used
    /// up.
    pub(super) fn makes_share(&mut self, number: Option<u64>, more: usize, share: usize) -> bool {
        let Some(holder) = number.and_then(|number| self.bodies.get(&number)).map(|body| body.holder.clone()) else {
            return true;
        };
        let excess = (self.held.get(&holder).copied().unwrap_or(0) + more).saturating_sub(share);
        excess == 0 || self.displace(number, excess, |body| body.holder == holder)
    }

    /// Displaces slower bodies to free `bytes` bytes. Returns whether they hold that many, and displaces none
    /// otherwise. With `large`, only bodies outside the reserve count.
    pub(super) fn makes_room(&mut self, number: Option<u64>, bytes: usize, large: bool) -> bool {
        self.displace(number, bytes, |body| body.is_large || !large)
    }

    fn displace(&mut self, by: Option<u64>, bytes: usize, concerns: impl Fn(&Listed) -> bool) -> bool {
        let now = Instant::now();
        let own = by.and_then(|number| self.bodies.get(&number)).map_or(0.0, |body| self.slowness(body, now));
        let others = self.bodies.iter().filter(|(number, body)| {
            Some(**number) != by && concerns(body) && matches!(body.stage, Stage::Arriving(Some(_)))
        });
        let slower = others.map(|(number, body)| (self.slowness(body, now), *number, body.bytes));
        // At equal slowness, the other body is displaced: it is usually older, and this one may have just begun.
        let mut slower: Vec<_> = slower.filter(|(slowness, ..)| *slowness >= own).collect();
        if slower.iter().map(|(_, _, bytes)| bytes).sum::<usize>() < bytes {
            return false;
        }
        slower.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
        let mut freed = 0;
        for (_, number, bytes_of_it) in slower {
            if freed >= bytes {
                break;
            }
            freed += bytes_of_it;
            self.give_up(number);
        }
        true
    }

    fn give_up(&mut self, number: u64) {
        let Some(body) = self.bodies.get_mut(&number) else { return };
        if let Stage::Arriving(Some(waker)) = std::mem::replace(&mut body.stage, Stage::Displaced) {
            waker.wake();
        }
        let (holder, bytes) = (body.holder.clone(), body.bytes);
        self.give_back(&holder, bytes);
    }

    fn give_back(&mut self, holder: &Holder, bytes: usize) {
        if let Some(held) = self.held.get_mut(holder) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.held.remove(holder);
            }
        }
    }

    /// Returns how many seconds all memory of the holder would take at the present rate of the body.
    fn slowness(&self, body: &Listed, now: Instant) -> f64 {
        self.held.get(&body.holder).copied().unwrap_or(0) as f64 / body.rate.per_second(now).max(1.0)
    }
}

/// The present rate of a body.
#[derive(Debug)]
struct Rate {
    /// Start of the measurement, and the bytes received since then.
    since: Instant,
    bytes: usize,
    /// Time of the latest data.
    last: Instant,
}

impl Rate {
    fn new(now: Instant, bytes: usize) -> Self {
        Self { since: now, bytes, last: now }
    }

    fn saw(&mut self, now: Instant, bytes: usize) {
        if now.saturating_duration_since(self.since) > WINDOW {
            (self.since, self.bytes) = (self.last, 0);
        }
        self.bytes += bytes;
        self.last = now;
    }

    fn per_second(&self, now: Instant) -> f64 {
        if now.saturating_duration_since(self.last) >= WINDOW {
            return 0.0;
        }
        let time = now.saturating_duration_since(self.since).max(Duration::from_millis(100));
        self.bytes as f64 / time.as_secs_f64()
    }
}
