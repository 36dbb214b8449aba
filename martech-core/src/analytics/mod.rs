//! Statistics over events. This module is independent of storage: a store passes in each user's events as compact
//! [`Row`]s in time order, and receives the answer.
//!
//! A store computes [`Stats`](crate::query::Stats) in these steps:
//! 1. [`StatsPlan::new`] checks the query and determines the [spans of time](StatsPlan::spans) to read.
//! 2. Each worker creates a [`StatsAccumulator`], turns strings into symbols with
//!    [`symbols`](StatsAccumulator::symbols) (or whole events with [`Row::of`]), and passes in each user's rows of those
//!    spans, one user after another.
//! 3. [`new_user`](StatsAccumulator::new_user) records when each user was first seen.
//! 4. The accumulators of workers, which have disjoint users, are [merged](StatsAccumulator::merge) and
//!    [finished](StatsAccumulator::finish).
//!
//! ```
//! use std::sync::Arc;
//!
//! use martech_core::{
//!     analytics::{Row, StatsAccumulator, StatsPlan, Symbols, session_key},
//!     query::{Interval, StatsQuery, TimeRange, parse_instant, parse_time_zone},
//! };
//!
//! let tz = parse_time_zone("America/New_York")?;
//! let range = TimeRange {
//!     from: parse_instant("from", "2026-11-22", &tz)?,
//!     to: parse_instant("to", "2026-11-23", &tz)?,
//! };
//! let plan = Arc::new(StatsPlan::new(&StatsQuery::new(range).tz(tz).interval(Interval::Hour))?);
//!
//! let mut counted = StatsAccumulator::new(plan);
//! let page = counted.symbols().pages.intern("/cups");
//! let morning = range.from.millis() + 9 * 3_600_000;
//! let session = session_key("s1");
//! counted.user(&[
//!     Row { page, session, ..Row::new(morning, Symbols::PAGE_VIEW) },
//!     Row { session, ..Row::new(morning + 60_000, Symbols::PURCHASE) },
//! ]);
//!
//! let stats = counted.finish();
//! assert_eq!(stats.totals.orders, 1);
//! assert_eq!(stats.totals.conversion, Some(1.0));
//! assert_eq!(stats.series[9].start.to_string(), "2026-11-22T09:00:00-05:00");
//! # Ok::<(), martech_core::query::QueryError>(())
//! ```
//!
//! [`UserSummary`] is the aggregate that a store keeps per user, so that listing users reads no events.

mod calendar;
mod row;
mod session;
mod stats;
mod symbols;
mod user_summary;

pub use calendar::{Calendar, MAX_BUCKETS};
pub use row::{Row, session_key};
pub use session::{SESSION_GAP_MILLIS, Sessions, SessionsDecodeError};
pub use stats::{StatsAccumulator, StatsPlan, TOP_ROWS};
pub use symbols::{Interner, MAX_NAME_BYTES, NAME_OVERHEAD, Symbol, Symbols};
pub use user_summary::UserSummary;
