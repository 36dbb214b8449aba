use std::collections::HashMap;

use crate::analytics::{row::Row, session::SESSION_GAP_MILLIS};

/// Tells the sessions of one user apart while the events go by.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// Whether each session of this user has an order yet.
    ordered: Vec<bool>,
    /// Number of each session that has an id, by its key.
    by_key: HashMap<u64, usize, foldhash::fast::RandomState>,
    /// Key and number of the last session that has an id: most often the next event is of the same.
    last: Option<(u64, usize)>,
    /// Last moment and number of the last run of events without an id.
    run: Option<(i64, usize)>,
}

/// What an event means for its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    /// It is the session's first event.
    pub(super) starts: bool,
    /// It is the session's first order.
    pub(super) converts: bool,
}

/// Clearing a map takes time by its capacity, so that of a user with very many sessions is not kept.
const KEPT_CAPACITY: usize = 256;

impl Visits {
    /// Forgets the sessions of the user before.
    pub(super) fn reset(&mut self) {
        self.ordered.clear();
        if self.by_key.capacity() > KEPT_CAPACITY {
            self.by_key = HashMap::default();
        } else if !self.by_key.is_empty() {
            self.by_key.clear();
        }
        self.last = None;
        self.run = None;
    }

    /// Takes the user's next event.
    #[inline]
    pub(super) fn next(&mut self, row: &Row) -> Visit {
        let known = self.ordered.len();
        let number = if row.session == 0 { self.of_run(row.occurred_at) } else { self.of_key(row.session) };
        let starts = number == known;
        if starts {
            self.ordered.push(false);
        }
        let converts = row.is_order() && !self.ordered[number];
        self.ordered[number] |= converts;
        Visit { starts, converts }
    }

    /// The session's number; the next free one if it is new.
    fn of_run(&mut self, occurred_at: i64) -> usize {
        let number = match self.run {
            Some((end, number)) if occurred_at.saturating_sub(end) <= SESSION_GAP_MILLIS => number,
            _ => self.ordered.len(),
        };
        self.run = Some((occurred_at, number));
        number
    }

    /// The session's number; the next free one if it is new.
    fn of_key(&mut self, key: u64) -> usize {
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let number = *self.by_key.entry(key).or_insert(self.ordered.len());
        self.last = Some((key, number));
        number
    }
}
