//! Which events are the same: see [`EventKey`](crate::event::EventKey) and [`Identity`].

use super::{
    EventSubject, Identity, Verdict, events,
    trial::{Trial, all_events, assert_same},
};
use crate::{
    event::{Event, EventType, Timestamp},
    store::Appended,
};

const MIDNIGHT: i64 = events::DAY * 20_000;

/// What becomes of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Stored,
    Duplicate,
    Rejected,
}

use Outcome::{Duplicate, Rejected, Stored};

#[track_caller]
fn assert_outcomes(appended: &Appended, expected: &[Outcome], what: &str) {
    let mut found = vec![Stored; expected.len()];
    appended.duplicates.iter().for_each(|index| found[*index] = Duplicate);
    appended.rejected.iter().for_each(|rejection| found[rejection.index] = Rejected);
    assert_same(&found, expected, what);
}

/// An id on two UTC days is two events, and on one day it is one, whatever else differs; or it is one event always, and
/// what differs is no part of it.
pub async fn one_id_on_two_days<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    let at = |millis| Event { occurred_at: Timestamp::from_millis(millis), ..events::numbered(1) };
    let first = at(MIDNIGHT - 1);
    let batch = [
        (first.clone(), Stored, Stored),
        (at(MIDNIGHT), Stored, Rejected),
        (at(MIDNIGHT + events::DAY - 1), Duplicate, Rejected),
        (Event { user_id: "someone else".to_owned(), ..at(MIDNIGHT + 1) }, Duplicate, Rejected),
        (Event { event_type: EventType::PURCHASE, ..first.clone() }, Duplicate, Rejected),
        (Event { user_id: "someone else".to_owned(), ..first.clone() }, Duplicate, Rejected),
        (Event { properties: Some(r#"{"page":"/other"}"#.to_owned()), ..first.clone() }, Duplicate, Rejected),
        (Event { properties: None, ..first.clone() }, Duplicate, Rejected),
        (Event { session_id: Some("s".to_owned()), ..first.clone() }, Duplicate, Rejected),
        (Event { anonymous_id: Some("a".to_owned()), ..first.clone() }, Duplicate, Rejected),
        (Event { received_at: Timestamp::from_millis(MIDNIGHT), ..first.clone() }, Duplicate, Duplicate),
        (at(MIDNIGHT + events::DAY), Stored, Rejected),
        (at(MIDNIGHT - events::DAY), Duplicate, Rejected),
        (first, Duplicate, Duplicate),
    ];
    let expected: Vec<Outcome> = batch
        .iter()
        .map(|(_, by_day, by_id)| if S::IDENTITY == Identity::IdAndDay { *by_day } else { *by_id })
        .collect();
    let batch = batch.map(|(event, ..)| event);
    for together in [true, false] {
        let mut trial = Trial::open(subject, 60).await;
        if together {
            assert_outcomes(&trial.append(&batch).await, &expected, "one id on three days, in one batch");
        } else {
            for (place, event) in batch.iter().enumerate() {
                let appended = trial.append(std::slice::from_ref(event)).await;
                assert_outcomes(&appended, &expected[place..=place], &format!("event {place} of {batch:#?}"));
                trial.disturb().await;
            }
        }
        let found: Vec<_> = all_events(trial.store()).await.into_iter().map(events::shown).collect();
        let stored = batch.iter().zip(&expected).filter(|(_, outcome)| **outcome == Stored);
        let stored: Vec<_> = stored.map(|(event, _)| events::shown(event.clone())).collect();
        assert_same(&found, &stored, "the events that came first");
    }
    Verdict::Passed
}

/// Where the time was made or corrected on arrival, an event sent again may come out on a day beside, and is known.
pub async fn estimated_times<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    let by_day = |by_day, by_id| if S::IDENTITY == Identity::IdAndDay { by_day } else { by_id };
    let mut trial = Trial::open(subject, 61).await;
    let at = |number, millis, estimated_time| Event {
        occurred_at: Timestamp::from_millis(millis),
        estimated_time,
        ..events::numbered(number)
    };
    // The time of what is there, whether the times of what comes are estimated, and what comes of it.
    let new = by_day(Stored, Rejected);
    let cases = [(true, true, Duplicate), (false, true, Duplicate), (true, false, new), (false, false, new)];
    for (number, (there, again, expected)) in (0..).zip(cases) {
        for (number, later) in [(number * 2, MIDNIGHT + 5), (number * 2 + 1, MIDNIGHT - events::DAY - 5)] {
            let earlier = if later > MIDNIGHT { MIDNIGHT - 5 } else { MIDNIGHT - events::DAY + 5 };
            let appended = trial.append(&[at(number, earlier, there)]).await;
            assert_outcomes(&appended, &[Stored], "a new event");
            trial.disturb().await;
            let what = format!("an event on a day beside, estimated {again}, where one lies that is estimated {there}");
            assert_outcomes(&trial.append(&[at(number, later, again)]).await, &[expected], &what);
            trial.disturb().await;
        }
    }
    let appended = trial.append(&[at(0, MIDNIGHT + 2 * events::DAY, true)]).await;
    assert_outcomes(&appended, &[by_day(Stored, Duplicate)], "an estimated time two days off");
    let batch =
        [at(90, MIDNIGHT - 1, true), at(90, MIDNIGHT, true), at(91, MIDNIGHT, true), at(91, MIDNIGHT - 1, false)];
    let expected = [Stored, Duplicate, Stored, new];
    assert_outcomes(&trial.append(&batch).await, &expected, "estimated times in one batch");
    Verdict::Passed
}
