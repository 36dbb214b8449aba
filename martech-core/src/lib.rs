//! Durable event ingestion and analytics for online shops, as a library.
//!
//! This crate is:
//! - an embedded store (feature `lake`): a journal, sorted Parquet files, exact deduplication, journeys, users and
//!   statistics;
//! - an [event model](event) for shops, with limits and errors that name the field;
//! - a sink for any event type in front of any store, which compiles without Arrow, Parquet or HTTP.
//!
//! This crate is not a server (see `martech-server`), not a message broker (it has no subscribers), and not a general
//! database (events are added, never changed). The crate runs on a Tokio runtime and on Unix.
//!
//! # The embedded store
//! Open a lake, append events, ask. An event is durable and visible to every query when `append` returns.
//! ```
//! use martech_core::{
//!     Event, EventRules, EventType, Lake, LakeOptions, Store,
//!     query::{JourneyQuery, Reader},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let dir = dir.path();
//! let lake = Lake::open(LakeOptions::new(dir)).await?;
//!
//! let order = Event::builder("u1", EventType::PURCHASE).property("total", "12.50").build(&EventRules::default())?;
//! assert_eq!(lake.append(&[order]).await?.stored, 1);
//!
//! let journey = lake.journey(JourneyQuery::new("u1")).await?;
//! assert_eq!(journey.events.len(), 1);
//! lake.close().await?;
//! # Ok(())
//! # }
//! ```
//! Put an [`EventSink`] in front of the lake if events come one by one: it batches them, bounds memory, retries, and
//! reports the outcome of each event.
//!
//! # A sink for an event type and a store of your own
//! ```
//! use std::{sync::{Arc, Mutex}, time::Duration};
//!
//! use martech_core::{Appended, Store, StoreError, sink::{EventSink, Outcome}};
//!
//! struct PageView { page: &'static str }
//!
//! #[derive(Default)]
//! struct Pages(Mutex<Vec<&'static str>>);
//!
//! impl Store<PageView> for Pages {
//!     async fn append(&self, batch: &[PageView]) -> Result<Appended, StoreError> {
//!         let mut pages = self.0.lock().map_err(|_| StoreError::fatal("a writer panicked"))?;
//!         pages.extend(batch.iter().map(|view| view.page));
//!         Ok(Appended::all(batch.len()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(Pages::default());
//! let sink = EventSink::builder().flush_interval(Duration::from_millis(10)).build(store.clone())?;
//!
//! let receipt = sink.push(PageView { page: "/shoes" }).await?; // waits when the sink is full
//! assert_eq!(receipt.await?, Outcome::Stored);                 // or drop it
//!
//! let report = sink.close(Duration::from_secs(5)).await;
//! assert!(report.unstored.is_empty());
//! assert_eq!(*store.0.lock().unwrap(), ["/shoes"]);
//! # Ok(())
//! # }
//! ```
//! `examples/examples/embed.rs` is a complete program of this kind.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `lake` | the embedded store `lake::Lake`, which keeps [`Event`]s; compiles Arrow and Parquet |
//! | `mongodb` | the store `mongodb::MongoStore`, which keeps [`Event`]s on a MongoDB server; compiles its driver |
//! | `testing` | `testing::conformance`, checks for stores; `testing::SimFs`, a disk in memory that fails on command |
//! | `parts` | the documentation of `journal`, `fs` and `analytics`, parts for a store of your own; they work without it |
//! | `openapi` | schemas of queries and answers, for an HTTP API over them |

#[cfg_attr(not(feature = "parts"), doc(hidden))]
pub mod analytics;
pub mod event;
#[cfg_attr(not(any(feature = "parts", feature = "testing")), doc(hidden))]
pub mod fs;
#[cfg_attr(not(feature = "parts"), doc(hidden))]
pub mod journal;
#[cfg(feature = "lake")]
pub mod lake;
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "openapi")]
mod openapi;
pub mod query;
mod setters;
pub mod sink;
pub mod spool;
pub mod store;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod timing;
mod varint;

// The embedded store.
#[cfg(feature = "lake")]
pub use lake::{Lake, LakeOptions};

// The event model.
pub use event::{Event, EventRules, EventType};

// The sink.
pub use sink::{EventSink, SinkBuilder};

// The store interface, and a store in memory.
pub use memory::MemoryStore;
pub use store::{Appended, Rejection, RejectionCode, Store, StoreError};

// The store on a MongoDB server.
#[cfg(feature = "mongodb")]
pub use mongodb::{MongoOptions, MongoStore};
