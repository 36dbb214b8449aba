//! Trimming: frees the space of frames that are no longer needed.

use std::{io, time::Instant};

use super::{
    JournalError,
    segment::{HEADER_LEN, Segment},
    shared::{Shared, lock},
};
use crate::store::Step;

/// Removes the segments in which no frame is newer than `through`, oldest first, so that a crash leaves no gap.
pub(super) fn trim(shared: &Shared, through: u64) -> Result<(), JournalError> {
    let rotated = {
        let mut active = shared.active();
        shared.check()?;
        // There is always an active segment, because it carries the sequence. If all of it can be trimmed, a new one
        // replaces it first.
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
        // Removed from the map first, so that a reader that misses the file knows that it was trimmed.
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
    // A failed rotation is reported last: on a full disk, removing the other segments frees the space that it needs.
    rotated
}

fn removed(shared: &Shared, segment: &Segment) -> Result<(), JournalError> {
    shared.release(segment.load());
    let from = Instant::now();
    let synced = shared.fs.sync_dir(&shared.dir);
    shared.counters.synced(1, Step { from, to: Instant::now() });
    synced.map_err(|error| shared.poison(error))
}
