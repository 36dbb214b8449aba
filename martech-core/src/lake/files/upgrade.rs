//! Brings a lake of an older format to the present one.
//!
//! Formats 1 and 2 had a folder for each UTC day, `events/date=2026-11-22/N.parquet`. The files themselves are the
//! same, so the upgrade renames them, and then writes the catalog. Until that is durable, the next start begins again
//! and renames what is left.

use std::{collections::BTreeSet, io};

use serde::Deserialize;

use super::{
    catalog::{Catalog, EventsEntry, UsersEntry, WaitingEntry, load_sealed},
    layout::{Layout, date},
    parquet_file::Tail,
};
use crate::lake::{
    error::{Context, LakeError, Result},
    rows::window::Days,
};

/// A catalog of format 1 or 2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldCatalog {
    #[serde(rename = "format")]
    _format: u32,
    sequence: u64,
    #[serde(default)]
    waiting: Vec<WaitingEntry>,
    next_file: u64,
    events: Vec<OldEntry>,
    users: Vec<UsersEntry>,
}

#[derive(Deserialize)]
struct OldEntry {
    id: u64,
    day: i32,
    rows: u64,
    bytes: u64,
    tail: Tail,
}

/// Upgrades a lake of an older format. Does nothing to others. The caller holds the lock of the folder.
pub(crate) fn upgrade(layout: &Layout) -> Result<()> {
    let old: OldCatalog = match load_sealed(layout, &layout.catalog(), 1..=2) {
        Ok(Some(old)) => old,
        // The present format, or a newer one, is for the caller.
        Ok(None) | Err(LakeError::UnknownFormat { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let fs = &layout.fs;
    let mut folders = BTreeSet::new();
    for OldEntry { id, day, .. } in &old.events {
        let folder = layout.events().join(format!("date={}", date(*day)));
        let (from, to) = (folder.join(format!("{id:010}.parquet")), layout.events_file(*id));
        match fs.rename(&from, &to) {
            // It was renamed before an interruption, or it is missing, which the caller notices.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed.context("cannot rename", from)?,
        }
        folders.insert(folder);
    }
    fs.sync_dir(&layout.events()).context("cannot sync the folder", layout.events())?;
    let events = old.events.iter().map(|OldEntry { id, day, rows, bytes, tail }| EventsEntry {
        id: *id,
        days: Days::of_day(*day),
        rows: *rows,
        bytes: *bytes,
        tail: *tail,
    });
    let mut catalog = Catalog::default();
    (catalog.sequence, catalog.next_file) = (old.sequence, old.next_file);
    (catalog.waiting, catalog.events, catalog.users) = (old.waiting, events.collect(), old.users);
    catalog.store(layout)?;
    for folder in folders {
        // A folder that has other files stays. The opening removes what the catalog does not name.
        if let Err(error) = fs.remove_dir(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %folder.display(), "cannot remove an old folder");
        }
    }
    Ok(())
}
