//! Checks of retention, for stores that support it.

use super::{EventSubject, Verdict, events, journeys::with_shop, model::Model, trial::assert_same};
use crate::{
    event::{Event, Timestamp},
    query::{Interval, JourneyQuery, Order, Reader, StatsQuery, TimeRange, UserSort, UsersQuery},
};

async fn assert_answers<R: Reader>(store: &R, model: &Model, what: &str) {
    let users = UsersQuery { sort: UserSort::UserId, order: Order::Ascending, limit: 1000, ..UsersQuery::default() };
    let found = store.users(users.clone()).await.expect("users succeeds").users;
    assert_same(&found, &model.users(&users), &format!("{what}: users"));
    for user_id in events::user_ids().into_iter().step_by(6) {
        let query = JourneyQuery { limit: 10_000, ..JourneyQuery::new(&user_id) };
        let found = store.journey(query.clone()).await.expect("journey succeeds").events;
        let shown = |events: Vec<Event>| events.into_iter().map(events::shown).collect::<Vec<_>>();
        assert_same(&shown(found), &shown(model.journey(&query)), &format!("{what}: the journey of {user_id}"));
    }
    let (from, to) = (events::millis("2025-01-01T00:00:00Z"), events::millis("2027-12-31T00:00:00Z"));
    let range = TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) };
    let query = StatsQuery::new(range).interval(Interval::Month);
    let found = store.stats(query.clone()).await.expect("stats succeeds");
    assert_same(&[found.totals], &[model.stats(&query).totals], &format!("{what}: totals"));
}

/// Checks that whole expired days are removed, that queries answer as if their events had never existed, that other
/// events stay, and that new events can be stored afterwards.
pub async fn days_that_are_over<S: EventSubject>(subject: &S) -> Verdict {
    let (mut trial, mut model) = with_shop(subject, 140).await;
    let mut times: Vec<i64> = model.events.iter().map(|event| event.occurred_at.millis()).collect();
    times.sort_unstable();
    let moments =
        [times[0], times[times.len() / 3], times[times.len() / 2] + 1, times[times.len() - 1] + 2 * events::DAY];
    for (round, moment) in moments.into_iter().enumerate() {
        let moment = Timestamp::from_millis(moment);
        let is_old = |event: &Event| event.occurred_at.day() < moment.day();
        let old = model.events.iter().filter(|event| is_old(event)).count() as u64;
        let Some(removed) = subject.remove_before(trial.store(), moment).await else {
            return Verdict::NotApplicable("the store has no retention");
        };
        assert_eq!(removed, old, "events removed in round {round}");
        model.events.retain(|event| !is_old(event));
        assert_answers(trial.store(), &model, &format!("round {round}")).await;
        trial.disturb().await;
        // Repeating the call removes nothing.
        assert_eq!(subject.remove_before(trial.store(), moment).await, Some(0), "round {round}, again");
    }
    assert!(model.events.is_empty(), "no events are left at the end");
    let fresh: Vec<Event> = (0..50).map(events::numbered).collect();
    super::trial::assert_appended(&trial.append(&fresh).await, fresh.len(), &[], "events appended afterwards");
    trial.disturb().await;
    assert_answers(trial.store(), &Model { events: fresh }, "afterwards").await;
    Verdict::Passed
}
