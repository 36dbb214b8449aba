//! Which events are the same: see [`EventKey`](crate::event::EventKey).

use super::{
    EventSubject, Verdict, events,
    trial::{Trial, all_events, assert_appended, assert_same},
};
use crate::event::{Event, EventType, Timestamp};

const MIDNIGHT: i64 = events::DAY * 20_000;

/// An id on two UTC days is two events; on one day it is one, whatever else differs.
pub async fn one_id_on_two_days<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    for together in [true, false] {
        let mut trial = Trial::open(subject, 60).await;
        let at = |millis| Event { occurred_at: Timestamp::from_millis(millis), ..events::numbered(1) };
        let batch = [
            at(MIDNIGHT - 1),
            at(MIDNIGHT),
            at(MIDNIGHT + events::DAY - 1),
            Event { user_id: "someone else".to_owned(), ..at(MIDNIGHT + 1) },
            Event { event_type: EventType::PURCHASE, ..at(MIDNIGHT) },
            at(MIDNIGHT + events::DAY),
            at(MIDNIGHT - events::DAY),
            at(MIDNIGHT),
        ];
        let duplicates = [2, 3, 4, 6, 7];
        if together {
            assert_appended(&trial.append(&batch).await, batch.len(), &duplicates, "one id on three days");
        } else {
            for (place, event) in batch.iter().enumerate() {
                let expected: &[usize] = if duplicates.contains(&place) { &[0] } else { &[] };
                let appended = trial.append(std::slice::from_ref(event)).await;
                assert_appended(&appended, 1, expected, &format!("event {place} of {batch:#?}"));
                trial.disturb().await;
            }
        }
        let found: Vec<_> = all_events(trial.store()).await.into_iter().map(events::shown).collect();
        let expected = [0, 1, 5].map(|place| events::shown(batch[place].clone()));
        assert_same(&found, &expected, "the events that came first");
    }
    Verdict::Passed
}

/// Where the time was made or corrected on arrival, an event sent again may come out on a day beside, and is known.
pub async fn estimated_times<S: EventSubject>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return super::append::NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 61).await;
    let at = |number, millis, estimated_time| Event {
        occurred_at: Timestamp::from_millis(millis),
        estimated_time,
        ..events::numbered(number)
    };
    // The time of what is there, whether the times of what comes are estimated, and what comes of it.
    let cases = [(true, true, true), (false, true, true), (true, false, false), (false, false, false)];
    for (number, (there, again, known)) in (0..).zip(cases) {
        for (number, later) in [(number * 2, MIDNIGHT + 5), (number * 2 + 1, MIDNIGHT - events::DAY - 5)] {
            let earlier = if later > MIDNIGHT { MIDNIGHT - 5 } else { MIDNIGHT - events::DAY + 5 };
            let appended = trial.append(&[at(number, earlier, there)]).await;
            assert_appended(&appended, 1, &[], "a new event");
            trial.disturb().await;
            let what = format!("an event on a day beside, estimated {again}, where one lies that is estimated {there}");
            let expected: &[usize] = if known { &[0] } else { &[] };
            assert_appended(&trial.append(&[at(number, later, again)]).await, 1, expected, &what);
            trial.disturb().await;
        }
    }
    let appended = trial.append(&[at(0, MIDNIGHT + 2 * events::DAY, true)]).await;
    assert_appended(&appended, 1, &[], "an estimated time two days off is another event");
    let batch =
        [at(90, MIDNIGHT - 1, true), at(90, MIDNIGHT, true), at(91, MIDNIGHT, true), at(91, MIDNIGHT - 1, false)];
    assert_appended(&trial.append(&batch).await, 4, &[1], "estimated times in one batch");
    Verdict::Passed
}
