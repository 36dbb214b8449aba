//! Where things lie in the data folder.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::civil::Date;

use super::error::{Context, Result};
use crate::fs::FileSystem;

/// The data folder and the file system that it lies on.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn catalog(&self) -> PathBuf {
        self.root.join("catalog")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(super) fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    pub(super) fn ids(&self) -> PathBuf {
        self.root.join("ids")
    }

    pub(super) fn users(&self) -> PathBuf {
        self.root.join("users")
    }

    pub(super) fn events_day(&self, day: i32) -> PathBuf {
        self.events().join(format!("date={}", date(day)))
    }

    pub(super) fn events_file(&self, day: i32, id: u64) -> PathBuf {
        self.events_day(day).join(format!("{id:010}.parquet"))
    }

    pub(super) fn ids_file(&self, id: u64) -> PathBuf {
        self.ids().join(format!("{id:010}.ids"))
    }

    pub(super) fn users_file(&self, id: u64) -> PathBuf {
        self.users().join(format!("{id:010}.parquet"))
    }

    /// Makes the folders that are always there.
    pub(super) fn create(&self) -> Result<()> {
        for dir in [self.root.clone(), self.events(), self.ids(), self.users(), self.journal()] {
            self.fs.create_dir_all(&dir).context("cannot make the folder", dir)?;
        }
        Ok(())
    }

    /// Removes a file; one that is not there is as good.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        match self.fs.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("cannot remove", path),
            _ => Ok(()),
        }
    }

    /// All files below `events`, `ids` and `users`.
    pub(super) fn data_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut dirs = vec![self.events(), self.ids(), self.users()];
        while let Some(dir) = dirs.pop() {
            for entry in self.fs.list(&dir).context("cannot list", dir)? {
                if entry.is_dir { dirs.push(entry.path) } else { files.push(entry.path) }
            }
        }
        Ok(files)
    }
}

/// The calendar date of a day counted from 1970-01-01.
fn date(day: i32) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    epoch.saturating_add(jiff::Span::new().days(day))
}
