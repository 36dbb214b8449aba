mod answer;
mod compared;
mod counters;
mod plan;
#[cfg(test)]
mod tests;
mod visits;

use std::{ops::AddAssign, sync::Arc};

use self::{
    counters::{BySymbol, Grid, Revenue, Tally},
    visits::Visits,
};
use super::{
    calendar::Calendar,
    row::Row,
    symbols::{Symbol, Symbols},
};
use crate::{event::Timestamp, query::Stats};

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
    /// Without buckets if there is nothing to compare with.
    compared: Period,
    types: BySymbol<Tally>,
    pages: BySymbol<Tally>,
    products: BySymbol<Tally>,
    searches: BySymbol<Tally>,
    events_by_type: Grid<u64>,
}

/// Counters of one period.
#[derive(Debug)]
struct Period {
    whole: Bucket,
    revenue: BySymbol<Revenue>,
    buckets: Vec<Bucket>,
    revenue_by_bucket: Grid<Revenue>,
}

/// Counters of one bucket, or of all buckets.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    tally: Tally,
    sessions: u64,
    /// Sessions with an order.
    converted: u64,
    new_users: u64,
}

impl StatsAccumulator {
    /// Creates an accumulator with nothing counted.
    pub fn new(plan: Arc<StatsPlan>) -> Self {
        let buckets = plan.current.calendar.starts().len();
        let compared = plan.compared.as_ref().map_or(0, |compared| compared.calendar.starts().len());
        Self {
            plan,
            symbols: Symbols::new(),
            user: 0,
            visits: Visits::default(),
            current: Period::new(buckets),
            compared: Period::new(compared),
            types: BySymbol::default(),
            pages: BySymbol::default(),
            products: BySymbol::default(),
            searches: BySymbol::default(),
            events_by_type: Grid::new(buckets),
        }
    }

    /// Returns the symbols that the rows of this accumulator refer to.
    pub fn symbols(&mut self) -> &mut Symbols {
        &mut self.symbols
    }

    /// Counts one user. `rows` are all events of that user in the [spans](StatsPlan::spans), in time order; events
    /// outside the spans are ignored. Call this once per user, in any order of users.
    pub fn user(&mut self, rows: &[Row]) {
        debug_assert!(rows.is_sorted_by_key(|row| row.occurred_at), "the rows of a user are in time order");
        self.user += 1;
        self.count_compared(rows);
        self.count_current(rows);
    }

    fn count_compared(&mut self, rows: &[Row]) {
        let Some(planned) = &self.plan.compared else { return };
        self.visits.reset();
        let mut bucket = 0;
        for row in planned.rows(rows) {
            self.compared.count(row, self.user, &mut self.visits, &planned.calendar, &mut bucket);
        }
    }

    fn count_current(&mut self, rows: &[Row]) {
        let planned = &self.plan.current;
        self.visits.reset();
        let (user, mut bucket) = (self.user, 0);
        for row in planned.rows(rows) {
            self.current.count(row, user, &mut self.visits, &planned.calendar, &mut bucket);
            *self.events_by_type.at(row.event_type, bucket) += 1;

            let is_order = row.is_order();
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
    /// compared period. Call this once per user, on any of the accumulators that are merged.
    pub fn new_user(&mut self, first_seen: i64) {
        let time = Timestamp::from_millis(first_seen);
        let current = (Some(&self.plan.current), &mut self.current);
        for (planned, period) in [current, (self.plan.compared.as_ref(), &mut self.compared)] {
            if let Some(planned) = planned.filter(|planned| planned.range.contains(time)) {
                period.whole.new_users += 1;
                period.buckets[planned.calendar.bucket_of(first_seen)].new_users += 1;
            }
        }
    }

    /// Adds the counts of another accumulator of the same plan, which must have counted other users.
    pub fn merge(&mut self, other: Self) {
        let types = self.symbols.types.absorb(&other.symbols.types);
        let currencies = self.symbols.currencies.absorb(&other.symbols.currencies);
        self.current.merge(other.current, &currencies);
        self.compared.merge(other.compared, &currencies);
        self.types.merge(other.types, &types);
        self.pages.merge(other.pages, &self.symbols.pages.absorb(&other.symbols.pages));
        self.products.merge(other.products, &self.symbols.products.absorb(&other.symbols.products));
        self.searches.merge(other.searches, &self.symbols.searches.absorb(&other.symbols.searches));
        self.events_by_type.merge(other.events_by_type, &types);
    }

    /// Returns the statistics.
    pub fn finish(self) -> Stats {
        answer::of(&self)
    }
}

impl Period {
    fn new(buckets: usize) -> Self {
        Self {
            whole: Bucket::default(),
            revenue: BySymbol::default(),
            buckets: vec![Bucket::default(); buckets],
            revenue_by_bucket: Grid::new(buckets),
        }
    }

    /// Counts the next event of a user. `bucket` is the bucket of the event before, and becomes that of this one.
    #[inline]
    fn count(&mut self, row: &Row, user: u64, visits: &mut Visits, calendar: &Calendar, bucket: &mut usize) {
        *bucket = calendar.bucket_near(row.occurred_at, *bucket);
        let (visit, is_order) = (visits.next(row, *bucket), row.is_order());
        self.whole.count(user, is_order, visit.starts);
        self.buckets[*bucket].count(user, is_order, visit.starts);
        if visit.converts {
            self.whole.converted += 1;
            self.buckets[visit.bucket].converted += 1;
        }
        if let Some((currency, micros)) = row.value() {
            self.revenue.at(currency).count(micros);
            self.revenue_by_bucket.at(currency, *bucket).count(micros);
        }
    }

    fn merge(&mut self, other: Self, currencies: &[Symbol]) {
        self.whole += other.whole;
        self.revenue.merge(other.revenue, currencies);
        self.buckets.iter_mut().zip(other.buckets).for_each(|(bucket, other)| *bucket += other);
        self.revenue_by_bucket.merge(other.revenue_by_bucket, currencies);
    }
}

impl Bucket {
    #[inline]
    fn count(&mut self, user: u64, is_order: bool, starts_session: bool) {
        self.tally.count(user, is_order);
        self.sessions += u64::from(starts_session);
    }
}

impl AddAssign for Bucket {
    fn add_assign(&mut self, other: Self) {
        self.tally += other.tally;
        self.sessions += other.sessions;
        self.converted += other.converted;
        self.new_users += other.new_users;
    }
}
