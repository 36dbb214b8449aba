//! Work on files that are already written: compaction, retention, checks and repairs.

pub(crate) mod compaction;
mod merge;
mod merge_users;
pub mod repair;
pub(crate) mod retention;
mod users;
pub mod verify;
