//! A conformance suite for every [`Store`], including third-party stores.
//!
//! To test a [`Store`], implement [`Subject`], which opens it, and call [`run`]. A store with its own event type also
//! implements [`Numbered`], which creates an event from a number:
//!
//! ```
//! use martech_core::{MemoryStore, testing::conformance::{self, Numbered, Subject}};
//!
//! #[derive(Clone, Debug)]
//! struct Click { number: u64, path: String }
//!
//! struct Clicks;
//!
//! impl Subject for Clicks {
//!     type Event = Click;
//!     type Store = MemoryStore<Click>;
//!     const PERSISTENT: bool = false;
//!
//!     async fn open(&self) -> MemoryStore<Click> {
//!         MemoryStore::keyed(|click: &Click| click.number)
//!     }
//!
//!     async fn reopen(&self, store: MemoryStore<Click>) -> MemoryStore<Click> {
//!         store
//!     }
//! }
//!
//! impl Numbered for Clicks {
//!     fn event(&self, number: u64) -> Click {
//!         Click { number, path: format!("/{number}") }
//!     }
//!
//!     async fn contents(&self, store: &MemoryStore<Click>) -> Option<Vec<u64>> {
//!         Some(store.events().iter().map(|click| click.number).collect())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = conformance::run(&Clicks).await;
//! println!("{report}"); // one line for each check
//! report.assert_passed();
//! # }
//! ```
//!
//! A store of [`Event`]s that answers queries ([`Reader`]) does not need [`Numbered`]. [`run_events`] also checks event
//! identity, journeys, users and statistics:
//!
//! ```
//! # use martech_core::{Event, MemoryStore, testing::conformance::{self, Subject}};
//! struct InMemory;
//!
//! impl Subject for InMemory {
//!     type Event = Event;
//!     type Store = MemoryStore<Event>;
//!     const PERSISTENT: bool = false;
//!
//!     async fn open(&self) -> MemoryStore<Event> {
//!         MemoryStore::of_events()
//!     }
//!
//!     async fn reopen(&self, store: MemoryStore<Event>) -> MemoryStore<Event> {
//!         store
//!     }
//! }
//!
//! # async fn example() {
//! conformance::run_events(&InMemory).await.assert_passed();
//! # }
//! ```
//!
//! # Checks
//! | module | checks |
//! |---|---|
//! | [`append`] | the result for each event: stored, duplicates inside and across batches, rejected events; reopening; a sink in front of the store |
//! | [`retries`] | appends that are cancelled, results that are lost, batches that are sent again |
//! | [`concurrency`] | many writers of the same events, and queries during writes |
//! | [`identity`] | which [`Event`]s are the same, and what happens to others with the same id |
//! | [`journeys`] | contents, order and pages of journeys |
//! | [`users`] | order and pages of the list of users |
//! | [`retention`] | removal of old days |
//! | [`stats`] | every statistic, against a simple model, in several time zones |
//!
//! Each check is a function that can be called separately, and panics with the actual and the expected result. [`run`]
//! and [`run_events`] call all checks and continue after a failure. Events are random with fixed seeds, so every run
//! uses the same ones.
//!
//! # Requirements
//! - A Tokio runtime whose clock is not paused. With several worker threads, writers run in parallel.
//! - A healthy store. Errors that ask for a retry are retried for a while and then count as a failure.
//! - Every check opens a store of its own, which must be empty.

use std::future::Future;

use crate::{
    event::{Event, Timestamp},
    query::Reader,
    store::Store,
};

pub mod append;
pub mod concurrency;
mod events;
pub mod identity;
pub mod journeys;
pub(crate) mod model;
mod report;
pub mod retention;
pub mod retries;
pub mod stats;
mod trial;
pub mod users;

pub use report::{Report, Verdict};

/// A store under test: how it is opened, and what can happen to it.
pub trait Subject: Sync {
    /// The event type of the store.
    type Event: Clone + Send + Sync + 'static;
    /// A handle whose clones refer to the same store. Wrap a store that is not `Clone` in an [`Arc`](std::sync::Arc).
    type Store: Store<Self::Event> + Clone;

    /// Whether events survive closing and reopening. If not, the checks of that are not applicable.
    const PERSISTENT: bool;

    /// Whether the store deduplicates. If not, the checks of duplicates are not applicable.
    const KNOWS_DUPLICATES: bool = true;

    /// The identity of an [`Event`] in this store. Ignored for other event types.
    const IDENTITY: Identity = Identity::IdAndDay;

    /// Opens an empty store.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Closes a store, of which this is the only handle, and opens it again from what it left behind. A store that is
    /// not [persistent](Self::PERSISTENT) returns the handle unchanged.
    fn reopen(&self, store: Self::Store) -> impl Future<Output = Self::Store> + Send;

    /// Returns an event that the store rejects, a different one for each number. `None` if the store accepts every
    /// event.
    fn poison(&self, _number: u64) -> Option<Self::Event> {
        None
    }

    /// Removes the events of all UTC days that ended by `before`. Returns how many were removed, or `None` if the store
    /// does not support it.
    fn remove_before(&self, _store: &Self::Store, _before: Timestamp) -> impl Future<Output = Option<u64>> + Send {
        async { None }
    }

    /// Does something to the store that may happen at any time, such as a flush, a compaction or a failover. The
    /// default does nothing. Called between appends and during them. Use `random` for all random choices.
    fn disturb(&self, _store: &Self::Store, _random: u64) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Scope in which an [`Event`] id is unique in a store. If the store holds an event with the id of a new one in that
/// scope, [`Signature`](crate::event::Signature) decides: the new event is either a resend of the stored one, or a different
/// event, which the store rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// By [key](crate::event::EventKey): id and UTC day. The same id on another day is another event.
    IdAndDay,
    /// By id alone, on any day.
    Id,
}

/// A [`Subject`] whose events can be created from numbers and read back as numbers.
pub trait Numbered: Subject {
    /// Creates the event with this number. Equal numbers give equal events, different numbers different ones.
    fn event(&self, number: u64) -> Self::Event;

    /// Returns the numbers of all events in the store, in any order, with repeats if an event is stored more than once.
    /// `None` if the store cannot be read. In that case only the results of appends are checked.
    fn contents(&self, store: &Self::Store) -> impl Future<Output = Option<Vec<u64>>> + Send;
}

/// A [`Subject`] whose store holds [`Event`]s and answers queries. Implemented for every such subject.
pub trait EventSubject: Subject<Event = Event, Store: Reader> {}

impl<S: Subject<Event = Event, Store: Reader>> EventSubject for S {}

/// Reads the contents of the store by queries.
impl<S: EventSubject> Numbered for S {
    fn event(&self, number: u64) -> Event {
        events::numbered(number)
    }

    async fn contents(&self, store: &Self::Store) -> Option<Vec<u64>> {
        Some(trial::all_events(store).await.iter().map(events::number).collect())
    }
}

/// Runs checks in sequence and records their results.
macro_rules! check {
    ($report:ident, $subject:ident: $($module:ident::$check:ident),* $(,)?) => {
        $($report.note(concat!(stringify!($module), "::", stringify!($check)), Box::pin($module::$check($subject))).await;)*
    };
}

/// Runs the checks that apply to every store.
pub async fn run<S: Numbered>(subject: &S) -> Report {
    let mut report = Report::default();
    check!(report, subject:
        append::nothing,
        append::batches_of_many_sizes,
        append::duplicates_inside_a_batch,
        append::duplicates_across_batches,
        append::opening_again,
        append::refused_events,
        append::through_a_sink,
        retries::a_batch_sent_again,
        retries::a_batch_sent_twice_at_once,
        retries::an_append_dropped_half_way,
        retries::an_append_dropped_before_closing,
        retries::answers_that_get_lost,
        concurrency::writers_of_different_events,
        concurrency::writers_of_the_same_events,
    );
    report
}

/// Runs the checks that apply to every store, and those for queries of [`Event`]s.
pub async fn run_events<S: EventSubject>(subject: &S) -> Report {
    let mut report = run(subject).await;
    check!(report, subject:
        concurrency::questions_meanwhile,
        identity::one_id_on_two_days,
        identity::estimated_times,
        identity::another_event_with_a_known_id,
        identity::one_id_at_once,
        journeys::whole_journeys,
        journeys::spans_and_types,
        journeys::pages,
        journeys::pages_while_events_arrive,
        journeys::stored_events_are_seen_at_once,
        users::whole_lists,
        users::pages,
        users::pages_while_events_arrive,
        stats::figures,
        stats::compared_periods,
        stats::an_empty_store,
        stats::impossible_questions,
        retention::days_that_are_over,
    );
    report
}
