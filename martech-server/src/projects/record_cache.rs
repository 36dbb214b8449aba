//! Copies of the project records in the project folders. A server that starts while MongoDB is unavailable uses the
//! copies, and accepts the events of all of its projects.

use std::{fs, path::Path};

use martech_core::fs::{Disk, replace};

use crate::identity::{ProjectRecord, project_folders};

const FILE: &str = "project.json";

/// Writes a copy of a record to the folder of the project. Logs a failure, because the copy is optional.
pub(super) fn keep(record: &ProjectRecord, folder: &Path) {
    let path = folder.join(FILE);
    let copy = serde_json::to_vec_pretty(record).map_err(std::io::Error::from);
    let kept = copy.and_then(|copy| replace(&Disk, &path, &copy));
    if let Err(error) = kept {
        tracing::warn!(path = %path.display(), %error, "cannot cache the settings of a project");
    }
}

/// Reads the copies in a data folder. Skips files that cannot be read.
pub(crate) fn read(data_dir: &Path) -> Vec<ProjectRecord> {
    let copies = project_folders(data_dir).filter_map(|folder| fs::read(folder.join(FILE)).ok());
    copies.filter_map(|copy| serde_json::from_slice(&copy).ok()).collect()
}

/// Deletes the copy of a removed project.
pub(super) fn remove(folder: &Path) {
    // The file may not exist.
    let _ = fs::remove_file(folder.join(FILE));
}
