//! Repair of a damaged data folder: moves damage aside, so that the lake opens again and holds only data that is
//! proven.
//!
//! A repair deletes nothing and guesses nothing. Damaged files and replaced files are moved to `damaged/<time>/` below
//! the data folder, where they keep their paths. A `report.json` there lists what was lost.
//!
//! # Repairs by kind of damage
//! - An event file is moved aside as a whole, because nothing proves its other pages. Its events are lost, except
//!   events that journal frames still hold.
//! - An id index, or the users files, are rebuilt from the event files. Facts are moved aside, and the next query makes
//!   them.
//! - If properties hold half a surrogate pair, their file is rewritten with U+FFFD in its place.
//! - The catalog is rebuilt from the files that are sound, and from the whole journal.
//! - If all copies of a duplicate event agree, the copy received first is kept, as dedupe would have done. If they
//!   differ, none is kept, because the right one cannot be known.
//! - The sound frames of a damaged journal become files. The whole journal is moved aside, and a new one is begun.
//!
//! # Crash safety
//! A repair first writes new files, under new numbers, so that nothing refers to them. Then it writes all remaining
//! steps to `repair.json` and makes that file durable. From then on, the folder cannot be opened as a lake, and a
//! repair that finds `repair.json` carries out its steps. Each step is idempotent. The last step removes `repair.json`.

mod doubles;
mod record;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use self::record::Record;
pub use self::record::{Conflict, Losses, LostFile};
use super::verify::{Kind, Phase, Progress, Report, Survey, VerifyOptions, rows_of};
use crate::{
    journal::{self, JournalError},
    lake::{
        error::Result,
        files::{
            catalog::{Catalog, EventsEntry, Persisted, UsersEntry},
            events_writer::{Folders, id_pages, write_sorted},
            ids,
            layout::{Layout, date, number_of},
            live::{EventsFile, Shared, UsersFile},
        },
        maintain::users,
        rows::{
            hot::{Chunk, Hot},
            row::key_of,
            sorted::Sorted,
        },
    },
};

/// The largest number of windows of days for rows of the journal.
const WINDOWS: usize = 16;

/// The result of a repair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Repair {
    /// The losses of an interrupted repair, which was completed first.
    pub resumed: Option<Losses>,
    /// The findings of the check after that.
    pub found: Report,
    /// The moved files and the losses of this repair. `None` if there was no damage.
    pub losses: Option<Losses>,
}

/// Repairs a data folder. `label` names the folder for files that are moved aside. Pass the time, so that folders sort.
///
/// # Errors
/// Returns the errors of [`verify`](super::verify::verify()), and an error if a file cannot be read, written or moved.
/// The call may then be repeated.
pub fn repair(options: &VerifyOptions, label: &str, progress: &mut dyn FnMut(Progress)) -> Result<Repair> {
    let layout = options.layout();
    let _lock = layout.take_lock()?;
    let resumed = Record::load(&layout)?;
    if let Some(record) = &resumed {
        record.carry_out(&layout)?;
    }
    let survey = Survey::take(options, progress)?;
    let mut losses = None;
    if !survey.report.is_clean() {
        let record = Builder::new(&layout, &survey, label).build(options.memory, progress)?;
        record.store(&layout)?;
        record.carry_out(&layout)?;
        losses = Some(record.losses);
    }
    Ok(Repair { resumed: resumed.map(|record| record.losses), found: survey.report, losses })
}

/// Writes new files under new names, and collects the remaining steps of a repair.
struct Builder<'a> {
    layout: &'a Layout,
    survey: &'a Survey,
    /// Empty if there is no catalog.
    persisted: Persisted,
    shared: Arc<Shared>,
    next_file: u64,
    folders: Folders,
    losses: Losses,
    /// Renames of new files, from the temporary name to the final one.
    put: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Builder<'a> {
    fn new(layout: &'a Layout, survey: &'a Survey, label: &str) -> Self {
        // The number of an existing file is not given again, whatever the catalog says.
        let named = survey.catalog.as_ref().map_or(1, |catalog| catalog.next_file);
        let next_file = survey.there.iter().filter_map(|path| number_of(path)).map(|id| id + 1).max().unwrap_or(1);
        let names = (1..).map(|number| match number {
            1 => label.to_owned(),
            number => format!("{label}-{number}"),
        });
        let mut folders = names.map(|name| layout.damaged().join(name));
        let folder = folders.find(|folder| layout.fs.list(folder).is_err()).expect("there is always an unused number");
        Self {
            layout,
            survey,
            persisted: survey.catalog.as_ref().map(Catalog::persisted).unwrap_or_default(),
            shared: Arc::new(Shared::new(layout.clone())),
            next_file: next_file.max(named),
            folders: Folders::default(),
            losses: Losses { folder: layout.relative(&folder), ..Losses::default() },
            put: Vec::new(),
        }
    }

    fn build(mut self, memory: usize, progress: &mut dyn FnMut(Progress)) -> Result<Record> {
        let (survey, layout) = (self.survey, self.layout);
        let renew = survey.needs_new_catalog();
        let mut catalog = survey.catalog.clone().unwrap_or_default();
        catalog.events = survey.sound.clone();
        if renew {
            self.count_lost();
            catalog.events.extend(self.journal_to_files()?);
            catalog.events = self.without_doubles(catalog.events, memory, progress)?;
            catalog.users = self.users(&catalog.events, progress)?;
            catalog.sequence = catalog.sequence.max(survey.journal.inspection.newest);
            catalog.waiting = Vec::new();
        }
        for entry in catalog.events.iter_mut().filter(|entry| survey.with_surrogates.contains(entry)) {
            let file = EventsFile::events(*entry, &self.shared);
            *entry = self.without_rows(&file, &[])?.unwrap_or(*entry);
        }
        for entry in catalog.events.iter_mut().filter(|entry| survey.to_index.contains(entry)) {
            entry.bytes += self.index(entry)?;
        }
        catalog.next_file = self.next_file;
        std::mem::take(&mut self.folders).sync(layout)?;

        let mut aside = self.not_named_by(&catalog);
        aside.extend(survey.wrong_facts.iter().cloned());
        aside.extend(survey.to_index.iter().map(|entry| layout.ids_file(entry.id)));
        if survey.report.damage().any(|finding| matches!(finding.kind, Kind::CatalogDamaged | Kind::CatalogWrong)) {
            aside.insert(layout.catalog());
        }
        if renew {
            aside.extend(survey.journal.inspection.segments.iter().cloned());
        }
        for (from, _) in &self.put {
            aside.remove(from);
        }
        let relative = |path: &PathBuf| layout.relative(path);
        let put = self.put.iter().map(|(from, to)| (relative(from), relative(to))).collect();
        Ok(Record::new(aside.iter().map(relative).collect(), put, renew, catalog, self.losses))
    }

    fn take_id(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    fn count_lost(&mut self) {
        let (survey, losses) = (self.survey, &mut self.losses);
        for entry in &survey.lost {
            let path = self.layout.relative(&self.layout.events_file(entry.id));
            let events = survey.catalog.as_ref().map(|_| entry.rows);
            let days = |_: &Catalog| [entry.days.first(), entry.days.last()].map(|day| date(day).to_string());
            losses.files.push(LostFile { path, days: survey.catalog.as_ref().map(days), events });
        }
        if survey.catalog.is_none() {
            let unknown = survey.unknown_event_files(self.layout).into_iter();
            let lost = unknown.map(|path| LostFile { path: self.layout.relative(&path), days: None, events: None });
            losses.files.extend(lost);
        }
        let sequence = self.persisted.through();
        let inspection = &survey.journal.inspection;
        let trimmed = (sequence > 0 && inspection.trimmed > sequence).then_some(1..=inspection.trimmed);
        let missing = inspection.missing.iter().chain(&trimmed);
        let gone = missing.map(|missing| (missing.end() + 1).saturating_sub(*missing.start().max(&(sequence + 1))));
        losses.frames = gone.sum::<u64>() + survey.journal.strange.len() as u64;
        losses.recovered = survey.salvage.len() as u64;
        losses.unreadable = survey.journal.unreadable.is_some();
        losses.unproven = survey.catalog.is_none();
    }

    /// Writes rows that are only in the journal to files. Without a catalog, these are all rows of the journal.
    fn journal_to_files(&mut self) -> Result<Vec<EventsEntry>> {
        let survey = self.survey;
        let persisted = &self.persisted;
        let mut hot = Hot::default();
        let inspected = journal::inspect(&*self.layout.fs, &self.layout.journal(), |frame, payload| {
            // The survey already reported frames without events.
            let Ok(chunk) = Chunk::decode(Bytes::copy_from_slice(payload)) else { return };
            let wanted = chunk.rows().filter(|row| {
                let key = key_of(row);
                !persisted.holds(frame, key.day) || survey.salvage.contains(&key)
            });
            let bytes = wanted.fold(Vec::new(), |bytes, row| row.encode(bytes));
            let chunk = Chunk::decode(bytes.into()).expect("an encoded row can be decoded");
            hot.push(Arc::new(chunk), frame);
        });
        match inspected {
            // The survey already reported and counted this.
            Err(JournalError::Io { .. }) if survey.journal.unreadable.is_some() => {}
            inspected => drop(inspected?),
        }
        let (mut entries, mut folders) = (Vec::new(), Folders::default());
        let sorted = Sorted::by_user([&hot], "");
        let shared = self.shared.clone();
        write_sorted(&shared, &sorted, WINDOWS, || self.take_id(), &mut entries, &mut folders, |_| ())?;
        self.folders.0.append(&mut folders.0);
        Ok(entries)
    }

    fn users(&mut self, events: &[EventsEntry], progress: &mut dyn FnMut(Progress)) -> Result<Vec<UsersEntry>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let total = events.iter().map(|entry| entry.rows).sum();
        let files: Vec<_> = events.iter().map(|entry| EventsFile::events(*entry, &self.shared)).collect();
        let (id, mut done) = (self.take_id(), 0);
        let entry = users::write(self.layout, id, &files, &mut self.folders, &mut |events| {
            done += events;
            progress(Progress { phase: Phase::Users, done, total });
        })?;
        Ok(vec![entry])
    }

    /// Writes an id index under a temporary name. Returns its length in bytes.
    fn index(&mut self, entry: &EventsEntry) -> Result<u64> {
        let file = EventsFile::events(*entry, &self.shared);
        let (_, footer) = file.open()?;
        let pages = id_pages(&footer.metadata).ok_or_else(|| file.damaged("no page index"))?;
        let path = self.layout.ids_file(entry.id);
        let temporary = path.with_extension("tmp");
        self.layout.remove(&temporary)?;
        let bytes = ids::write(&*self.layout.fs, &temporary, &rows_of(&file)?, &pages)?;
        self.folders.0.insert(self.layout.ids());
        self.put.push((temporary, path));
        Ok(bytes)
    }

    /// Returns files that existed before the repair and that `catalog` does not name.
    fn not_named_by(&self, catalog: &Catalog) -> BTreeSet<PathBuf> {
        let events = catalog.events.iter().map(|entry| EventsFile::events(*entry, &self.shared));
        let users = catalog.users.iter().map(|entry| UsersFile::users(*entry, &self.shared));
        let named: BTreeSet<PathBuf> =
            events.flat_map(|file| file.paths().to_vec()).chain(users.flat_map(|file| file.paths().to_vec())).collect();
        self.survey.there.difference(&named).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
