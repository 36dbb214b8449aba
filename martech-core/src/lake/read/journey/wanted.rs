use std::ops::RangeInclusive;

use crate::{
    event::{EventType, MILLIS_PER_DAY, Timestamp},
    query::{JourneyQuery, Order},
};

/// The rows of one user that a query asks for.
pub(super) struct Wanted<'a> {
    pub(super) from: i64,
    pub(super) to: i64,
    types: &'a [EventType],
    pub(super) order: Order,
    pub(super) cursor: Option<(i64, [u8; 16])>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(query: &'a JourneyQuery) -> Self {
        let mut from = query.from.map_or(i64::MIN, Timestamp::millis);
        let mut to = query.to.map_or(i64::MAX, Timestamp::millis);
        let cursor = query.cursor.map(|cursor| (cursor.occurred_at.millis(), *cursor.event_id.as_bytes()));
        match (cursor, query.order) {
            (Some((time, _)), Order::Ascending) => from = from.max(time),
            (Some((time, _)), Order::Descending) => to = to.min(time.saturating_add(1)),
            (None, _) => {}
        }
        Self { from, to, types: &query.types, order: query.order, cursor }
    }

    pub(super) fn days(&self) -> RangeInclusive<i32> {
        // The days saturate: an open side of the range is the most distant time.
        let day = |millis: i64| millis.div_euclid(MILLIS_PER_DAY).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        day(self.from)..=day(self.to.saturating_sub(1))
    }

    pub(super) fn takes_type(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == event_type)
    }

    pub(super) fn takes(&self, occurred_at: i64, id: [u8; 16], event_type: &str) -> bool {
        let key = (occurred_at, id);
        (self.from..self.to).contains(&occurred_at)
            && self.takes_type(event_type)
            && self.cursor.is_none_or(|cursor| match self.order {
                Order::Ascending => key > cursor,
                Order::Descending => key < cursor,
            })
    }
}
