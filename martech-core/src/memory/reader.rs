//! Queries over events in memory. Each query scans all events.

use std::{collections::BTreeMap, sync::Arc};

use super::MemoryStore;
use crate::{
    analytics::{Row, StatsAccumulator, StatsPlan, Symbols, UserSummary},
    event::Event,
    query::{
        JourneyCursor, JourneyPage, JourneyQuery, QueryError, Reader, Stats, StatsQuery, UsersCursor, UsersPage,
        UsersQuery,
    },
};

impl Reader for MemoryStore<Event> {
    type Error = QueryError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, QueryError> {
        Ok(journey(&self.content().events, &query))
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, QueryError> {
        Ok(users(&self.content().events, &query))
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, QueryError> {
        stats(&self.content().events, &query)
    }
}

fn journey(events: &[Event], query: &JourneyQuery) -> JourneyPage {
    let cursor_of = |event: &Event| JourneyCursor { occurred_at: event.occurred_at, event_id: event.id };
    let mut found: Vec<&Event> = events
        .iter()
        .filter(|event| event.user_id == query.user_id)
        .filter(|event| query.from.is_none_or(|from| from <= event.occurred_at))
        .filter(|event| query.to.is_none_or(|to| event.occurred_at < to))
        .filter(|event| query.types.is_empty() || query.types.contains(&event.event_type))
        .filter(|event| query.cursor.is_none_or(|cursor| query.order.apply(cursor_of(event).cmp(&cursor)).is_gt()))
        .collect();
    found.sort_unstable_by(|left, right| query.order.apply(cursor_of(left).cmp(&cursor_of(right))));
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|last| cursor_of(last));
    JourneyPage { events: found.into_iter().cloned().collect(), next }
}

fn users(events: &[Event], query: &UsersQuery) -> UsersPage {
    let mut symbols = Symbols::new();
    let rows = rows_by_user(events, &mut symbols, |event| event.user_id.starts_with(&query.prefix));
    let mut users: Vec<(UsersCursor, UserSummary)> = rows
        .into_iter()
        .filter_map(|(user_id, rows)| {
            let summary = UserSummary::from_rows(&rows, &symbols)?;
            let value = summary.sort_value(query.sort, query.currency);
            Some((UsersCursor { value, user_id: user_id.to_owned() }, summary))
        })
        .collect();
    let total = users.len() as u64;
    users.retain(|(cursor, _)| query.cursor.as_ref().is_none_or(|after| query.rank(cursor.key(), after.key()).is_gt()));
    users.sort_unstable_by(|left, right| query.rank(left.0.key(), right.0.key()));
    let more = users.len() > query.limit;
    users.truncate(query.limit);
    let next = users.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
    let users = users.into_iter().map(|(cursor, summary)| summary.to_row(cursor.user_id)).collect();
    UsersPage { users, total, next }
}

fn stats(events: &[Event], query: &StatsQuery) -> Result<Stats, QueryError> {
    let mut counted = StatsAccumulator::new(Arc::new(StatsPlan::new(query)?));
    let users = rows_by_user(events, counted.symbols(), |_| true);
    for rows in users.into_values() {
        counted.user(&rows);
        counted.new_user(rows[0].occurred_at);
    }
    Ok(counted.finish())
}

/// Returns the rows of each user with events, in time order.
fn rows_by_user<'a>(
    events: &'a [Event],
    symbols: &mut Symbols,
    keep: impl Fn(&Event) -> bool,
) -> BTreeMap<&'a str, Vec<Row>> {
    let mut users = BTreeMap::<&str, Vec<Row>>::new();
    for event in events.iter().filter(|event| keep(event)) {
        users.entry(&event.user_id).or_default().push(Row::of(event, symbols));
    }
    users.values_mut().for_each(|rows| rows.sort_by_key(|row| row.occurred_at));
    users
}
