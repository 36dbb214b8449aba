//! Checks of event identity. See [`EventKey`](crate::event::EventKey), [`Signature`](crate::event::Signature) and [`Identity`].

use super::{
    EventSubject, Identity, Verdict, events,
    trial::{Trial, all_events, assert_same},
};
use crate::{
    event::{Event, EventType, Timestamp},
    store::{Appended, RejectionCode},
};

const MIDNIGHT: i64 = events::DAY * 20_000;

/// Outcome of one event.
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

/// Checks that every rejection is an id conflict whose reason names the id.
#[track_caller]
fn assert_conflicts(appended: &Appended, batch: &[Event]) {
    for rejection in &appended.rejected {
        let id = batch[rejection.index].id.to_string();
        assert_eq!(rejection.code, RejectionCode::ID_CONFLICT, "the code of a conflict: {rejection:?}");
        assert!(rejection.reason.contains(&id), "the reason of a conflict contains the id: {rejection:?}");
    }
}

/// Checks one id on several UTC days: a separate event on each day, or one event overall, depending on [`Identity`].
/// Within a day, the first event wins.
pub async fn one_id_on_two_days<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    let at = |millis| Event { occurred_at: Timestamp::from_millis(millis), ..events::numbered(1) };
    let first = at(MIDNIGHT - 1);
    let batch = [
        (first.clone(), Stored, Stored),
        (at(MIDNIGHT), Stored, Rejected),
        (at(MIDNIGHT + events::DAY - 1), Rejected, Rejected),
        (Event { user_id: "someone else".to_owned(), ..at(MIDNIGHT + 1) }, Rejected, Rejected),
        (Event { event_type: EventType::PURCHASE, ..first.clone() }, Rejected, Rejected),
        (Event { user_id: "someone else".to_owned(), ..first.clone() }, Rejected, Rejected),
        (Event { properties: Some(r#"{"page":"/other"}"#.to_owned()), ..first.clone() }, Duplicate, Duplicate),
        (Event { properties: None, ..first.clone() }, Duplicate, Duplicate),
        (Event { session_id: Some("s".to_owned()), ..first.clone() }, Duplicate, Duplicate),
        (Event { anonymous_id: Some("a".to_owned()), ..first.clone() }, Duplicate, Duplicate),
        (Event { received_at: Timestamp::from_millis(MIDNIGHT), ..first.clone() }, Duplicate, Duplicate),
        (at(MIDNIGHT + events::DAY), Stored, Rejected),
        (at(MIDNIGHT - events::DAY), Rejected, Rejected),
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
            let appended = trial.append(&batch).await;
            assert_outcomes(&appended, &expected, "one id on three days, in one batch");
            assert_conflicts(&appended, &batch);
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

/// Checks that an event whose time was estimated on arrival is recognized when it is resent with a time on an adjacent
/// day.
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
    // Whether the stored event's time is estimated, whether the resent one's is, and the expected outcome.
    let new = by_day(Stored, Rejected);
    let cases = [(true, true, Duplicate), (false, true, Duplicate), (true, false, new), (false, false, new)];
    for (number, (there, again, expected)) in (0..).zip(cases) {
        for (number, later) in [(number * 2, MIDNIGHT + 5), (number * 2 + 1, MIDNIGHT - events::DAY - 5)] {
            let earlier = if later > MIDNIGHT { MIDNIGHT - 5 } else { MIDNIGHT - events::DAY + 5 };
            let appended = trial.append(&[at(number, earlier, there)]).await;
            assert_outcomes(&appended, &[Stored], "a new event");
            trial.disturb().await;
            let what = format!("an event on a neighboring day, estimated {again}, next to one estimated {there}");
            assert_outcomes(&trial.append(&[at(number, later, again)]).await, &[expected], &what);
            trial.disturb().await;
        }
    }
    let appended = trial.append(&[at(0, MIDNIGHT + 2 * events::DAY, true)]).await;
    assert_outcomes(&appended, &[by_day(Stored, Duplicate)], "an estimated time two days away");
    let batch =
        [at(90, MIDNIGHT - 1, true), at(90, MIDNIGHT, true), at(91, MIDNIGHT, true), at(91, MIDNIGHT - 1, false)];
    let expected = [Stored, Duplicate, Stored, new];
    assert_outcomes(&trial.append(&batch).await, &expected, "estimated times in one batch");
    Verdict::Passed
}

/// Checks that an event with the id of another event is rejected, wherever and whenever that one was stored, and that a
/// genuine retry is a duplicate.
pub async fn another_event_with_a_known_id<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 62).await;
    let later = |event: &Event| Timestamp::from_millis(event.occurred_at.millis() + 1);
    let of_another_user = |event: &Event| Event { user_id: "someone else".to_owned(), ..event.clone() };
    let mut stored = Vec::new();
    for round in 0..8 {
        let [first, second, third] = [0, 1, 2].map(|number| events::numbered(round * 3 + number));
        assert_outcomes(&trial.append(std::slice::from_ref(&first)).await, &[Stored], "a new event");
        let batch = [
            (of_another_user(&first), Rejected),
            (Event { properties: None, received_at: later(&first), ..first.clone() }, Duplicate),
            (Event { event_type: EventType::PURCHASE, ..first.clone() }, Rejected),
            (Event { occurred_at: later(&first), ..first.clone() }, Rejected),
            (Event { occurred_at: later(&first), estimated_time: true, ..first.clone() }, Duplicate),
            (Event { estimated_time: true, ..of_another_user(&first) }, Rejected),
            (first.clone(), Duplicate),
            // The first event of a batch owns the id.
            (second.clone(), Stored),
            (of_another_user(&second), Rejected),
            (second.clone(), Duplicate),
            (Event { estimated_time: true, ..third.clone() }, Stored),
            (Event { occurred_at: later(&third), estimated_time: true, ..third.clone() }, Duplicate),
            (Event { occurred_at: later(&third), ..third.clone() }, Rejected),
        ];
        let expected = batch.each_ref().map(|(_, outcome)| *outcome);
        let batch = batch.map(|(event, _)| event);
        let again: Vec<Outcome> =
            expected.iter().map(|outcome| if *outcome == Stored { Duplicate } else { *outcome }).collect();
        let appended = trial.append(&batch).await;
        assert_outcomes(&appended, &expected, &format!("events with known ids, of {batch:#?}"));
        assert_conflicts(&appended, &batch);
        for _ in 0..2 {
            trial.disturb().await;
            let what = format!("events with known ids, later, of {batch:#?}");
            assert_outcomes(&trial.append(&batch).await, &again, &what);
        }
        stored.extend([first, second, third].map(events::shown));
    }
    stored.sort_by(|left, right| (&left.user_id, left.occurred_at).cmp(&(&right.user_id, right.occurred_at)));
    let found: Vec<_> = all_events(trial.store()).await.into_iter().map(events::shown).collect();
    assert_same(&found, &stored, "the events that came first");
    Verdict::Passed
}

/// Checks that of two different events with one id, appended concurrently, one is stored and the other is rejected.
pub async fn one_id_at_once<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 63).await;
    for round in 0..10 {
        let batch: Vec<Event> = (round * 50..(round + 1) * 50).map(events::numbered).collect();
        let of_others: Vec<Event> =
            batch.iter().map(|event| Event { user_id: format!("not-{}", event.user_id), ..event.clone() }).collect();
        let (left, right) = tokio::join!(trial.append(&batch), trial.append(&of_others));
        for appended in [&left, &right] {
            assert_same(&appended.duplicates, &[], "an event with the id of another event is not a duplicate");
            assert_conflicts(appended, &batch);
        }
        assert_eq!(
            left.stored + right.stored,
            batch.len(),
            "the number of events stored by two appends of the same ids"
        );
        trial.disturb().await;
    }
    assert_eq!(all_events(trial.store()).await.len(), 500, "the number of events in the store");
    Verdict::Passed
}
