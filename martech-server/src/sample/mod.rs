//! A made-up online shop: three months of events up to now, for people who try the server out.
//!
//! The shop sells outdoor clothing. Its figures look like those of a real one: visits follow the hours of the day and
//! the days of the week in the time zone of the project, their number grows slowly, a sale weekend stands out, a few
//! products, pages and search terms have most of the events, and two or three visits in a hundred end with an order.
//! Visitors come back: each returning visit repeats the visitor of an earlier one, which gives a few visitors many
//! visits. A part of the visitors is signed in.
//!
//! The shop is deterministic. Each local day has random numbers of its own, made from the seed and the date, and the
//! events after `now` are cut off. A later moment of the same day therefore gives the same events and some more, except
//! for the [latest visits](rhythm::latest).

mod catalogue;
mod random;
mod rhythm;
mod visit;
mod visitors;

#[cfg(test)]
mod tests;

use jiff::{ToSpan, civil::Date, tz::TimeZone};
use martech_core::event::{Currency, Event, EventError, EventRules, Timestamp};

use self::{
    random::Random,
    visit::{Market, Visit},
    visitors::Visitors,
};

/// The number of local days before today.
const DAYS: i32 = 89;

/// The events of the shop, in batches of a local day each, day by day. The events of a batch are in time order.
#[derive(Debug)]
pub(crate) struct SampleShop {
    seed: u64,
    now: Timestamp,
    tz: TimeZone,
    rules: EventRules,
    today: Date,
    /// The next day, counted from the first one. `None` after the last day.
    day: Option<i32>,
    visitors: Visitors,
    orders: u32,
}

impl SampleShop {
    /// Creates the shop as of `now`. Prices are in `currency`. All events arrive now, because they never were sent.
    pub(crate) fn new(seed: u64, now: Timestamp, tz: TimeZone, currency: Currency) -> Self {
        let today = tz.to_datetime(now.into()).date();
        let rules = EventRules::default().currency(currency);
        Self { seed, now, tz, rules, today, day: Some(0), visitors: Visitors::default(), orders: 0 }
    }

    /// Returns the events of a day up to now.
    fn batch(&mut self, day: i32) -> Result<Vec<Event>, EventError> {
        let Ok(date) = self.today.checked_sub((DAYS - day).days()) else { return Ok(Vec::new()) };
        let mut random = Random::of(self.seed, i64::from(day) - i64::from(DAYS) + days_since_epoch(self.today));
        let trade = rhythm::trade(date, self.today, day, &mut random);
        let mut starts: Vec<i64> =
            (0..trade.visits).filter_map(|_| rhythm::moment(date, &self.tz, &mut random)).collect();
        starts.sort_unstable();
        let mut events = Vec::new();
        for start in starts {
            self.visit(start, trade.is_sale, &mut random, &mut events)?;
        }
        if day == DAYS {
            for start in rhythm::latest(self.now) {
                self.visit(start, trade.is_sale, &mut random, &mut events)?;
            }
        }
        events.retain(|event| event.occurred_at <= self.now);
        events.sort_by_key(|event| event.occurred_at);
        Ok(events)
    }

    fn visit(
        &mut self,
        start: i64,
        is_sale: bool,
        random: &mut Random,
        events: &mut Vec<Event>,
    ) -> Result<(), EventError> {
        let visitor = self.visitors.next(random);
        let market = Market { rules: &self.rules, received_at: self.now, is_sale };
        Visit::new(market, &visitor, start, random, events).run(&mut self.orders)
    }
}

impl Iterator for SampleShop {
    type Item = Result<Vec<Event>, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        let day = self.day?;
        self.day = (day < DAYS).then_some(day + 1);
        Some(self.batch(day))
    }
}

fn days_since_epoch(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24
}
