//! Mutation tests of the suite. Each fault here is caught by the check that is meant for it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use martech_core::{
    Appended, Event, MemoryStore, Rejection, Store, StoreError,
    event::{EventId, EventKey, Timestamp},
    query::{
        Compare, JourneyPage, JourneyQuery, LocalTime, Order, QueryError, Reader, Stats, StatsQuery, UsersPage,
        UsersQuery,
    },
    testing::conformance::{
        self, Identity, Subject, Verdict, append, concurrency, identity, journeys, retention, retries, stats, users,
    },
};

/// Faults of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    // During appends.
    RefusesBatchesAsAWhole,
    ForgetsAnEvent,
    StoresAnEventTwice,
    CountsDuplicatesFromOne,
    DoublesAcrossBatches,
    RejectsTheWholeBatch,
    NotesBeforeItStores,
    LooksUpBeforeItsTurn,
    AnswersBeforeItStores,
    IgnoresTheDay,
    IgnoresEstimates,
    TakesOthersForTheSame,
    TakesOthersForTheSameWhenClosed,
    StoresOthersBeside,
    ComparesTheUserAlone,
    ComparesEstimates,
    ComparesProperties,
    SaysNothingOfTheId,
    ForgetsWhenClosed,
    // During queries.
    OrdersById,
    DropsLaterPages,
    RepeatsAnEvent,
    PagesByTimeAlone,
    IncludesTheEnd,
    ReversesTies,
    CountsThePage,
    KnowsOneZone,
    CountsAMillisecondMore,
    TakesUsersForNew,
    ComparesWithThePeriodBefore,
    AnswersAnything,
    // During retention.
    ForgetsPartOfADay,
    ForgetsNothing,
}

#[derive(Clone)]
struct Faulty {
    fault: Fault,
    known: Arc<Mutex<HashMap<EventKey, Event>>>,
    /// Stores everything, without deduplication.
    events: MemoryStore<Event>,
}

/// Result of a lookup by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Another,
    Same,
}

/// User id of events that the store rejects.
const POISON: &str = "poison";
/// User id of all events after reopening a store that loses user ids.
const REOPENED: &str = "reopened";

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { fault, known: Arc::default(), events: MemoryStore::new() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn key(&self, event: &Event) -> EventKey {
        EventKey { day: if self.is(Fault::IgnoresTheDay) { 0 } else { event.key().day }, ..event.key() }
    }

    /// Whether the event is stored, or a different event under its key.
    fn look_up(&self, event: &Event) -> Option<Found> {
        let estimated = event.estimated_time && !self.is(Fault::IgnoresEstimates);
        let known = self.known.lock().unwrap();
        let found = self.key(event).candidates(estimated).filter_map(|key| {
            let stored = known.get(&key)?;
            let is_same = match self.fault {
                Fault::TakesOthersForTheSame => true,
                Fault::TakesOthersForTheSameWhenClosed if stored.user_id == REOPENED => true,
                Fault::ComparesTheUserAlone => event.user_id == stored.user_id,
                Fault::ComparesEstimates => event.signature().is_resend(&stored.signature(), false),
                Fault::ComparesProperties if event.properties != stored.properties => false,
                _ => event.signature().is_resend(&stored.signature(), estimated),
            };
            let is_in_the_way = key == self.key(event) && !self.is(Fault::StoresOthersBeside);
            if is_same { Some(Found::Same) } else { is_in_the_way.then_some(Found::Another) }
        });
        found.max()
    }

    fn refuses(&self, batch: &[Event]) -> Result<Vec<usize>, StoreError> {
        let refused: Vec<usize> = (0..batch.len()).filter(|index| batch[*index].user_id == POISON).collect();
        match self.fault {
            Fault::RefusesBatchesAsAWhole if !refused.is_empty() => Err(StoreError::refused("there is poison in it")),
            Fault::RejectsTheWholeBatch if !refused.is_empty() => Ok((0..batch.len()).collect()),
            _ => Ok(refused),
        }
    }
}

impl Store<Event> for Faulty {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let refused = self.refuses(batch)?;
        let found_before: Vec<_> = batch.iter().map(|event| self.look_up(event)).collect();
        if self.is(Fault::LooksUpBeforeItsTurn) {
            tokio::task::yield_now().await;
        }
        let (mut appended, mut new) = (Appended::default(), Vec::new());
        for (index, event) in batch.iter().enumerate() {
            let found = match self.fault {
                Fault::LooksUpBeforeItsTurn => found_before[index],
                Fault::DoublesAcrossBatches => self.look_up(event).filter(|_| found_before[index].is_none()),
                _ => self.look_up(event),
            };
            match found {
                _ if refused.contains(&index) => appended.rejected.push(Rejection::unfit(index, "it is poison")),
                Some(Found::Same) => appended.duplicates.push(index),
                Some(Found::Another) if self.is(Fault::SaysNothingOfTheId) => {
                    let rejection = Rejection::id_conflict(index, event.id);
                    appended.rejected.push(Rejection { reason: "no".to_owned(), ..rejection });
                }
                Some(Found::Another) => appended.rejected.push(Rejection::id_conflict(index, event.id)),
                None => {
                    self.known.lock().unwrap().insert(self.key(event), event.clone());
                    new.push(event.clone());
                }
            }
        }
        appended.stored = new.len();
        match self.fault {
            Fault::ForgetsAnEvent if new.len() > 1000 => drop(new.pop()),
            Fault::StoresAnEventTwice if new.len() > 1000 => new.push(new[0].clone()),
            Fault::CountsDuplicatesFromOne => appended.duplicates.iter_mut().for_each(|index| *index += 1),
            Fault::NotesBeforeItStores => tokio::task::yield_now().await,
            Fault::AnswersBeforeItStores => {
                let events = self.events.clone();
                tokio::spawn(async move { events.append(&new).await });
                return Ok(appended);
            }
            _ => {}
        }
        self.events.append(&new).await?;
        Ok(appended)
    }
}

impl Reader for Faulty {
    type Error = QueryError;

    async fn journey(&self, mut query: JourneyQuery) -> Result<JourneyPage, QueryError> {
        let is_later_page = query.cursor.is_some();
        if let (Fault::PagesByTimeAlone, Order::Ascending, Some(cursor)) = (self.fault, query.order, query.cursor) {
            query.from = Some(Timestamp::from_millis(cursor.occurred_at.millis() + 1));
            query.cursor = None;
        }
        if self.is(Fault::IncludesTheEnd) {
            query.to = query.to.map(|to| Timestamp::from_millis(to.millis() + 1));
        }
        let mut page = self.events.journey(query).await?;
        match self.fault {
            Fault::OrdersById => page.events.sort_by_key(|event| event.id),
            Fault::DropsLaterPages if is_later_page => page.next = None,
            Fault::RepeatsAnEvent if is_later_page => page.events[0] = page.events[page.events.len() - 1].clone(),
            _ => {}
        }
        Ok(page)
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, QueryError> {
        let is_later_page = query.cursor.is_some();
        let reversed = self.is(Fault::ReversesTies) && query.order == Order::Descending && query.cursor.is_none();
        let order = if reversed { Order::Ascending } else { query.order };
        let mut page = self.events.users(query.order(order)).await?;
        if reversed {
            page.users.reverse();
        }
        match self.fault {
            Fault::DropsLaterPages if is_later_page => page.next = None,
            Fault::CountsThePage => page.total = page.users.len() as u64,
            _ => {}
        }
        Ok(page)
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, QueryError> {
        let mut asked = query.clone();
        match self.fault {
            Fault::KnowsOneZone => asked.tz = jiff::tz::TimeZone::UTC,
            Fault::CountsAMillisecondMore => asked.range.to = Timestamp::from_millis(asked.range.to.millis() + 1),
            Fault::ComparesWithThePeriodBefore => asked.compare = Compare::PreviousPeriod,
            Fault::AnswersAnything if asked.range.from >= asked.range.to => {
                asked.range.to = Timestamp::from_millis(asked.range.from.millis() + 1);
            }
            _ => {}
        }
        let mut stats = self.events.stats(asked).await?;
        stats.to = LocalTime::new(query.range.to, &query.tz);
        if self.is(Fault::TakesUsersForNew) {
            stats.totals.new_users = stats.totals.users;
        }
        Ok(stats)
    }
}

impl Subject for Fault {
    type Event = Event;
    type Store = Faulty;
    const PERSISTENT: bool = true;

    async fn open(&self) -> Faulty {
        Faulty::new(*self)
    }

    async fn reopen(&self, store: Faulty) -> Faulty {
        match self {
            Self::ForgetsWhenClosed => Faulty::new(*self),
            Self::TakesOthersForTheSameWhenClosed => {
                store.known.lock().unwrap().values_mut().for_each(|event| event.user_id = REOPENED.to_owned());
                store
            }
            _ => store,
        }
    }

    async fn remove_before(&self, store: &Faulty, before: Timestamp) -> Option<u64> {
        if *self == Self::ForgetsNothing {
            return Some(0);
        }
        let whole = store.events.remove_before(before);
        if *self != Self::ForgetsPartOfADay {
            return Some(whole);
        }
        let left = store.events.events().into_iter().filter(|event| event.occurred_at >= before).collect::<Vec<_>>();
        let part = store.events.len() - left.len();
        store.events.remove_before(Timestamp::from_millis(4_102_444_800_000));
        store.events.append(&left).await.unwrap();
        Some(whole + part as u64)
    }

    fn poison(&self, number: u64) -> Option<Event> {
        let builder = Event::builder(POISON, martech_core::EventType::SEARCH);
        let id = EventId::from_text(&format!("poison-{number}")).unwrap();
        Some(builder.id(id).build(&martech_core::EventRules::default()).unwrap())
    }
}

impl Fault {
    /// Asserts that the check panics with these words in its message.
    fn is_caught_by(self, check: impl AsyncFn(&Self) -> Verdict, words: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(check(&self))));
        let panic = ended.expect_err(&format!("{self:?} is caught"));
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| panic.downcast_ref().cloned()).unwrap();
        assert!(message.contains(words), "{self:?} is caught because of {words:?}, not: {message}");
    }
}

#[tokio::test]
async fn store_without_faults_passes() {
    for sound in [Fault::None, Fault::RefusesBatchesAsAWhole] {
        let report = conformance::run_events(&sound).await;
        report.assert_passed();
        assert_eq!(report.not_applicable().count(), 0, "{report}");
    }
}

#[test]
fn append_faults_are_caught() {
    let (contents, duplicates) = ("the numbers of the events in the store", "the indices of duplicates");
    Fault::ForgetsAnEvent.is_caught_by(append::batches_of_many_sizes, contents);
    Fault::StoresAnEventTwice.is_caught_by(append::batches_of_many_sizes, contents);
    Fault::CountsDuplicatesFromOne.is_caught_by(append::duplicates_inside_a_batch, duplicates);
    Fault::DoublesAcrossBatches.is_caught_by(append::duplicates_across_batches, duplicates);
    Fault::DoublesAcrossBatches.is_caught_by(retries::a_batch_sent_again, duplicates);
    Fault::DoublesAcrossBatches.is_caught_by(retries::answers_that_get_lost, contents);
    Fault::DoublesAcrossBatches.is_caught_by(concurrency::writers_of_the_same_events, "stored events");
    Fault::ForgetsWhenClosed.is_caught_by(append::opening_again, contents);
    Fault::RejectsTheWholeBatch.is_caught_by(append::refused_events, "the indices of refused events");
    Fault::RejectsTheWholeBatch.is_caught_by(append::through_a_sink, "the outcome in the receipt of event");
    Fault::NotesBeforeItStores.is_caught_by(retries::an_append_dropped_half_way, contents);
    Fault::NotesBeforeItStores.is_caught_by(retries::an_append_dropped_before_closing, contents);
    Fault::LooksUpBeforeItsTurn.is_caught_by(retries::a_batch_sent_twice_at_once, "two concurrent appends");
    Fault::LooksUpBeforeItsTurn.is_caught_by(concurrency::writers_of_the_same_events, "stored events");
    Fault::IgnoresTheDay.is_caught_by(identity::one_id_on_two_days, "one id on three days");
    Fault::IgnoresEstimates.is_caught_by(identity::estimated_times, "an event on a neighboring day");
    let known = "events with known ids";
    Fault::TakesOthersForTheSame.is_caught_by(identity::one_id_on_two_days, "one id on three days");
    Fault::TakesOthersForTheSame.is_caught_by(identity::another_event_with_a_known_id, known);
    Fault::TakesOthersForTheSame.is_caught_by(identity::one_id_at_once, "is not a duplicate");
    Fault::TakesOthersForTheSameWhenClosed.is_caught_by(identity::another_event_with_a_known_id, "later");
    Fault::StoresOthersBeside.is_caught_by(identity::another_event_with_a_known_id, known);
    Fault::StoresOthersBeside.is_caught_by(identity::one_id_at_once, "stored by two appends");
    Fault::ComparesTheUserAlone.is_caught_by(identity::another_event_with_a_known_id, known);
    Fault::ComparesEstimates.is_caught_by(identity::another_event_with_a_known_id, known);
    Fault::ComparesProperties.is_caught_by(identity::another_event_with_a_known_id, known);
    Fault::SaysNothingOfTheId.is_caught_by(identity::another_event_with_a_known_id, "contains the id");
    Fault::LooksUpBeforeItsTurn.is_caught_by(identity::one_id_at_once, "stored by two appends");
}

#[test]
fn query_and_retention_faults_are_caught() {
    Fault::OrdersById.is_caught_by(journeys::whole_journeys, "JourneyQuery");
    Fault::IncludesTheEnd.is_caught_by(journeys::spans_and_types, "JourneyQuery");
    Fault::DropsLaterPages.is_caught_by(journeys::pages, "nothing more");
    Fault::DropsLaterPages.is_caught_by(users::pages, "nothing more");
    Fault::RepeatsAnEvent.is_caught_by(journeys::pages_while_events_arrive, "without repeats");
    Fault::PagesByTimeAlone.is_caught_by(journeys::pages, "JourneyQuery");
    Fault::AnswersBeforeItStores.is_caught_by(journeys::stored_events_are_seen_at_once, "after an append");
    Fault::DropsLaterPages.is_caught_by(concurrency::questions_meanwhile, "while others write");
    Fault::ReversesTies.is_caught_by(users::whole_lists, "UsersQuery");
    Fault::CountsThePage.is_caught_by(users::pages, "the total");
    Fault::KnowsOneZone.is_caught_by(stats::figures, "tz");
    Fault::CountsAMillisecondMore.is_caught_by(stats::figures, "previous from and to");
    Fault::TakesUsersForNew.is_caught_by(stats::figures, "totals");
    Fault::ComparesWithThePeriodBefore.is_caught_by(stats::compared_periods, "previous from and to");
    Fault::AnswersAnything.is_caught_by(stats::impossible_questions, "has no answer");
    Fault::ForgetsPartOfADay.is_caught_by(retention::days_that_are_over, "events removed");
    Fault::ForgetsNothing.is_caught_by(retention::days_that_are_over, "events removed");
}

/// A store that identifies events by id alone. With `hides`, it reports conflicts as duplicates.
#[derive(Clone)]
struct OneOfEachId {
    hides: bool,
    known: Arc<Mutex<HashMap<EventId, Event>>>,
    events: MemoryStore<Event>,
}

impl Store<Event> for OneOfEachId {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let (mut appended, mut new) = (Appended::default(), Vec::new());
        for (index, event) in batch.iter().enumerate() {
            let mut known = self.known.lock().unwrap();
            let Some(stored) = known.get(&event.id) else {
                known.insert(event.id, event.clone());
                new.push(event.clone());
                continue;
            };
            if self.hides || event.signature().is_resend(&stored.signature(), event.estimated_time) {
                appended.duplicates.push(index);
            } else {
                appended.rejected.push(Rejection::id_conflict(index, event.id));
            }
        }
        appended.stored = new.len();
        self.events.append(&new).await?;
        Ok(appended)
    }
}

impl Reader for OneOfEachId {
    type Error = QueryError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, QueryError> {
        self.events.journey(query).await
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, QueryError> {
        self.events.users(query).await
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, QueryError> {
        self.events.stats(query).await
    }
}

/// A subject that identifies events by id alone.
struct ById {
    hides: bool,
}

impl Subject for ById {
    type Event = Event;
    type Store = OneOfEachId;
    const PERSISTENT: bool = false;
    const IDENTITY: Identity = Identity::Id;

    async fn open(&self) -> OneOfEachId {
        OneOfEachId { hides: self.hides, known: Arc::default(), events: MemoryStore::new() }
    }

    async fn reopen(&self, store: OneOfEachId) -> OneOfEachId {
        store
    }
}

#[tokio::test]
async fn store_with_identity_by_id_passes() {
    conformance::run_events(&ById { hides: false }).await.assert_passed();
}

#[tokio::test]
async fn store_that_hides_id_conflicts_is_caught() {
    let report = conformance::run_events(&ById { hides: true }).await;
    let failed: Vec<&str> = report.failed().map(|(name, _)| name).collect();
    let identity = ["one_id_on_two_days", "estimated_times", "another_event_with_a_known_id", "one_id_at_once"];
    assert_eq!(failed, identity.map(|check| format!("identity::{check}")));
}
