//! The paths of a data folder.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::civil::Date;

use crate::{
    fs::{FileSystem, Lock},
    journal,
    lake::error::{Context, LakeError, Result},
};

/// The largest number that a catalog may contain.
pub(crate) const MAX_COUNT: u64 = 1 << 48;

/// The data folder, and the file system that holds it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) root: PathBuf,
}

impl Layout {
    pub(crate) fn catalog(&self) -> PathBuf {
        self.root.join("catalog")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    pub(crate) fn ids(&self) -> PathBuf {
        self.root.join("ids")
    }

    pub(crate) fn users(&self) -> PathBuf {
        self.root.join("users")
    }

    /// Returns the folder of facts, which are a cache.
    pub(crate) fn facts(&self) -> PathBuf {
        self.root.join("facts")
    }

    pub(crate) fn events_file(&self, id: u64) -> PathBuf {
        self.events().join(format!("{id:010}.parquet"))
    }

    pub(crate) fn ids_file(&self, id: u64) -> PathBuf {
        self.ids().join(format!("{id:010}.ids"))
    }

    pub(crate) fn users_file(&self, id: u64) -> PathBuf {
        self.users().join(format!("{id:010}.parquet"))
    }

    pub(crate) fn facts_file(&self, id: u64) -> PathBuf {
        self.facts().join(format!("{id:010}.facts"))
    }

    pub(crate) fn facts_seed(&self) -> PathBuf {
        self.facts().join("seed")
    }

    /// Returns the path of the record that an unfinished repair leaves.
    pub(crate) fn repairing(&self) -> PathBuf {
        self.root.join("repair.json")
    }

    /// Returns the folder to which repairs move files.
    pub(crate) fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    /// Returns the number of an event file.
    pub(crate) fn events_file_id(&self, path: &Path) -> Option<u64> {
        number_of(path).filter(|id| self.events_file(*id) == path)
    }

    /// Returns whether a file lies where formats 1 and 2 had event files: in a folder for its day.
    pub(crate) fn is_of_old_format(&self, path: &Path) -> bool {
        let day = path.strip_prefix(self.events()).ok().and_then(|path| path.parent()?.to_str());
        day.is_some_and(|day| day.starts_with("date="))
    }

    /// Returns a path as reports show it: relative to the data folder.
    pub(crate) fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// Returns whether the lake was never written to.
    pub(crate) fn is_blank(&self) -> Result<bool> {
        let journal = journal::inspect(&*self.fs, &self.journal(), |_, _| {})?;
        Ok(journal.is_blank() && self.data_files()?.is_empty())
    }

    /// Locks the data folder against other processes.
    pub(crate) fn take_lock(&self) -> Result<Lock> {
        match self.fs.lock(&self.lock()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(LakeError::Locked(self.root.clone())),
            lock => lock.context("cannot lock", self.lock()),
        }
    }

    /// Creates the folders that every lake has.
    pub(crate) fn create(&self) -> Result<()> {
        for dir in [self.root.clone(), self.events(), self.ids(), self.users(), self.facts(), self.journal()] {
            self.fs.create_dir_all(&dir).context("cannot create the folder", dir)?;
        }
        Ok(())
    }

    /// Removes a file. A missing file is not an error.
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        match self.fs.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("cannot remove", path),
            _ => Ok(()),
        }
    }

    /// Lists all files below `events`, `ids` and `users`. Facts are not among them.
    pub(crate) fn data_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut dirs = vec![self.events(), self.ids(), self.users()];
        while let Some(dir) = dirs.pop() {
            let entries = match self.fs.list(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.context("cannot list", dir)?,
            };
            for entry in entries {
                if entry.is_dir { dirs.push(entry.path) } else { files.push(entry.path) }
            }
        }
        Ok(files)
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

/// Returns the number in the name of a data file, if it is a number that a catalog can give.
pub(crate) fn number_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok().filter(|number| (1..MAX_COUNT).contains(number))
}

/// Returns the calendar date of a day counted from 1970-01-01.
pub(crate) fn date(day: i32) -> Date {
    EPOCH.saturating_add(jiff::Span::new().days(day))
}
