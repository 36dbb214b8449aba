//! Rows in memory: encoded rows, the hot table (memtable) and the sort order of files.

mod analytics;
pub(crate) mod hot;
pub(crate) mod row;
pub(crate) mod sorted;
pub(crate) mod window;

pub(crate) use self::analytics::{currency_of, to_row};
