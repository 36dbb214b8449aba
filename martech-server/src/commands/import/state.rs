//! The state file of an import from the command line: its place, and its key.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use xxhash_rust::xxh3::Xxh3;

use super::args::ImportArgs;
use crate::import::StateFile;

/// Returns the state file for a file and options. It is in the data folder, or beside the rejects file if the events go
/// elsewhere.
pub(super) fn state_file(path: &Path, rejects: &Path, args: &ImportArgs) -> io::Result<StateFile> {
    let key = key_of(path, rejects, args)?;
    let path = if !args.is_local() {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".import-state.json");
        rejects.with_file_name(name)
    } else {
        args.folder().join("imports").join(format!("{key}.json"))
    };
    Ok(StateFile::new(path, key))
}

/// Hashes what identifies the file (path, size, first and last 64 KiB), the path of the rejects file, and the options
/// that determine the events.
fn key_of(path: &Path, rejects: &Path, args: &ImportArgs) -> io::Result<String> {
    const PIECE: u64 = 64 * 1024;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Xxh3::new();
    let options = (
        (&args.format, &args.delimiter, args.no_header, &args.columns, &args.maps, &args.constants, &args.renames),
        (args.only_mapped, &args.drops, &args.time_format, &args.time_zone, &args.currency, &args.event_types),
        (args.decimal, args.thousands, &args.nulls, args.encoding, args.pad_rows),
        (&args.url, &args.store.store, &args.project),
    );
    hash.update(
        format!("{size} {:?} {:?} {options:?}", path.canonicalize()?, std::path::absolute(rejects)?).as_bytes(),
    );
    for start in [0, size.saturating_sub(PIECE)] {
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.by_ref().take(PIECE).read_to_end(&mut piece)?;
        hash.update(&piece);
    }
    Ok(format!("{:032x}", hash.digest128()))
}
