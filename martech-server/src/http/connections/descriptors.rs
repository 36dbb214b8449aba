//! Limits connections by file descriptors: each connection uses one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors reserved for the store's files, the database and standard streams.
const RESERVE: usize = 512;

/// Raises the soft limit of this process to the hard limit, and returns how many of the `wanted` connections fit.
pub(super) fn room_for(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let soft = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    let Some(descriptors) = soft.and_then(|count| usize::try_from(count).ok()) else { return wanted };
    // With few descriptors, connections get half and the store gets half.
    let room = descriptors.saturating_sub(RESERVE).max(descriptors / 2).max(1);
    if room < wanted {
        tracing::warn!(
            descriptors,
            connections = room,
            "ulimit -n permits fewer connections than MARTECH_MAX_CONNECTIONS"
        );
    }
    room.min(wanted)
}
