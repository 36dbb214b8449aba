//! The files of a data folder: their formats, the catalog that names them, and atomic changes of the live files.

pub(crate) mod catalog;
mod checksums;
pub(crate) mod dedupe;
pub(crate) mod events_writer;
pub(crate) mod facts;
pub(crate) mod ids;
pub(crate) mod layout;
pub(crate) mod live;
mod pages;
pub(crate) mod parquet_file;
pub(crate) mod schema;
pub(crate) mod set;
pub(crate) mod surrogates;
pub(crate) mod upgrade;
pub(crate) mod users_file;
