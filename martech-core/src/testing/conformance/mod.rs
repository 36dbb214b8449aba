//! One set of checks for every store, also for those that others write.
//!
//! Whoever writes a [`Store`] says in a [`Subject`] how one is opened, and calls [`run`]. For a store of its own event
//! type, [`Numbered`] says how an event is made out of a number:
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
//! A store of [`Event`]s that answers questions ([`Reader`]) needs no [`Numbered`]. [`run_events`] also checks which
//! events it takes to be the same, journeys, users and figures:
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
//! # What is checked
//! | module | |
//! |---|---|
//! | [`append`] | what is answered for each event: stored, duplicates inside and across batches, refused ones; opening again; a sink in front |
//! | [`retries`] | appends that are dropped half-way, answers that get lost, batches that are sent again |
//! | [`concurrency`] | many writers of the same events, and questions meanwhile |
//! | [`identity`] | which [`Event`]s are the same, and what becomes of others with the same id |
//! | [`journeys`] | what a journey holds, its order, its pages |
//! | [`users`] | the list of users, its orders, its pages |
//! | [`retention`] | days that are forgotten |
//! | [`stats`] | every figure, against a plain model, in several time zones |
//!
//! Each check is a function that can be called alone; it panics with what it found and what it expected. [`run`] and
//! [`run_events`] call them all, and go on where one fails. Events are random but the same in every run.
//!
//! # What is needed
//! - A tokio runtime whose clock runs. With more than one thread, writers really write at once.
//! - A store in good health: an error that asks for a retry is retried a while, then it is a failure.
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

/// A store that is to be checked: how it is opened, and what can be done to it.
pub trait Subject: Sync {
    /// What it stores.
    type Event: Clone + Send + Sync + 'static;
    /// A handle of it, whose clones are the same store. A store that cannot be cloned goes into an
    /// [`Arc`](std::sync::Arc).
    type Store: Store<Self::Event> + Clone;

    /// Whether it keeps its events when it is closed and opened again. Without, the checks of that are not applicable.
    const PERSISTENT: bool;

    /// Whether it knows an event that it has. Without, the checks of duplicates are not applicable.
    const KNOWS_DUPLICATES: bool = true;

    /// What tells an [`Event`] from others in it. Of no meaning for events of other types.
    const IDENTITY: Identity = Identity::IdAndDay;

    /// Opens a store that is empty.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Closes a store, of which this is the only handle, and opens what it has left behind. A store that is not
    /// [persistent](Self::PERSISTENT) is given back as it is.
    fn reopen(&self, store: Self::Store) -> impl Future<Output = Self::Store> + Send;

    /// An event that the store refuses, another one for each number; `None` where it takes whatever its type can say.
    fn poison(&self, _number: u64) -> Option<Self::Event> {
        None
    }

    /// Forgets the events of all UTC days that were over at a moment; how many. `None` where the store cannot.
    fn forget(&self, _store: &Self::Store, _before: Timestamp) -> impl Future<Output = Option<u64>> + Send {
        async { None }
    }

    /// Does to a store what may happen to it at any time: flushes or compacts it, moves it to another node, or nothing.
    /// It is called between appends, and while others append. `random` is to be used for what is left to chance.
    fn disturb(&self, _store: &Self::Store, _random: u64) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Where a store looks for an [`Event`] with the id of one that comes. An event that is found there is the same one, sent
/// again, or another one, which the store rejects: [`Deed`](crate::event::Deed) says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Its [key](crate::event::EventKey): id and UTC day. On another day an id names another event.
    IdAndDay,
    /// Its id alone, on whichever day.
    Id,
}

/// A [`Subject`] whose events can be made out of numbers, and read back as such.
pub trait Numbered: Subject {
    /// Makes an event: the same for the same number, different ones for different numbers.
    fn event(&self, number: u64) -> Self::Event;

    /// The numbers of all events in the store, in any order, each as often as its event is there; `None` where this
    /// cannot be told. Then only what the store says of itself is checked.
    fn contents(&self, store: &Self::Store) -> impl Future<Output = Option<Vec<u64>>> + Send;
}

/// A [`Subject`] whose store holds [`Event`]s and answers questions; every such one is.
pub trait EventSubject: Subject<Event = Event, Store: Reader> {}

impl<S: Subject<Event = Event, Store: Reader>> EventSubject for S {}

/// Stores that answer questions are asked for their contents.
impl<S: EventSubject> Numbered for S {
    fn event(&self, number: u64) -> Event {
        events::numbered(number)
    }

    async fn contents(&self, store: &Self::Store) -> Option<Vec<u64>> {
        Some(trial::all_events(store).await.iter().map(events::number).collect())
    }
}

/// Calls checks one after another and notes how they ended.
macro_rules! check {
    ($report:ident, $subject:ident: $($module:ident::$check:ident),* $(,)?) => {
        $($report.note(concat!(stringify!($module), "::", stringify!($check)), Box::pin($module::$check($subject))).await;)*
    };
}

/// Checks what every store must do.
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

/// Checks what every store must do, and what a store of [`Event`]s must answer.
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
        stats::an_empty_store,
        stats::impossible_questions,
        retention::days_that_are_over,
    );
    report
}
