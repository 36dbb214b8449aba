//! What events add up to. These parts know nothing of storage: a store hands over each user's events as compact
//! [`Row`]s in time order, and takes the answer.
//!
//! A store computes [`Stats`](crate::query::Stats) so:
//! 1. [`StatsPlan::new`] checks the question and says which [span of time](StatsPlan::span) is to be read;
//! 2. each worker makes a [`StatsAccumulator`], turns strings into symbols with
//!    [`symbols`](StatsAccumulator::symbols), and gives it each user's rows of that span, one user after another;
//! 3. [`new_user`](StatsAccumulator::new_user) tells when each user was first seen;
//! 4. workers, which have disjoint users, are [merged](StatsAccumulator::merge) and
//!    [finished](StatsAccumulator::finish).
//!
//! [`UserSummary`] is what a store keeps of each user, so that a list of users reads no events.

mod calendar;
mod row;
mod session;
mod stats;
mod symbols;
mod user_summary;
mod varint;

pub use calendar::{Calendar, MAX_BUCKETS};
pub use row::{Row, session_key};
pub use session::{SESSION_GAP_MILLIS, Sessions, SessionsDecodeError};
pub use stats::{StatsAccumulator, StatsPlan, TOP_ROWS};
pub use symbols::{Interner, Symbol, Symbols};
pub use user_summary::UserSummary;
