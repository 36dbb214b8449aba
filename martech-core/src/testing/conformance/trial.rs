//! A store under test, and helpers for checks.

use std::{fmt::Debug, time::Duration};

use super::{Numbered, Subject};
use crate::{
    event::Event,
    query::{JourneyCursor, JourneyQuery, Order, Reader, UserSort, UsersCursor, UsersQuery},
    store::{Advice, Appended, Rejection, Store, StoreError},
};

/// The store of one check.
pub(super) struct Trial<'a, S: Subject> {
    subject: &'a S,
    /// `None` only while the store is reopened.
    store: Option<S::Store>,
    pub(super) random: fastrand::Rng,
}

impl<'a, S: Subject> Trial<'a, S> {
    pub(super) async fn open(subject: &'a S, seed: u64) -> Self {
        Self { subject, store: Some(subject.open().await), random: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn store(&self) -> &S::Store {
        self.store.as_ref().expect("the store is absent only during a reopen")
    }

    pub(super) async fn append(&self, batch: &[S::Event]) -> Appended {
        append(self.store(), batch).await
    }

    /// Disturbs or reopens the store, as may happen between two appends.
    pub(super) async fn disturb(&mut self) {
        if S::PERSISTENT && self.random.u8(..4) == 0 {
            self.reopen().await;
        } else {
            let random = self.random.u64(..);
            self.subject.disturb(self.store(), random).await;
        }
    }

    /// Disturbs the store in a way that may happen while it is in use.
    pub(super) async fn disturb_in_use(&mut self) {
        let random = self.random.u64(..);
        self.subject.disturb(self.store(), random).await;
    }

    pub(super) async fn reopen(&mut self) {
        if let Some(store) = self.store.take() {
            self.store = Some(self.subject.reopen(store).await);
        }
    }
}

impl<S: Numbered> Trial<'_, S> {
    pub(super) fn events(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<S::Event> {
        numbers.into_iter().map(|number| self.subject.event(number)).collect()
    }

    /// Asserts that the store holds exactly these events, each once.
    pub(super) async fn assert_holds(&self, numbers: impl IntoIterator<Item = u64>) {
        let Some(mut found) = self.subject.contents(self.store()).await else { return };
        let mut expected: Vec<u64> = numbers.into_iter().collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_same(&found, &expected, "the numbers of the events in the store");
    }
}

/// Maximum attempts of one append.
const ATTEMPTS: usize = 100;

/// Appends as a sink does: retries when the store asks for it, and splits a batch that the store refuses as a whole.
pub(super) async fn append<E: Sync, S: Store<E>>(store: &S, batch: &[E]) -> Appended {
    for _ in 0..ATTEMPTS {
        let error = match store.append(batch).await {
            Ok(appended) => {
                assert_fits(&appended, batch.len());
                return appended;
            }
            Err(error) => error,
        };
        match error.advice() {
            Advice::Retry => tokio::time::sleep(Duration::from_millis(20)).await,
            Advice::RetryAfter(delay) => tokio::time::sleep(delay).await,
            Advice::Refused => return append_halves(store, batch, &error).await,
            Advice::Fatal => panic!("an append failed permanently: {error}"),
        }
    }
    panic!("an append was retried {ATTEMPTS} times, as the store asked, and never succeeded");
}

async fn append_halves<E: Sync, S: Store<E>>(store: &S, batch: &[E], error: &StoreError) -> Appended {
    if batch.len() == 1 {
        return Appended { rejected: vec![Rejection::unfit(0, error.to_string())], ..Appended::default() };
    }
    let (left, right) = batch.split_at(batch.len() / 2);
    let mut whole = Box::pin(append(store, left)).await;
    let more = Box::pin(append(store, right)).await;
    whole.stored += more.stored;
    whole.duplicates.extend(more.duplicates.iter().map(|index| left.len() + index));
    let rejected = more.rejected.into_iter();
    whole.rejected.extend(rejected.map(|rejection| Rejection { index: left.len() + rejection.index, ..rejection }));
    whole
}

/// Asserts that a result covers every event of its batch exactly once.
fn assert_fits(appended: &Appended, len: usize) {
    assert_eq!(appended.total(), len, "stored, duplicates and rejected add up to the batch: {appended:?}");
    let rejected: Vec<usize> = appended.rejected.iter().map(|rejection| rejection.index).collect();
    for indices in [&appended.duplicates, &rejected] {
        assert!(indices.is_sorted_by(|left, right| left < right), "indices ascend: {appended:?}");
        assert!(indices.iter().all(|index| *index < len), "indices are those of a batch of {len}: {appended:?}");
    }
    assert!(
        rejected.iter().all(|index| !appended.duplicates.contains(index)),
        "an event is either a duplicate or rejected: {appended:?}"
    );
    assert!(
        appended.rejected.iter().all(|rejection| !rejection.reason.is_empty()),
        "a rejection has a reason: {appended:?}"
    );
}

/// Asserts that these indices are duplicates and all other events are stored.
#[track_caller]
pub(super) fn assert_appended(appended: &Appended, len: usize, duplicates: &[usize], what: &str) {
    assert_same(&appended.duplicates, duplicates, &format!("{what}: the indices of duplicates"));
    assert!(appended.rejected.is_empty(), "{what}: nothing is rejected: {:?}", appended.rejected);
    assert_eq!(appended.stored, len - duplicates.len(), "{what}: the number of stored events");
}

/// Asserts that two lists are equal. The message shows the first difference.
#[track_caller]
pub(super) fn assert_same<T: PartialEq + Debug>(found: &[T], expected: &[T], what: &str) {
    let Some(at) = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at)) else { return };
    let show = |value: Option<&T>| value.map_or_else(|| "nothing more".to_owned(), |value| format!("{value:#?}"));
    panic!(
        "{what}: {} found and {} expected; at position {at}\nfound {}\nexpected {}",
        found.len(),
        expected.len(),
        show(found.get(at)),
        show(expected.get(at)),
    );
}

/// Reads all pages of a journey from the query's cursor on. Cursors are encoded and decoded, as on the wire.
pub(super) async fn walk_journey<R: Reader>(store: &R, mut query: JourneyQuery) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let page = store.journey(query.clone()).await.expect("journey succeeds");
        let (count, limit) = (page.events.len(), query.limit);
        assert!(count <= limit, "a page of at most {limit} events has {count}");
        events.extend(page.events);
        let Some(next) = page.next else { return events };
        assert_eq!(count, limit, "a page is full when there is another");
        query.cursor = Some(through_text(next, query.order));
    }
}

pub(super) fn through_text(cursor: JourneyCursor, order: Order) -> JourneyCursor {
    JourneyCursor::decode(&cursor.encode(order), order).expect("a cursor can be decoded from its text")
}

/// Encodes and decodes a cursor of users.
pub(super) fn users_through_text(cursor: &UsersCursor, query: &UsersQuery) -> UsersCursor {
    let UsersQuery { sort, order, currency, .. } = *query;
    let text = cursor.encode(sort, order, currency);
    UsersCursor::decode(&text, sort, order, currency).expect("a cursor can be decoded from its text")
}

/// Reads all events, user by user.
pub(super) async fn all_events<R: Reader>(store: &R) -> Vec<Event> {
    let mut users =
        UsersQuery { sort: UserSort::UserId, order: Order::Ascending, limit: 1000, ..UsersQuery::default() };
    let mut events = Vec::new();
    loop {
        let page = store.users(users.clone()).await.expect("users succeeds");
        for user in page.users {
            events.extend(walk_journey(store, JourneyQuery { limit: 1000, ..JourneyQuery::new(user.user_id) }).await);
        }
        let Some(next) = page.next else { return events };
        users.cursor = Some(users_through_text(&next, &users));
    }
}
