//! Quarantine: copies of damaged bytes for manual inspection.

use std::{
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::fs::{self, Cursor, File, FileSystem};

/// Name of the folder inside the journal's folder.
const FOLDER: &str = "quarantine";

/// Lists the existing copies.
pub(super) fn copies(fs: &dyn FileSystem, dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs.list(&dir.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries?.into_iter().map(|entry| entry.path).collect()),
    }
}

/// Copies a range of a segment. Returns the path of the copy, and whether it already existed.
///
/// The bytes also stay in the segment, so the next opening finds the same damage and the same copy.
pub(super) fn set_aside(
    fs: &dyn FileSystem,
    dir: &Path,
    segment: &Path,
    file: &Arc<dyn File>,
    range: &Range<u64>,
) -> io::Result<(PathBuf, bool)> {
    let folder = dir.join(FOLDER);
    fs.create_dir_all(&folder)?;
    let segment = segment.file_stem().unwrap_or_default().to_string_lossy();
    let copy = folder.join(format!("{segment}-{}-{}.damaged", range.start, range.end));
    match fs.open(&copy) {
        Ok(_) => return Ok((copy, true)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::replace_with(fs, &copy, |target| {
        let mut damaged = Cursor::new(file.clone(), range.start).take(range.end - range.start);
        io::copy(&mut damaged, &mut Cursor::new(target.clone(), 0)).map(drop)
    })?;
    Ok((copy, false))
}
