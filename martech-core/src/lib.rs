//! Durable event ingestion and analytics for online shops, as a library.

pub mod analytics;
pub mod event;
pub mod fs;
pub mod journal;
#[cfg(feature = "lake")]
pub mod lake;
pub mod memory;
pub mod query;
pub mod sink;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use event::Event;
pub use store::{Appended, Rejection, Store, StoreError};
