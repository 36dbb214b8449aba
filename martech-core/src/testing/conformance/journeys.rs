//! Checks of journeys: contents, order and pages.

use super::{
    EventSubject, Verdict, events,
    model::Model,
    trial::{Trial, assert_appended, assert_same, through_text, walk_journey},
};
use crate::{
    event::{Event, EventId, EventType, Timestamp},
    query::{JourneyQuery, Order, Reader, StatsQuery, TimeRange, UsersQuery},
};

/// Opens a store, appends a shop's events with disturbances, and returns it with the model of its contents.
pub(super) async fn with_shop<S: EventSubject>(subject: &S, seed: u64) -> (Trial<'_, S>, Model) {
    let mut trial = Trial::open(subject, seed).await;
    let events = events::shop(seed, 1500, S::IDENTITY);
    for batch in events.chunks(170) {
        assert_appended(&trial.append(batch).await, batch.len(), &[], "a batch of a shop's events");
        trial.disturb().await;
    }
    (trial, Model { events })
}

const ORDERS: [Order; 2] = [Order::Ascending, Order::Descending];

fn shown(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().map(events::shown).collect()
}

async fn assert_journey<R: Reader>(store: &R, model: &Model, query: JourneyQuery) {
    let what = format!("{query:?}");
    let expected = shown(model.journey(&query));
    assert_same(&shown(walk_journey(store, query).await), &expected, &what);
}

/// Checks that a journey holds its user's events as they were sent, ordered by time and then by id.
pub async fn whole_journeys<S: EventSubject>(subject: &S) -> Verdict {
    let (trial, model) = with_shop(subject, 80).await;
    let strangers = ["nobody", "shopper-", "x", "", "0123456789abcd", "a\u{302}"].map(str::to_owned);
    for user_id in events::user_ids().into_iter().chain(strangers) {
        for order in ORDERS {
            let query = JourneyQuery { order, limit: 10_000, ..JourneyQuery::new(&user_id) };
            assert_journey(trial.store(), &model, query).await;
        }
    }
    Verdict::Passed
}

/// Checks that a span is half-open, and that a type filter matches any of its types.
pub async fn spans_and_types<S: EventSubject>(subject: &S) -> Verdict {
    let (mut trial, model) = with_shop(subject, 81).await;
    let mut edges = events::turning_points();
    edges.extend(model.events.iter().take(40).map(|event| event.occurred_at.millis()));
    let custom = EventType::parse(events::CUSTOM).expect("the name of a type");
    let choices = [vec![], vec![EventType::PURCHASE], vec![custom, EventType::SEARCH], vec![EventType::VIDEO_PAUSE]];
    let users = events::user_ids();
    for round in 0..400 {
        let random = &mut trial.random;
        let mut edge = || {
            let edge = edges[random.usize(..edges.len())] + random.i64(-1..=1);
            (random.u8(..4) > 0).then_some(Timestamp::from_millis(edge))
        };
        let (from, to) = (edge(), edge());
        let user_id = &users[random.usize(..users.len()).min(random.usize(..users.len()))];
        let query = JourneyQuery {
            from,
            to,
            types: choices[random.usize(..choices.len())].clone(),
            order: ORDERS[round % 2],
            limit: [1000, 3][round / 2 % 2],
            ..JourneyQuery::new(user_id)
        };
        assert_journey(trial.store(), &model, query).await;
    }
    Verdict::Passed
}

/// Checks that pages of every size follow each other without gaps or repeats, and that the last page has no cursor.
pub async fn pages<S: EventSubject>(subject: &S) -> Verdict {
    let (trial, model) = with_shop(subject, 82).await;
    for user_id in events::user_ids().into_iter().take(6) {
        let count = model.journey(&JourneyQuery::new(&user_id)).len();
        for limit in [1, 2, 7, count.div_ceil(2), count - 1, count, count + 1] {
            for order in ORDERS {
                let query = JourneyQuery { order, limit: limit.max(1), ..JourneyQuery::new(&user_id) };
                assert_journey(trial.store(), &model, query).await;
            }
        }
    }
    Verdict::Passed
}

/// Checks that events present during the whole walk appear exactly once, although other events arrive between pages.
pub async fn pages_while_events_arrive<S: EventSubject>(subject: &S) -> Verdict {
    let (mut trial, model) = with_shop(subject, 83).await;
    let user_id = events::user_ids()[0].clone();
    let mut arrived = 0;
    for order in ORDERS {
        let mut query = JourneyQuery { order, limit: 7, ..JourneyQuery::new(&user_id) };
        let expected = shown(model.journey(&query));
        let mut found = Vec::new();
        loop {
            let page = trial.store().journey(query.clone()).await.expect("journey succeeds");
            found.extend(page.events);
            let Some(next) = page.next else { break };
            query.cursor = Some(through_text(next, order));
            // Just before, at and just after the start of the next page.
            for later in [-1, 0, 1] {
                arrived += 1;
                let occurred_at = Timestamp::from_millis(next.occurred_at.millis() + later);
                let event = Event { occurred_at, user_id: user_id.clone(), ..events::numbered(arrived) };
                assert_appended(&trial.append(&[event]).await, 1, &[], "an event between two pages");
            }
            if arrived % 9 == 0 {
                trial.disturb().await;
            }
        }
        let in_order = |pair: &[Event]| {
            let place = |event: &Event| (event.occurred_at, event.id);
            if order == Order::Ascending {
                place(&pair[0]) < place(&pair[1])
            } else {
                place(&pair[0]) > place(&pair[1])
            }
        };
        assert!(found.windows(2).all(in_order), "pages are in order, without repeats");
        found.retain(|event| model.events.iter().any(|known| known.key() == event.key()));
        assert_same(&shown(found), &expected, "events that existed throughout");
    }
    Verdict::Passed
}

/// Checks that every query sees the events of an append as soon as it returns.
pub async fn stored_events_are_seen_at_once<S: EventSubject>(subject: &S) -> Verdict {
    let mut trial = Trial::open(subject, 84).await;
    let range = TimeRange { from: Timestamp::from_millis(0), to: Timestamp::from_millis(events::DAY * 30_000) };
    let stats = StatsQuery::new(range).interval(crate::query::Interval::Month);
    let mut ids: Vec<EventId> = Vec::new();
    for number in 0..30 {
        let event = Event { user_id: "u".to_owned(), ..events::numbered(number) };
        ids.push(event.id);
        assert_appended(&trial.append(&[event]).await, 1, &[], "a new event");
        let store = trial.store();
        let journey = store.journey(JourneyQuery::new("u")).await.expect("journey succeeds");
        let found: Vec<EventId> = journey.events.iter().map(|event| event.id).collect();
        assert_same(&found, &ids, "the journey after an append");
        let users = store.users(UsersQuery::default()).await.expect("users succeeds").users;
        assert_eq!(users.first().map(|user| user.events), Some(number + 1), "the user's events after an append");
        let figures = store.stats(stats.clone()).await.expect("stats succeeds");
        assert_eq!(figures.totals.events, number + 1, "all events after an append");
        if number % 5 == 4 {
            trial.disturb().await;
        }
    }
    Verdict::Passed
}
