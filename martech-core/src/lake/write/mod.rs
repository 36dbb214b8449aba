//! The write path: admission of batches, and rolls of the hot table to files.

pub(crate) mod admission;
pub(crate) mod roll;
