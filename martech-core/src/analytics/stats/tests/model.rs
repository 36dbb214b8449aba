//! The same figures, slowly and obviously: every figure is a question to all clicks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    analytics::{Calendar, Row, StatsPlan, Symbol, Symbols, calendar::tests::label, row::session_key},
    event::{Currency, MoneySum, Timestamp},
    query::{
        CurrencyAmount, LocalTime, PageRow, PreviousTotals, ProductRow, SearchRow, SeriesBucket, Stats, StatsQuery,
        TimeRange, TopLists, Totals, TypeRow,
    },
};

/// Something that a user did.
#[derive(Debug, Clone, Default)]
pub(super) struct Click {
    pub(super) user: u8,
    pub(super) millis: i64,
    pub(super) event_type: &'static str,
    pub(super) session: Option<&'static str>,
    pub(super) value: Option<(&'static str, i64)>,
    pub(super) page: Option<&'static str>,
    pub(super) product: Option<&'static str>,
    pub(super) search: Option<&'static str>,
}

impl Click {
    pub(super) fn to_row(&self, symbols: &mut Symbols) -> Row {
        Row {
            occurred_at: self.millis,
            session: self.session.map_or(0, session_key),
            order_value: self.value.map_or(0, |(_, micros)| micros),
            event_type: symbols.types.intern(self.event_type),
            currency: self.value.map_or(Symbol::NONE, |(code, _)| symbols.currencies.intern(code.parse().unwrap())),
            page: self.page.map_or(Symbol::NONE, |page| symbols.pages.intern(page)),
            product: self.product.map_or(Symbol::NONE, |product| symbols.products.intern(product)),
            search: self.search.map_or(Symbol::NONE, |search| symbols.searches.intern(search)),
        }
    }

    fn is_order(&self) -> bool {
        self.event_type == "purchase"
    }
}

/// When each user was first seen.
pub(super) fn first_seen(clicks: &[Click]) -> Vec<i64> {
    let mut first: BTreeMap<u8, i64> = BTreeMap::new();
    for click in clicks {
        let seen = first.entry(click.user).or_insert(click.millis);
        *seen = click.millis.min(*seen);
    }
    first.into_values().collect()
}

pub(super) fn answer(query: &StatsQuery, clicks: &[Click], first_seen: &[i64]) -> Stats {
    let previous = StatsPlan::new(query).unwrap().previous();
    let local = |time: Timestamp| LocalTime::new(time, &query.tz);
    let current: Vec<&Click> = within(clicks, query.range);
    Stats {
        from: local(query.range.from),
        to: local(query.range.to),
        tz: query.tz.iana_name().unwrap().to_owned(),
        interval: query.interval,
        totals: totals(clicks, first_seen, query.range),
        previous: PreviousTotals {
            from: local(previous.from),
            to: local(previous.to),
            totals: totals(clicks, first_seen, previous),
        },
        by_type: ranked(&current, |click| Some(click.event_type))
            .into_iter()
            .map(|row| TypeRow { event_type: row.name, events: row.events, users: row.users })
            .collect(),
        series: series(query, &current, first_seen),
        top: TopLists {
            pages: ranked(&current, |click| click.page.filter(|_| click.event_type == "page_view"))
                .into_iter()
                .take(10)
                .map(|row| PageRow { page: row.name, views: row.events, users: row.users })
                .collect(),
            products: ranked(&current, |click| click.product)
                .into_iter()
                .take(10)
                .map(|row| ProductRow { product: row.name, events: row.events, orders: row.orders, users: row.users })
                .collect(),
            searches: ranked(&current, |click| click.search.filter(|_| click.event_type == "search"))
                .into_iter()
                .take(10)
                .map(|row| SearchRow { term: row.name, searches: row.events, users: row.users })
                .collect(),
            incomplete: false,
        },
    }
}

fn within(clicks: &[Click], range: TimeRange) -> Vec<&Click> {
    clicks.iter().filter(|click| range.contains(Timestamp::from_millis(click.millis))).collect()
}

fn users(clicks: &[&Click]) -> u64 {
    clicks.iter().map(|click| click.user).collect::<HashSet<_>>().len() as u64
}

fn orders(clicks: &[&Click]) -> u64 {
    clicks.iter().filter(|click| click.is_order()).count() as u64
}

/// The values of the orders, by currency.
fn values(clicks: &[&Click]) -> BTreeMap<Currency, Vec<i64>> {
    let mut values: BTreeMap<Currency, Vec<i64>> = BTreeMap::new();
    for click in clicks.iter().filter(|click| click.is_order()) {
        if let Some((currency, micros)) = click.value {
            values.entry(currency.parse().unwrap()).or_default().push(micros);
        }
    }
    values
}

fn revenue(clicks: &[&Click]) -> Vec<CurrencyAmount> {
    let sum = |values: Vec<i64>| MoneySum(values.into_iter().map(i128::from).sum());
    values(clicks).into_iter().map(|(currency, values)| CurrencyAmount { currency, amount: sum(values) }).collect()
}

/// The clicks of each session, in time order.
fn sessions<'a>(clicks: &[&'a Click]) -> Vec<Vec<&'a Click>> {
    let mut clicks = clicks.to_vec();
    clicks.sort_by_key(|click| click.millis);
    let mut with_id: HashMap<(u8, &str), Vec<&Click>> = HashMap::new();
    let mut without: HashMap<u8, Vec<Vec<&Click>>> = HashMap::new();
    for click in clicks {
        let Some(session) = click.session else {
            let runs = without.entry(click.user).or_default();
            match runs.last_mut() {
                Some(run) if click.millis - run[run.len() - 1].millis <= 30 * 60 * 1000 => run.push(click),
                _ => runs.push(vec![click]),
            }
            continue;
        };
        with_id.entry((click.user, session)).or_default().push(click);
    }
    with_id.into_values().chain(without.into_values().flatten()).collect()
}

fn totals(clicks: &[Click], first_seen: &[i64], range: TimeRange) -> Totals {
    let clicks = within(clicks, range);
    let sessions = sessions(&clicks);
    let converted = sessions.iter().filter(|session| session.iter().any(|click| click.is_order())).count();
    let average = |values: &[i64]| {
        // Sums of a few millions fit in a double, whose rounding is half to even.
        let sum: i64 = values.iter().sum();
        MoneySum((sum as f64 / values.len() as f64).round_ties_even() as i128)
    };
    Totals {
        events: clicks.len() as u64,
        users: users(&clicks),
        new_users: first_seen.iter().filter(|seen| range.contains(Timestamp::from_millis(**seen))).count() as u64,
        sessions: sessions.len() as u64,
        orders: orders(&clicks),
        revenue: revenue(&clicks),
        average_order_value: values(&clicks)
            .iter()
            .map(|(currency, values)| CurrencyAmount { currency: *currency, amount: average(values) })
            .collect(),
        conversion: (!sessions.is_empty()).then(|| (converted as f64 / sessions.len() as f64 * 1e6).round() / 1e6),
    }
}

fn series(query: &StatsQuery, clicks: &[&Click], first_seen: &[i64]) -> Vec<SeriesBucket> {
    let calendar = Calendar::new(query.range, query.interval, &query.tz).unwrap();
    let sessions = sessions(clicks);
    let bucket = |start: &i64| {
        let is_in = |millis: i64| {
            query.range.contains(Timestamp::from_millis(millis))
                && label(millis, query.interval, &query.tz) == label(*start, query.interval, &query.tz)
        };
        let clicks: Vec<&Click> = clicks.iter().copied().filter(|click| is_in(click.millis)).collect();
        let mut by_type = BTreeMap::new();
        for click in &clicks {
            *by_type.entry(click.event_type.to_owned()).or_default() += 1;
        }
        SeriesBucket {
            start: LocalTime::new(Timestamp::from_millis(*start), &query.tz),
            events: clicks.len() as u64,
            users: users(&clicks),
            new_users: first_seen.iter().filter(|seen| is_in(**seen)).count() as u64,
            sessions: sessions.iter().filter(|session| is_in(session[0].millis)).count() as u64,
            orders: orders(&clicks),
            revenue: revenue(&clicks),
            by_type,
        }
    };
    calendar.starts().iter().map(bucket).collect()
}

struct Ranked {
    name: String,
    events: u64,
    orders: u64,
    users: u64,
}

fn ranked(clicks: &[&Click], name: impl Fn(&Click) -> Option<&'static str>) -> Vec<Ranked> {
    let names: BTreeSet<_> = clicks.iter().filter_map(|click| name(click)).collect();
    let mut rows: Vec<_> = names
        .into_iter()
        .map(|wanted| {
            let clicks: Vec<&Click> = clicks.iter().copied().filter(|click| name(click) == Some(wanted)).collect();
            let (events, orders, users) = (clicks.len() as u64, orders(&clicks), users(&clicks));
            Ranked { name: wanted.to_owned(), events, orders, users }
        })
        .collect();
    // Stable: names stay in their order.
    rows.sort_by_key(|row| std::cmp::Reverse(row.events));
    rows
}
