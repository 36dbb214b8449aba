use std::collections::HashMap;

use crate::analytics::{row::Row, session::SESSION_GAP_MILLIS};

/// Assigns the events of one user, in time order, to sessions.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// The sessions of this user.
    known: Vec<Known>,
    /// Number of each session that has an id, by its key.
    by_key: HashMap<u64, usize, foldhash::fast::RandomState>,
    /// Key and number of the last session that has an id, because the next event most often belongs to the same
    /// session.
    last: Option<(u64, usize)>,
    /// Last moment and number of the last run of events without an id.
    run: Option<(i64, usize)>,
}

/// A session so far.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The bucket of its first event.
    bucket: usize,
    /// Whether it has an order.
    ordered: bool,
}

/// The effect of an event on its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    /// Whether the event is the first of its session.
    pub(super) starts: bool,
    /// Whether the event is the first order of its session.
    pub(super) converts: bool,
    /// The bucket of the first event of the session.
    pub(super) bucket: usize,
}

/// The largest map capacity that is kept from one user to the next. Clearing a map takes time proportional to its
/// capacity.
const KEPT_CAPACITY: usize = 256;

impl Visits {
    /// Forgets the sessions of the previous user.
    pub(super) fn reset(&mut self) {
        self.known.clear();
        if self.by_key.capacity() > KEPT_CAPACITY {
            self.by_key = HashMap::default();
        } else if !self.by_key.is_empty() {
            self.by_key.clear();
        }
        self.last = None;
        self.run = None;
    }

    /// Assigns the user's next event, in a bucket, to its session.
    #[inline]
    pub(super) fn next(&mut self, row: &Row, bucket: usize) -> Visit {
        let known = self.known.len();
        let number = if row.session == 0 { self.of_run(row.occurred_at) } else { self.of_key(row.session) };
        let starts = number == known;
        if starts {
            self.known.push(Known { bucket, ordered: false });
        }
        let session = &mut self.known[number];
        let converts = row.is_order() && !session.ordered;
        session.ordered |= converts;
        Visit { starts, converts, bucket: session.bucket }
    }

    /// Returns the number of the session, or the next free number for a new one.
    fn of_run(&mut self, occurred_at: i64) -> usize {
        let number = match self.run {
            Some((end, number)) if occurred_at.saturating_sub(end) <= SESSION_GAP_MILLIS => number,
            _ => self.known.len(),
        };
        self.run = Some((occurred_at, number));
        number
    }

    /// Returns the number of the session, or the next free number for a new one.
    fn of_key(&mut self, key: u64) -> usize {
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let number = *self.by_key.entry(key).or_insert(self.known.len());
        self.last = Some((key, number));
        number
    }
}
