//! Reference model of a store: slow, simple, and without code shared with the real implementation.

mod figures;
mod local;

use std::collections::BTreeMap;

#[cfg(test)]
pub(crate) use local::label;

use crate::{
    event::Event,
    query::{JourneyQuery, Order, Stats, StatsQuery, UserRow, UserSort, UsersQuery},
};

/// All stored events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) events: Vec<Event>,
}

impl Model {
    /// Returns all pages of a journey.
    pub(crate) fn journey(&self, query: &JourneyQuery) -> Vec<Event> {
        let is_wanted = |event: &&Event| {
            event.user_id == query.user_id
                && query.from.is_none_or(|from| event.occurred_at >= from)
                && query.to.is_none_or(|to| event.occurred_at < to)
                && (query.types.is_empty() || query.types.contains(&event.event_type))
        };
        let mut events: Vec<Event> = self.events.iter().filter(is_wanted).cloned().collect();
        events.sort_by_key(|event| (event.occurred_at, event.id));
        if query.order == Order::Descending {
            events.reverse();
        }
        events
    }

    /// Returns all pages of a list of users.
    pub(crate) fn users(&self, query: &UsersQuery) -> Vec<UserRow> {
        let mut by_user: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.user_id.starts_with(&query.prefix)) {
            by_user.entry(&event.user_id).or_default().push(event);
        }
        // Ordered by user id, which breaks the ties of the stable sort below.
        let mut users: Vec<UserRow> = by_user.into_iter().map(|(user_id, events)| row(user_id, &events)).collect();
        let value = |user: &UserRow| -> i128 {
            match query.sort {
                UserSort::UserId => 0,
                UserSort::FirstSeen => user.first_seen.millis().into(),
                UserSort::LastSeen => user.last_seen.millis().into(),
                UserSort::Events => user.events.into(),
                UserSort::Orders => user.orders.into(),
                UserSort::Revenue => {
                    let sum = user.revenue.iter().find(|sum| sum.currency == query.currency);
                    sum.map_or(0, |sum| sum.amount.micros())
                }
            }
        };
        match (query.sort, query.order) {
            (UserSort::UserId, Order::Descending) => users.reverse(),
            (_, Order::Ascending) => users.sort_by_key(value),
            (_, Order::Descending) => users.sort_by_key(|user| -value(user)),
        }
        users
    }

    pub(crate) fn stats(&self, query: &StatsQuery) -> Stats {
        figures::stats(&self.events, query)
    }
}

fn row(user_id: &str, events: &[&Event]) -> UserRow {
    let times = || events.iter().map(|event| event.occurred_at);
    UserRow {
        user_id: user_id.to_owned(),
        first_seen: times().min().expect("a listed user has an event"),
        last_seen: times().max().expect("a listed user has an event"),
        events: events.len() as u64,
        sessions: figures::sessions(events).len() as u64,
        orders: figures::orders(events),
        revenue: figures::revenue(events),
    }
}
