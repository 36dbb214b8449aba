//! Gives back the space of frames that are no longer needed.

use std::{io, time::Instant};

use super::{
    JournalError,
    segment::{HEADER_LEN, Segment},
    shared::{Shared, lock},
};
use crate::store::Step;

/// Removes the segments in which no frame is newer than `through`, oldest first, so that a crash leaves no hole.
pub(super) fn trim(shared: &Shared, through: u64) -> Result<(), JournalError> {
    let rotated = {
        let mut active = shared.active();
        shared.check()?;
        // The active segment stays, because it carries the sequence: when all of it may go, another takes its place.
        let next = active.next;
        let is_done = active.len > HEADER_LEN && next - 1 <= through;
        if is_done { shared.rotate(&mut active, next) } else { Ok(()) }
    };
    let _trimming = lock(&shared.trimming);
    loop {
        let mut segments = shared.segments();
        let sealed = segments.len() > 1;
        let removable = |segment: &Segment| sealed && (segment.load() == 0 || segment.last() <= through);
        let Some(oldest) = segments.first_entry().filter(|oldest| removable(oldest.get())) else { break };
        // Out of the map first: a reader that finds the file gone then knows why.
        let (first, segment) = oldest.remove_entry();
        drop(segments);
        match shared.fs.remove(&segment.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let failed = JournalError::at(&segment.path)(error);
                shared.segments().insert(first, segment);
                return Err(failed);
            }
            _ => removed(shared, &segment)?,
        }
    }
    // On a full disk there may be no room for another segment, and the removal of the others is what makes some.
    rotated
}

fn removed(shared: &Shared, segment: &Segment) -> Result<(), JournalError> {
    shared.release(segment.load());
    let from = Instant::now();
    let synced = shared.fs.sync_dir(&shared.dir);
    shared.counters.synced(1, Step { from, to: Instant::now() });
    synced.map_err(|error| shared.poison(error))
}
