//! Conversion from counters by symbol to the answer by name.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;

use super::{
    Bucket, Period, StatsAccumulator,
    counters::{BySymbol, Revenue, Tally},
    plan::Planned,
};
use crate::{
    analytics::symbols::Interner,
    event::{Currency, MoneySum, Timestamp},
    query::{
        ComparedBucket, ComparedPeriod, CurrencyAmount, LocalTime, PageRow, ProductRow, SearchRow, SeriesBucket, Stats,
        TopLists, Totals, TypeRow,
    },
};

/// The number of pages, of products and of search terms in the top lists.
pub const TOP_ROWS: usize = 10;

pub(super) fn of(counted: &StatsAccumulator) -> Stats {
    let query = &counted.plan.query;
    let local = |time: Timestamp| LocalTime::new(time, &query.tz);
    let symbols = &counted.symbols;
    let compared = |planned: &Planned| ComparedPeriod {
        from: local(planned.range.from),
        to: local(planned.range.to),
        totals: totals(&counted.compared, &symbols.currencies),
        series: buckets(&counted.compared, planned, &symbols.currencies, &query.tz),
    };
    let types = ranked(&symbols.types, &counted.types, usize::MAX);
    Stats {
        from: local(query.range.from),
        to: local(query.range.to),
        tz: match query.tz.iana_name() {
            Some(name) => name.to_owned(),
            None => query.tz.to_offset(query.range.from.into()).to_string(),
        },
        interval: query.interval,
        totals: totals(&counted.current, &symbols.currencies),
        previous: counted.plan.compared.as_ref().map(compared),
        by_type: types
            .map(|(event_type, tally)| TypeRow { event_type, events: tally.events, users: tally.users })
            .collect(),
        series: series(counted),
        top: top(counted),
    }
}

fn totals(period: &Period, currencies: &Interner<Currency>) -> Totals {
    let revenue = currencies.iter().map(|(symbol, currency)| (*currency, period.revenue.get(symbol)));
    totals_of(&period.whole, revenue.filter(|(_, revenue)| revenue.orders > 0).collect())
}

fn totals_of(counted: &Bucket, mut revenue: Vec<(Currency, Revenue)>) -> Totals {
    revenue.sort_unstable_by_key(|(currency, _)| *currency);
    let amounts = |of: &dyn Fn(Revenue) -> i128| {
        revenue.iter().map(|(currency, revenue)| amount(*currency, of(*revenue))).collect::<Vec<_>>()
    };
    let users = counted.tally.users;
    Totals {
        events: counted.tally.events,
        users,
        new_users: counted.new_users,
        sessions: counted.sessions,
        orders: counted.tally.orders,
        revenue: amounts(&|revenue| revenue.micros),
        average_order_value: amounts(&|revenue| revenue.per(revenue.orders)),
        revenue_per_user: amounts(&|revenue| revenue.per(users)),
        conversion: (counted.sessions > 0).then(|| share(counted.converted, counted.sessions)),
    }
}

fn amount(currency: Currency, micros: i128) -> CurrencyAmount {
    CurrencyAmount { currency, amount: MoneySum(micros) }
}

/// Returns the ratio, rounded to six decimals.
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 1e6).round() / 1e6
}

fn series(counted: &StatsAccumulator) -> Vec<SeriesBucket> {
    let (plan, symbols) = (&counted.plan, &counted.symbols);
    let buckets = buckets(&counted.current, &plan.current, &symbols.currencies, &plan.query.tz);
    let with_types = |ComparedBucket { start, totals }| SeriesBucket { start, totals, by_type: BTreeMap::new() };
    let mut series: Vec<_> = buckets.into_iter().map(with_types).collect();
    counted.events_by_type.for_each(|symbol, bucket, events| {
        if let Some(name) = symbols.types.get(symbol) {
            series[bucket].by_type.insert(name.as_ref().to_owned(), events);
        }
    });
    series
}

/// Returns the buckets of a period, without the types of events.
fn buckets(period: &Period, planned: &Planned, currencies: &Interner<Currency>, tz: &TimeZone) -> Vec<ComparedBucket> {
    let mut revenue: Vec<Vec<(Currency, Revenue)>> = vec![Vec::new(); period.buckets.len()];
    period.revenue_by_bucket.for_each(|symbol, bucket, sum| {
        if let Some(currency) = currencies.get(symbol) {
            revenue[bucket].push((*currency, sum));
        }
    });
    let counted = period.buckets.iter().zip(revenue);
    let buckets = planned.calendar.starts().iter().zip(counted).map(|(start, (bucket, revenue))| ComparedBucket {
        start: LocalTime::new(Timestamp::from_millis(*start), tz),
        totals: totals_of(bucket, revenue),
    });
    buckets.collect()
}

fn top(counted: &StatsAccumulator) -> TopLists {
    let symbols = &counted.symbols;
    TopLists {
        pages: ranked(&symbols.pages, &counted.pages, TOP_ROWS)
            .map(|(page, tally)| PageRow { page, views: tally.events, users: tally.users })
            .collect(),
        products: ranked(&symbols.products, &counted.products, TOP_ROWS)
            .map(|(product, tally)| ProductRow {
                product,
                events: tally.events,
                orders: tally.orders,
                users: tally.users,
            })
            .collect(),
        searches: ranked(&symbols.searches, &counted.searches, TOP_ROWS)
            .map(|(term, tally)| SearchRow { term, searches: tally.events, users: tally.users })
            .collect(),
        incomplete: [&symbols.pages, &symbols.products, &symbols.searches].into_iter().any(Interner::overflowed),
    }
}

/// Returns the names with the most events, most first, ties by name. Names without events are left out.
fn ranked(
    names: &Interner<Arc<str>>,
    tallies: &BySymbol<Tally>,
    most: usize,
) -> impl Iterator<Item = (String, Tally)> + use<> {
    let tallied = names.iter().map(|(symbol, name)| (name, tallies.get(symbol)));
    let mut rows: Vec<(&Arc<str>, Tally)> = tallied.filter(|(_, tally)| tally.events > 0).collect();
    let by_rank =
        |a: &(&Arc<str>, Tally), b: &(&Arc<str>, Tally)| b.1.events.cmp(&a.1.events).then_with(|| a.0.cmp(b.0));
    if rows.len() > most {
        rows.select_nth_unstable_by(most, by_rank);
        rows.truncate(most);
    }
    rows.sort_unstable_by(by_rank);
    rows.into_iter().map(|(name, tally)| (name.as_ref().to_owned(), tally)).collect::<Vec<_>>().into_iter()
}
