//! The event sink: the way in for events, in front of any [`Store`](crate::Store).
//!
//! An [`EventSink`] takes events one by one or in batches, gathers them, and appends them to a store a batch at a
//! time. It bounds memory, retries, isolates poison events, and tells for each event what became of it.
//!
//! # How it works
//! - **Handle.** Producers share one short lock around a queue. A push adds the event to the *open batch*, a `Vec`, and
//!   gets a [`Receipt`]: a cell that it shares with its neighbours, and a position. There is no channel and no allocation
//!   per event. Give each producer a clone of its own: a handle that is busy is granted room in the open batch, in its
//!   own *lane*, and fills it without meeting the others. What lanes hold counts like everything else: whoever looks,
//!   flushes, closes, or finds no room calls them in first.
//! - **Batches.** The open batch is *sealed* when it holds `max_batch` events, and is taken earlier when a flush slot is
//!   free and its oldest event has waited `flush_interval`, when the sink is full, or when someone flushes or closes.
//!   Its `Vec` is handed over whole and recycled.
//! - **Flush slots.** `max_concurrent_flushes` tasks each take a batch, append it, and settle it.
//! - **Settling.** When the fate of every event of a batch is known, the counters, the room that they took and the
//!   batch's cell change under one lock, once. The cell is sparse: everything is stored but the events that it lists.
//!
//! # What becomes of an event
//! | the store says | the sink does |
//! |---|---|
//! | stored, duplicate | tells the receipt |
//! | rejected | tells the receipt, hands the event to the dead-letter handler |
//! | [`Advice::Refused`](crate::store::Advice) for a batch | bisects it, until each refused event stands alone; that one is rejected |
//! | [`Advice::Retry`](crate::store::Advice), `RetryAfter` | appends again, with [backoff](RetryPolicy); at the deadline, dead-letters what is left of the batch |
//! | [`Advice::Fatal`](crate::store::Advice), a panic, an answer that does not fit the batch | poisons the sink |
//!
//! **Poisoning** is final. Pushes are refused from then on, appends in flight are cancelled, and every event that the
//! sink still holds goes to the dead-letter handler with the cause. The runtime's end has the same effect.
//!
//! # Conservation
//! At every moment, in every [`SinkStats`]:
//! `accepted = stored + duplicates + rejected + dead_lettered + returned + pending`.
//! `returned` are the events that [`EventSink::close`] gave back.
//!
//! # Order
//! The events of one handle, pushed one after the other, keep their order inside a batch, and in what
//! [`EventSink::close`] gives back. With `max_concurrent_flushes` of 1 they keep it on the whole way into the store; with
//! more, batches overtake each other. Between handles no order is promised.
//!
//! # Waiting for room
//! [`EventSink::push`] waits first come, first served: those who wait queue up on a fair lock, and only the head of the
//! line watches for room. The room that those in line need is theirs: newcomers are let in, and handles are granted
//! places, only where there is enough for all, so that nobody starves and no line outlives the shortage. Until the moment
//! of acceptance a push has changed nothing, so it may be dropped at any time.
//!
//! # How this is held to
//! `tests/model.rs` runs random operations against a book of its own, under a paused clock. `explore/` compiles these
//! sources with the locks and tasks of a scheduler that tries out how they may interleave. `tests/parallel.rs` has real
//! threads.

mod batch;
mod builder;
mod config;
mod dead_letter;
mod drain;
mod error;
mod flight;
mod flush;
mod handle;
mod lane;
mod passage;
mod queue;
mod receipt;
mod retry;
mod shared;
mod stats;
mod worker;

#[cfg(test)]
mod tests;

pub use builder::SinkBuilder;
pub use config::{ConfigError, SinkConfig};
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use error::{NotStored, Poison, PushError, Refusal};
pub use flush::{FlushCounts, FlushOutcome, FlushReason};
pub use handle::{CloseReport, EventSink};
pub use passage::Passage;
pub use receipt::{BatchOutcome, BatchReceipt, EventOutcome, Outcome, Receipt};
pub use retry::RetryPolicy;
pub use stats::SinkStats;
