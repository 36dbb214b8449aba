//! The merge of event files of one day into one file.

use std::sync::Arc;

use crate::lake::{
    error::{LakeError, Result},
    files::{
        catalog::EventsEntry,
        events_writer::{EventsWriter, Folders},
        live::EventsFile,
        set::FileSet,
    },
    read::merged::Merged,
};

/// The number of rows written at a time.
const WRITE_ROWS: usize = 4 * 1024;

/// Merged files are kept for a long time, so size counts more than speed.
const ZSTD_LEVEL: i32 = 6;

/// Writes one file with the rows of several files of the same day. Fails with [`LakeError::Closed`] once `is_stopped`.
pub(crate) fn merge_files(
    set: &FileSet,
    is_stopped: &dyn Fn() -> bool,
    files: &[Arc<EventsFile>],
    folders: &mut Folders,
) -> Result<EventsEntry> {
    let rows = files.iter().map(|file| file.entry.rows as usize).sum();
    let (id, day) = (set.take_file_id(), files[0].entry.day);
    let mut writer = EventsWriter::create(set.layout(), id, day, rows, ZSTD_LEVEL)?;
    let mut merged = Merged::open(files)?;
    while let Some(batch) = merged.next_batch(WRITE_ROWS)? {
        if is_stopped() {
            return Err(LakeError::Closed);
        }
        writer.write(&batch)?;
    }
    let merged = writer.finish(folders)?;
    if merged.rows != files.iter().map(|file| file.entry.rows).sum::<u64>() {
        set.discard(&[merged], &[]);
        return Err(LakeError::Damaged {
            path: files[0].path().clone(),
            message: "the row count of this file, or of one merged with it, differs from the catalog".to_owned(),
        });
    }
    Ok(merged)
}
