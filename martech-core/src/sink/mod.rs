//! The event sink: batching, backpressure and retries in front of any [`Store`](crate::Store).
//!
//! An [`EventSink`] accepts events one by one or in batches, collects them, and appends them to a store in batches of
//! its own. The sink bounds memory, retries failed appends, isolates poison events, and reports an outcome for each
//! event.
//!
//! # Design
//! - **Handle.** Producers share one short lock around a queue. A push adds the event to the *open batch*, a `Vec`, and
//!   returns a [`Receipt`]: a cell that neighboring events share, and a position. There is no channel and no allocation
//!   per event. Give each producer its own clone: a busy handle gets a *reservation* in the open batch, which it fills
//!   without taking the shared lock. Events in reservations count like all others: statistics, `flush`, `close` and a
//!   full sink collect them first.
//! - **Batches.** The open batch is *sealed* when it holds `max_batch` events. A free flush slot takes it earlier when
//!   its oldest event has waited `flush_interval`, when the sink is full, or on `flush` and `close`. Its `Vec` is
//!   handed over whole and recycled.
//! - **Linger.** With [`linger`](SinkConfig::linger), a batch gathers events for longer while no caller awaits a
//!   receipt of it. The first awaited receipt makes the batch *urgent*: from then on only `flush_interval` applies.
//! - **Flush slots.** `max_concurrent_flushes` tasks each take a batch, append it, and settle it. While one of them
//!   appends, another one takes only batches of at least [`min_concurrent_batch`](SinkConfig::min_concurrent_batch).
//! - **Settlement.** When every event of a batch has an outcome, the counters, the freed room and the batch's cell
//!   change together, under one lock. The cell is sparse: it lists only the events that are not stored.
//!
//! # Outcomes
//! | the store answers | the sink |
//! |---|---|
//! | stored, duplicate | resolves the receipt |
//! | rejected | passes the event to the dead-letter handler, then resolves the receipt |
//! | [`Advice::Refused`](crate::store::Advice) for a batch | bisects the batch until each refused event stands alone, and rejects that event |
//! | [`Advice::Retry`](crate::store::Advice), `RetryAfter` | appends again, with [backoff](RetryPolicy); at the deadline, dead-letters the rest of the batch |
//! | [`Advice::Fatal`](crate::store::Advice), a panic, an answer inconsistent with the batch | poisons the sink |
//!
//! **Poisoning** is permanent. The sink refuses all pushes, cancels appends in flight, and passes every event that it
//! still holds to the dead-letter handler with the cause. The end of the runtime has the same effect.
//!
//! # Conservation
//! Every [`SinkStats`] satisfies `accepted = stored + duplicates + rejected + dead_lettered + returned + pending`.
//! `returned` counts the events that [`EventSink::close`] gave back.
//!
//! # Order
//! Events pushed one after the other through one handle keep their order within a batch, and in the result of
//! [`EventSink::close`]. With `max_concurrent_flushes` of 1 they also reach the store in order; with more, batches can
//! overtake each other. The order between handles is not defined.
//!
//! # Backpressure
//! [`EventSink::push`] waits first come, first served: waiting pushes queue on a fair lock, and only the first one
//! watches for room. The room that they need is kept for them: new pushes are admitted, and reservations are made, only
//! when there is enough room for all. No push starves, and the queue ends with the shortage. A push changes nothing
//! before it is accepted, so it can be dropped at any time.
//!
//! # Testing
//! `tests/model.rs` runs random operations against a reference model, under a paused clock. `tests/parallel.rs` uses
//! real threads. `martech-core/tests/shuttle.rs` runs the sink on a scheduler that explores the interleavings of its
//! threads and tasks.

mod batch;
mod builder;
mod config;
mod dead_letter;
mod drain;
mod error;
mod flight;
mod flush;
mod handle;
mod queue;
mod receipt;
mod reservation;
mod retry;
mod shared;
mod stats;
mod timing;
mod urgency;
mod worker;

#[cfg(test)]
mod tests;

pub use builder::SinkBuilder;
pub use config::{ConfigError, SinkConfig};
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use error::{NotStored, Poison, PushError, Refusal};
pub use flush::{FlushCounts, FlushOutcome, FlushReason};
pub use handle::{CloseReport, EventSink};
pub use receipt::{BatchOutcome, BatchReceipt, EventOutcome, Outcome, Receipt};
pub use retry::RetryPolicy;
pub use stats::SinkStats;
pub use timing::BatchTiming;
