//! Helpers that know nothing of the server.

mod duration;
pub(crate) mod file_permissions;
pub(crate) mod formula;
mod interval;
mod limiter;
mod missing;
mod network;
mod optional_field;
mod threads;

pub use self::network::Networks;
pub(crate) use self::{
    duration::parse_duration,
    interval::every,
    limiter::{Left, Limit},
    missing::unless_missing,
    network::{network, parse_addr, site},
    optional_field::given,
    threads::worker_count,
};
