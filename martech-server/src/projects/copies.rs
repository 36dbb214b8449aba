//! What the records say of projects, copied into their folders: while MongoDB is away, a server that starts goes by that, and
//! takes the events of all of its shops.

use std::{fs, path::Path};

use martech_core::fs::{Disk, replace};

use super::{ProjectRecord, id::FOLDER};

const FILE: &str = "project.json";

/// Keeps a copy in the project's folder.
pub(super) fn keep(record: &ProjectRecord, folder: &Path) {
    let path = folder.join(FILE);
    let copy = serde_json::to_vec_pretty(record).map_err(std::io::Error::from);
    let kept = copy.and_then(|copy| replace(&Disk, &path, &copy));
    if let Err(error) = kept {
        tracing::warn!(path = %path.display(), %error, "the settings of a project could not be copied");
    }
}

/// Those of a data folder. What cannot be read is passed over.
pub(crate) fn read(data_dir: &Path) -> Vec<ProjectRecord> {
    let others = fs::read_dir(data_dir.join(FOLDER)).into_iter().flatten().flatten().map(|folder| folder.path());
    let copies =
        std::iter::once(data_dir.to_owned()).chain(others).filter_map(|folder| fs::read(folder.join(FILE)).ok());
    copies.filter_map(|copy| serde_json::from_slice(&copy).ok()).collect()
}

/// Forgets a project that was removed.
pub(super) fn remove(folder: &Path) {
    // One that is not there is as good.
    let _ = fs::remove_file(folder.join(FILE));
}
