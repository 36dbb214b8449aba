//! The accounts file of a data folder: accounts, keys and projects.

use std::{fs, io, path::Path};

use serde::Serialize;

use crate::{
    projects::backend,
    records::{self, FILE},
};

/// State of the accounts file of a data folder.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub(super) enum AccountsReport {
    /// There is no accounts file yet.
    Absent,
    /// All records can be read.
    Sound {
        /// Number of records.
        records: u64,
    },
    /// The file is damaged; the server does not start with it.
    Damaged {
        /// Why the file cannot be read.
        reason: String,
    },
    /// The file was damaged and has been moved away.
    SetAside {
        /// The path that the file was moved to.
        path: String,
    },
}

const CONSEQUENCE: &str = "the file contains users, sessions, invitations, keys and the list of projects; if you have a copy, \
                           put it in place of the file. Without the file, the server starts without accounts and logs \
                           a set-up link; events are unchanged, and projects have their events again once you \
                           recreate them";

impl AccountsReport {
    pub(super) fn of(dir: &Path) -> Self {
        let path = dir.join(FILE);
        if !path.exists() {
            return Self::Absent;
        }
        match records::check(&path) {
            Ok(records) => Self::Sound { records },
            Err(reason) => Self::Damaged { reason },
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        !matches!(self, Self::Damaged { .. })
    }

    /// Returns the state as a message for people.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Absent => "accounts: none".to_owned(),
            Self::Sound { records } => format!("accounts: {records} records, all valid"),
            Self::Damaged { reason } => {
                format!("accounts: {FILE} is damaged: {reason}\n  repair: sets it aside; {CONSEQUENCE}")
            }
            Self::SetAside { path } => {
                format!("accounts: {FILE} was damaged and has been moved to {path}; {CONSEQUENCE}")
            }
        }
    }

    /// Moves a damaged file to `damaged/<label>/`, so that the server starts. Returns the new state.
    pub(super) fn set_aside(self, dir: &Path, label: &str) -> io::Result<Self> {
        if self.is_clean() {
            return Ok(self);
        }
        let _lock = backend::lock(dir)?;
        let folder = dir.join("damaged").join(label);
        fs::create_dir_all(&folder)?;
        let path = folder.join(FILE);
        fs::rename(dir.join(FILE), &path)?;
        fs::File::open(&folder)?.sync_all()?;
        fs::File::open(dir)?.sync_all()?;
        Ok(Self::SetAside { path: path.display().to_string() })
    }
}
