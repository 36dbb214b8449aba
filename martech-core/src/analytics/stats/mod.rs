mod answer;
mod counters;
mod plan;
#[cfg(test)]
mod tests;
mod visits;

use std::sync::Arc;

use self::{
    counters::{BySymbol, Grid, Revenue, Tally},
    visits::Visits,
};
use super::{
    row::Row,
    symbols::{Symbol, Symbols},
};
use crate::{
    event::Timestamp,
    query::{Stats, TimeRange},
};

pub use answer::TOP_ROWS;
pub use plan::StatsPlan;

/// Accumulates the counts for [`Stats`].
///
/// Each user is passed in once, with all rows, so a distinct count needs only one marker per counter. Memory grows with
/// the number of buckets and of distinct types, pages, products and search terms (the latter three are bounded in
/// bytes), not with the number of users or events.
#[derive(Debug)]
pub struct StatsAccumulator {
    plan: Arc<StatsPlan>,
    symbols: Symbols,
    /// Number of users so far, which is also the number of the current one.
    user: u64,
    visits: Visits,
    current: Period,
    previous: Period,
    types: BySymbol<Tally>,
    pages: BySymbol<Tally>,
    products: BySymbol<Tally>,
    searches: BySymbol<Tally>,
    buckets: Vec<Bucket>,
    events_by_type: Grid<u64>,
    revenue: Grid<Revenue>,
}

/// Counters of one period.
#[derive(Debug, Default)]
struct Period {
    tally: Tally,
    sessions: u64,
    /// Sessions with an order.
    converted: u64,
    new_users: u64,
    revenue: BySymbol<Revenue>,
}

/// Counters of one bucket.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    tally: Tally,
    sessions: u64,
    new_users: u64,
}

impl StatsAccumulator {
    /// Creates an accumulator with nothing counted.
    pub fn new(plan: Arc<StatsPlan>) -> Self {
        let buckets = plan.calendar.starts().len();
        Self {
            plan,
            symbols: Symbols::new(),
            user: 0,
            visits: Visits::default(),
            current: Period::default(),
            previous: Period::default(),
            types: BySymbol::default(),
            pages: BySymbol::default(),
            products: BySymbol::default(),
            searches: BySymbol::default(),
            buckets: vec![Bucket::default(); buckets],
            events_by_type: Grid::new(buckets),
            revenue: Grid::new(buckets),
        }
    }

    /// Returns the symbols that the rows of this accumulator refer to.
    pub fn symbols(&mut self) -> &mut Symbols {
        &mut self.symbols
    }

    /// Counts one user. `rows` are all events of that user in the [span](StatsPlan::span), in time order; events
    /// outside the span are ignored. Call this once per user, in any order of users.
    pub fn user(&mut self, rows: &[Row]) {
        debug_assert!(rows.is_sorted_by_key(|row| row.occurred_at), "the rows of a user are in time order");
        let TimeRange { from, to } = self.plan.query.range;
        let before = |time: Timestamp| rows.partition_point(|row| row.occurred_at < time.millis());
        let (first, middle, end) = (before(self.plan.previous.from), before(from), before(to));
        self.user += 1;
        self.count_previous(&rows[first..middle]);
        self.count_current(&rows[middle..end]);
    }

    fn count_previous(&mut self, rows: &[Row]) {
        self.visits.reset();
        for row in rows {
            self.previous.count(row, self.user, &mut self.visits);
        }
    }

    fn count_current(&mut self, rows: &[Row]) {
        self.visits.reset();
        let (user, mut index) = (self.user, 0);
        for row in rows {
            let is_order = row.is_order();
            let starts_session = self.current.count(row, user, &mut self.visits);

            index = self.plan.calendar.bucket_near(row.occurred_at, index);
            let bucket = &mut self.buckets[index];
            bucket.tally.count(user, is_order);
            bucket.sessions += u64::from(starts_session);
            *self.events_by_type.at(row.event_type, index) += 1;
            if let Some((currency, micros)) = row.value() {
                self.revenue.at(currency, index).count(micros);
            }

            self.types.at(row.event_type).count(user, is_order);
            if row.product != Symbol::NONE {
                self.products.at(row.product).count(user, is_order);
            }
            if row.page != Symbol::NONE && row.event_type == Symbols::PAGE_VIEW {
                self.pages.at(row.page).count(user, is_order);
            }
            if row.search != Symbol::NONE && row.event_type == Symbols::SEARCH {
                self.searches.at(row.search).count(user, is_order);
            }
        }
    }

    /// Counts a user whose first event ever was at `first_seen` (milliseconds), if that lies in the range or in the
    /// previous period. Call this once per user, on any of the accumulators that are merged.
    pub fn new_user(&mut self, first_seen: i64) {
        let time = Timestamp::from_millis(first_seen);
        if self.plan.query.range.contains(time) {
            self.current.new_users += 1;
            self.buckets[self.plan.calendar.bucket_of(first_seen)].new_users += 1;
        } else if self.plan.previous.contains(time) {
            self.previous.new_users += 1;
        }
    }

    /// Adds the counts of another accumulator of the same plan, which must have counted other users.
    pub fn merge(&mut self, other: Self) {
        let types = self.symbols.types.absorb(&other.symbols.types);
        let currencies = self.symbols.currencies.absorb(&other.symbols.currencies);
        self.current.merge(other.current, &currencies);
        self.previous.merge(other.previous, &currencies);
        self.types.merge(other.types, &types);
        self.pages.merge(other.pages, &self.symbols.pages.absorb(&other.symbols.pages));
        self.products.merge(other.products, &self.symbols.products.absorb(&other.symbols.products));
        self.searches.merge(other.searches, &self.symbols.searches.absorb(&other.symbols.searches));
        for (bucket, other) in self.buckets.iter_mut().zip(other.buckets) {
            bucket.tally += other.tally;
            bucket.sessions += other.sessions;
            bucket.new_users += other.new_users;
        }
        self.events_by_type.merge(other.events_by_type, &types);
        self.revenue.merge(other.revenue, &currencies);
    }

    /// Returns the statistics.
    pub fn finish(self) -> Stats {
        answer::of(&self)
    }
}

impl Period {
    /// Counts an event. Returns whether it starts a session.
    #[inline]
    fn count(&mut self, row: &Row, user: u64, visits: &mut Visits) -> bool {
        let visit = visits.next(row);
        self.tally.count(user, row.is_order());
        self.sessions += u64::from(visit.starts);
        self.converted += u64::from(visit.converts);
        if let Some((currency, micros)) = row.value() {
            self.revenue.at(currency).count(micros);
        }
        visit.starts
    }

    fn merge(&mut self, other: Self, currencies: &[Symbol]) {
        self.tally += other.tally;
        self.sessions += other.sessions;
        self.converted += other.converted;
        self.new_users += other.new_users;
        self.revenue.merge(other.revenue, currencies);
    }
}
