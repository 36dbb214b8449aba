//! Statistics computed directly from all events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{civil::DateTime, tz::Offset};

use super::local::{bucket_starts, compared, label};
use crate::{
    event::{Currency, Event, EventType, MoneySum, Timestamp},
    query::{
        ComparedBucket, ComparedPeriod, CurrencyAmount, LocalTime, PageRow, ProductRow, SearchRow, SeriesBucket, Stats,
        StatsQuery, TimeRange, TopLists, Totals, TypeRow,
    },
};

pub(super) fn stats(events: &[Event], query: &StatsQuery) -> Stats {
    let local = |time: Timestamp| LocalTime::new(time, &query.tz);
    let first_seen = first_seen(events);
    let current = within(events, query.range);
    let by_type = ranked(&current, |event| Some(event.event_type.as_str()));
    let pages = ranked(&current, |event| event.facts.page.as_deref().filter(|_| is(event, EventType::PAGE_VIEW)));
    let products = ranked(&current, |event| event.facts.product.as_deref());
    let searches = ranked(&current, |event| event.facts.search.as_deref().filter(|_| is(event, EventType::SEARCH)));
    Stats {
        from: local(query.range.from),
        to: local(query.range.to),
        tz: query.tz.iana_name().expect("a known time zone").to_owned(),
        interval: query.interval,
        totals: totals(&current, &first_seen, query.range),
        previous: compared(query).map(|range| ComparedPeriod {
            from: local(range.from),
            to: local(range.to),
            totals: totals(&within(events, range), &first_seen, range),
            series: (series(query, range, &within(events, range), &first_seen).into_iter())
                .map(|bucket| ComparedBucket { start: bucket.start, totals: bucket.totals })
                .collect(),
        }),
        by_type: by_type
            .into_iter()
            .map(|row| TypeRow { event_type: row.name, events: row.events, users: row.users })
            .collect(),
        series: series(query, query.range, &current, &first_seen),
        top: TopLists {
            pages: (pages.into_iter().take(10))
                .map(|row| PageRow { page: row.name, views: row.events, users: row.users })
                .collect(),
            products: (products.into_iter().take(10))
                .map(|row| ProductRow { product: row.name, events: row.events, orders: row.orders, users: row.users })
                .collect(),
            searches: (searches.into_iter().take(10))
                .map(|row| SearchRow { term: row.name, searches: row.events, users: row.users })
                .collect(),
            incomplete: false,
        },
    }
}

fn is(event: &Event, event_type: EventType) -> bool {
    event.event_type == event_type
}

/// Times at which users were first seen, one per user.
fn first_seen(events: &[Event]) -> Vec<Timestamp> {
    let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for event in events {
        let seen = first.entry(&event.user_id).or_insert(event.occurred_at);
        *seen = event.occurred_at.min(*seen);
    }
    first.into_values().collect()
}

fn within(events: &[Event], range: TimeRange) -> Vec<&Event> {
    events.iter().filter(|event| range.from <= event.occurred_at && event.occurred_at < range.to).collect()
}

fn users(events: &[&Event]) -> u64 {
    events.iter().map(|event| &event.user_id).collect::<BTreeSet<_>>().len() as u64
}

pub(super) fn orders(events: &[&Event]) -> u64 {
    events.iter().filter(|event| is(event, EventType::PURCHASE)).count() as u64
}

/// Order values by currency.
fn values(events: &[&Event]) -> BTreeMap<Currency, Vec<i128>> {
    let mut values: BTreeMap<Currency, Vec<i128>> = BTreeMap::new();
    for event in events.iter().filter(|event| is(event, EventType::PURCHASE)) {
        if let (Some(currency), Some(value)) = (event.facts.currency, event.facts.order_value) {
            values.entry(currency).or_default().push(value.micros().into());
        }
    }
    values
}

pub(super) fn revenue(events: &[&Event]) -> Vec<CurrencyAmount> {
    amounts(events, |values| values.iter().sum())
}

fn amounts(events: &[&Event], of: impl Fn(&[i128]) -> i128) -> Vec<CurrencyAmount> {
    let amount = |(currency, values): (_, Vec<i128>)| CurrencyAmount { currency, amount: MoneySum(of(&values)) };
    values(events).into_iter().map(amount).collect()
}

/// A part of a sum, rounded half to even.
fn average(sum: i128, count: i128) -> i128 {
    let (below, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    let above = 2 * rest > count || (2 * rest == count && below % 2 != 0);
    below + i128::from(above)
}

/// Groups events into sessions, each in time order.
pub(super) fn sessions<'a>(events: &[&'a Event]) -> Vec<Vec<&'a Event>> {
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.occurred_at);
    let mut with_id: HashMap<(&str, &str), Vec<&Event>> = HashMap::new();
    let mut without: HashMap<&str, Vec<Vec<&Event>>> = HashMap::new();
    for event in events {
        if let Some(session) = &event.session_id {
            with_id.entry((&event.user_id, session)).or_default().push(event);
            continue;
        }
        let runs = without.entry(&event.user_id).or_default();
        let gap = |run: &Vec<&Event>| event.occurred_at.millis() - run[run.len() - 1].occurred_at.millis();
        match runs.last_mut().filter(|run| gap(run) <= 30 * 60 * 1000) {
            Some(run) => run.push(event),
            None => runs.push(vec![event]),
        }
    }
    with_id.into_values().chain(without.into_values().flatten()).collect()
}

fn totals(events: &[&Event], first_seen: &[Timestamp], range: TimeRange) -> Totals {
    let new_users = first_seen.iter().filter(|seen| range.contains(**seen)).count() as u64;
    totals_of(events, new_users, &sessions(events))
}

/// The totals of events, with the sessions that count among them.
fn totals_of(events: &[&Event], new_users: u64, sessions: &[Vec<&Event>]) -> Totals {
    let converted = sessions.iter().filter(|session| orders(session) > 0).count();
    Totals {
        events: events.len() as u64,
        users: users(events),
        new_users,
        sessions: sessions.len() as u64,
        orders: orders(events),
        revenue: revenue(events),
        average_order_value: amounts(events, |values| average(values.iter().sum(), values.len() as i128)),
        revenue_per_user: amounts(events, |values| average(values.iter().sum(), users(events).into())),
        conversion: (!sessions.is_empty()).then(|| (converted as f64 / sessions.len() as f64 * 1e6).round() / 1e6),
    }
}

fn series(query: &StatsQuery, range: TimeRange, events: &[&Event], first_seen: &[Timestamp]) -> Vec<SeriesBucket> {
    type Label = (DateTime, Offset);
    let label = |time: Timestamp| label(time.millis(), query.interval, query.week_start, &query.tz);
    let mut by_label: HashMap<Label, Vec<&Event>> = HashMap::new();
    for event in events {
        by_label.entry(label(event.occurred_at)).or_default().push(event);
    }
    let new_users: Vec<Label> =
        first_seen.iter().filter(|seen| range.contains(**seen)).map(|seen| label(*seen)).collect();
    let mut visits: HashMap<Label, Vec<Vec<&Event>>> = HashMap::new();
    for session in sessions(events) {
        visits.entry(label(session[0].occurred_at)).or_default().push(session);
    }
    let bucket = |start| {
        let start = Timestamp::from_millis(start);
        let events = by_label.get(&label(start)).map_or(&[][..], Vec::as_slice);
        let mut by_type = BTreeMap::new();
        for event in events {
            *by_type.entry(event.event_type.as_str().to_owned()).or_default() += 1;
        }
        let new_users = new_users.iter().filter(|seen| **seen == label(start)).count() as u64;
        let visits = visits.get(&label(start)).map_or(&[][..], Vec::as_slice);
        SeriesBucket { start: LocalTime::new(start, &query.tz), totals: totals_of(events, new_users, visits), by_type }
    };
    bucket_starts(range, query).into_iter().map(bucket).collect()
}

struct Ranked {
    name: String,
    events: u64,
    orders: u64,
    users: u64,
}

/// Groups events by name, most events first, then by name.
fn ranked<'a>(events: &[&'a Event], name: impl Fn(&'a Event) -> Option<&'a str>) -> Vec<Ranked> {
    let mut by_name: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        if let Some(name) = name(event) {
            by_name.entry(name).or_default().push(event);
        }
    }
    let row = |(name, events): (&str, Vec<&Event>)| {
        let (events, orders, users) = (events.len() as u64, orders(&events), users(&events));
        Ranked { name: name.to_owned(), events, orders, users }
    };
    let mut rows: Vec<_> = by_name.into_iter().map(row).collect();
    // The sort is stable, so equal counts stay ordered by name.
    rows.sort_by_key(|row| std::cmp::Reverse(row.events));
    rows
}
