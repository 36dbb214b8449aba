//! The folder of an upload.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use martech_core::{
    event::Timestamp,
    fs::{Disk, replace},
};

use super::{State, Upload};
use crate::{
    identity::{ProjectId, project_folders},
    util::unless_missing,
};

/// The folder of all uploads in the folder of a project. State files of the command line are beside the uploads.
const IMPORTS: &str = "imports";
const FILE: &str = "upload";
const DESCRIPTION: &str = "import.json";
const REJECTS: &str = "rejects.ndjson";

/// The folder of one upload.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Returns the folder of an upload in a data folder.
    pub(super) fn of(data_dir: &Path, project: &ProjectId, id: &str) -> Self {
        Self(project.folder(data_dir).join(IMPORTS).join(id))
    }

    /// Creates the folder and the file, which no other user can read.
    pub(super) fn create(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.file())
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    pub(super) fn rejects(&self) -> PathBuf {
        self.0.join(REJECTS)
    }

    /// Removes the rejects, if there are any.
    pub(super) fn remove_rejects(&self) -> io::Result<()> {
        unless_missing(fs::remove_file(self.rejects())).map(drop)
    }

    /// Stores the description.
    pub(super) fn save(&self, upload: &Upload) -> io::Result<()> {
        replace(&Disk, &std::path::absolute(self.0.join(DESCRIPTION))?, &serde_json::to_vec(upload)?)
    }

    /// Removes the folder and everything in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        unless_missing(fs::remove_dir_all(&self.0)).map(drop)
    }

    /// Reads the description. An import that was running has ended with its server.
    fn load(&self) -> Option<Upload> {
        let mut upload: Upload = serde_json::from_slice(&fs::read(self.0.join(DESCRIPTION)).ok()?).ok()?;
        if upload.state == State::Running {
            upload.state = State::Cancelled;
            upload.error = Some("the server stopped; run the import again".to_owned());
            upload.finished_at = Some(Timestamp::now());
        }
        Some(upload)
    }
}

/// Returns the uploads of all projects in a data folder. Removes folders of files that did not arrive completely.
pub(super) fn find(data_dir: &Path) -> Vec<(Folder, Upload)> {
    let mut found = Vec::new();
    for project in project_folders(data_dir) {
        let entries = fs::read_dir(project.join(IMPORTS)).into_iter().flatten().filter_map(Result::ok);
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let folder = Folder(entry.path());
            match folder.load() {
                Some(upload) => found.push((folder, upload)),
                None => {
                    if let Err(error) = folder.remove() {
                        tracing::warn!(%error, path = %folder.0.display(), "cannot remove an incomplete upload");
                    }
                }
            }
        }
    }
    found
}
