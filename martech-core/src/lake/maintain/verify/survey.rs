//! A survey of a data folder: the report, and the data that a repair builds on.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::file::reader::Length;

use super::{
    Phase, Progress, VerifyOptions, events, ids,
    journal::Found,
    report::{Finding, Kind, Report},
};
use crate::{
    event::EventKey,
    fs::ReadOnly,
    lake::{
        error::{Context, LakeError, Result, guarded},
        files::{
            catalog::{Catalog, EventsEntry},
            facts::Fit,
            layout::Layout,
            live::{EventsFile, Shared, UsersFile},
            parquet_file::{Input, Tail},
        },
        maintain::users,
        rows::window::Days,
    },
};

/// The result of a survey.
pub(crate) struct Survey {
    pub(crate) report: Report,
    /// `None` if there is no usable catalog.
    pub(crate) catalog: Option<Catalog>,
    /// Sound event files. The entries state what the files hold, even if the catalog states something else.
    pub(crate) sound: Vec<EventsEntry>,
    /// Sound files whose id index must be rebuilt.
    pub(crate) to_index: Vec<EventsEntry>,
    /// The paths of wrong facts.
    pub(crate) wrong_facts: Vec<PathBuf>,
    /// Sound files with properties that must be rewritten.
    pub(crate) with_surrogates: Vec<EventsEntry>,
    /// Event files that are damaged, or that the catalog names and that are missing.
    pub(crate) lost: Vec<EventsEntry>,
    pub(crate) journal: Found,
    /// Events of the journal that should be in files and are in none.
    pub(crate) salvage: HashSet<EventKey>,
    /// All files in the folders of events, ids and users.
    pub(crate) there: BTreeSet<PathBuf>,
}

impl Survey {
    /// Surveys a data folder. The caller must hold its lock.
    pub(crate) fn take(options: &VerifyOptions, progress: &mut dyn FnMut(Progress)) -> Result<Self> {
        let layout = Layout { fs: Arc::new(ReadOnly(options.fs.clone())), root: options.dir.clone() };
        let mut surveyor = Surveyor::new(layout, options.memory, progress)?;
        if surveyor.shared.layout.fs.open(&surveyor.shared.layout.repairing()).is_ok() {
            let path = PathBuf::from("repair.json");
            surveyor.find(Kind::UnfinishedRepair, &path, Some(0), "a repair was interrupted; nothing else was checked");
            return Ok(surveyor.survey);
        }
        surveyor.catalog()?;
        surveyor.events();
        surveyor.users();
        surveyor.orphans();
        surveyor.journal()?;
        surveyor.ids()?;
        surveyor.sums()?;
        surveyor.survey.report.findings.sort_by_key(|finding| !finding.damage);
        Ok(surveyor.survey)
    }

    /// Returns Parquet files in the folder of events whose names are not those of event files.
    pub(crate) fn unknown_event_files(&self, layout: &Layout) -> Vec<PathBuf> {
        let is_unknown = |path: &&PathBuf| {
            path.starts_with(layout.events())
                && path.extension().is_some_and(|extension| extension == "parquet")
                && layout.events_file_id(path).is_none()
        };
        self.there.iter().filter(is_unknown).cloned().collect()
    }

    /// Returns whether the catalog must be rebuilt. Damaged id indexes, wrong facts and lone surrogates do not require
    /// that.
    pub(crate) fn needs_new_catalog(&self) -> bool {
        self.report
            .damage()
            .any(|finding| !matches!(finding.kind, Kind::IndexDamaged | Kind::FactsWrong | Kind::HalfCharacters))
    }
}

struct Surveyor<'a> {
    shared: Arc<Shared>,
    memory: usize,
    progress: &'a mut dyn FnMut(Progress),
    survey: Survey,
    /// The users files, if all of them are sound.
    users: Option<Vec<Arc<UsersFile>>>,
}

impl<'a> Surveyor<'a> {
    fn new(layout: Layout, memory: usize, progress: &'a mut dyn FnMut(Progress)) -> Result<Self> {
        let survey = Survey {
            report: Report::default(),
            catalog: None,
            sound: Vec::new(),
            to_index: Vec::new(),
            wrong_facts: Vec::new(),
            with_surrogates: Vec::new(),
            lost: Vec::new(),
            journal: Found::default(),
            salvage: HashSet::new(),
            there: layout.data_files()?.into_iter().collect(),
        };
        let shared = Arc::new(Shared::new(layout));
        Ok(Self { shared, memory, progress, survey, users: None })
    }

    fn find(&mut self, kind: Kind, path: &Path, events: Option<u64>, message: impl Into<String>) {
        let path = self.shared.layout.relative(path);
        self.survey.report.findings.push(Finding::new(kind, path, events, message));
    }

    fn tell(&mut self, phase: Phase, done: u64, total: u64) {
        (self.progress)(Progress { phase, done, total });
    }

    fn catalog(&mut self) -> Result<()> {
        let layout = self.shared.layout.clone();
        match Catalog::load(&layout) {
            Ok(Some(catalog)) => self.survey.catalog = Some(catalog),
            Ok(None) if layout.is_blank().is_ok_and(|blank| blank) => return Err(LakeError::NoLake(layout.root)),
            Ok(None) => self.find(Kind::CatalogDamaged, &layout.catalog(), None, "the file is missing"),
            Err(error @ (LakeError::UnknownFormat { .. } | LakeError::OldFormat(_))) => return Err(error),
            Err(error) => self.find(Kind::CatalogDamaged, &layout.catalog(), None, reason(&error)),
        }
        if self.survey.catalog.is_none() && self.survey.there.iter().any(|path| layout.is_of_old_format(path)) {
            return Err(LakeError::Damaged {
                path: layout.catalog(),
                message: "the file is missing or damaged, and the event files have an older format; repair the folder \
                          with the program that wrote them, and then open it with this one"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Returns the event files that the catalog names. Without a catalog, returns all existing event files, with
    /// unknown content.
    fn candidates(&self) -> Vec<EventsEntry> {
        if let Some(catalog) = &self.survey.catalog {
            return catalog.events.clone();
        }
        let named = self.survey.there.iter().filter_map(|path| {
            let id = self.shared.layout.events_file_id(path)?;
            Some(EventsEntry { id, days: Days::of_day(0), rows: 0, bytes: 0, tail: Tail::default() })
        });
        named.collect()
    }

    fn events(&mut self) {
        let candidates = self.candidates();
        let total = candidates.iter().map(|entry| entry.bytes).sum();
        let mut done = 0;
        for entry in candidates {
            self.tell(Phase::Files, done, total);
            self.events_file(entry);
            done += entry.bytes;
        }
        self.tell(Phase::Files, total, total);
    }

    fn events_file(&mut self, entry: EventsEntry) {
        let layout = self.shared.layout.clone();
        let (path, index) = (layout.events_file(entry.id), layout.ids_file(entry.id));
        let is_named = self.survey.catalog.is_some();
        let concerned = is_named.then_some(entry.rows);
        let mut real = entry;
        if !self.survey.there.contains(&path) {
            self.survey.lost.push(entry);
            return self.find(Kind::EventsMissing, &path, concerned, "the file is missing, but the catalog lists it");
        }
        let sound = match guarded(|| self.sound(&mut real, is_named)) {
            Ok(sound) => sound,
            Err(error) => {
                self.survey.lost.push(entry);
                return self.find(Kind::EventsDamaged, &path, concerned, reason(&error));
            }
        };
        match sound.index {
            Ok(bytes) => real.bytes = sound.bytes + bytes,
            Err(error) => {
                self.find(Kind::IndexDamaged, &index, Some(0), reason(&error));
                // The length of the index is added when it is rebuilt.
                real.bytes = sound.bytes;
                self.survey.to_index.push(real);
            }
        }
        let facts = layout.facts_file(real.id);
        match sound.facts {
            Fit::Right => {}
            Fit::Torn => self.find(Kind::FactsTorn, &facts, Some(0), "the facts are torn or belong to another file"),
            Fit::Wrong => {
                self.find(Kind::FactsWrong, &facts, Some(real.rows), "the facts contradict the event file");
                self.survey.wrong_facts.push(facts);
            }
        }
        let differs = (real.days, real.rows) != (entry.days, entry.rows)
            || (real.bytes != entry.bytes && self.survey.to_index.last() != Some(&real));
        if sound.broken > 0 {
            let message = format!(
                "properties of {} events have half a surrogate pair (\\ud800 to \\udfff), which strict JSON parsers reject",
                sound.broken
            );
            self.find(Kind::HalfCharacters, &path, Some(sound.broken), message);
            self.survey.with_surrogates.push(real);
        }
        if is_named && differs {
            let path = layout.relative(&layout.events_file(real.id));
            let message = format!("wrong entry for {}", path.display());
            self.find(Kind::CatalogWrong, &layout.catalog(), Some(0), message);
        }
        let checked = &mut self.survey.report.checked;
        checked.events += real.rows;
        checked.events_files += 1;
        checked.bytes += real.bytes;
        self.survey.sound.push(real);
    }

    /// Checks an event file, and corrects the entry by what the file states about itself. If a catalog names the entry,
    /// its tail proves these statements.
    fn sound(&self, entry: &mut EventsEntry, is_named: bool) -> Result<events::Sound> {
        let layout = &self.shared.layout;
        let path = layout.events_file(entry.id);
        let stated = Input::open(&*layout.fs, &path)?.stated().context("cannot read", &path)?;
        if is_named && stated.1 != entry.tail {
            let message = "the metadata differs from the catalog".to_owned();
            return Err(LakeError::Damaged { path, message });
        }
        (entry.rows, entry.tail) = stated;
        let sound = events::check(layout, &EventsFile::events(*entry, &self.shared))?;
        entry.days = sound.days;
        Ok(sound)
    }

    fn users(&mut self) {
        let Some(entries) = self.survey.catalog.as_ref().map(|catalog| catalog.users.clone()) else { return };
        let mut sound = Vec::new();
        for entry in &entries {
            let file = UsersFile::users(*entry, &self.shared);
            match guarded(|| check_users(&file)) {
                Ok(()) => {
                    self.survey.report.checked.users_files += 1;
                    self.survey.report.checked.bytes += entry.bytes;
                    sound.push(file);
                }
                Err(error) => self.find(Kind::UsersDamaged, file.path(), Some(0), reason(&error)),
            }
        }
        self.users = (sound.len() == entries.len()).then_some(sound);
    }

    fn orphans(&mut self) {
        let layout = &self.shared.layout;
        let Some(catalog) = &self.survey.catalog else {
            for path in self.survey.unknown_event_files(layout) {
                self.find(Kind::EventsDamaged, &path, None, "the name is not that of an event file");
            }
            return;
        };
        let events = catalog.events.iter().chain(&self.survey.sound);
        let events = events.flat_map(|entry| [layout.events_file(entry.id), layout.ids_file(entry.id)]);
        let users = catalog.users.iter().map(|entry| layout.users_file(entry.id));
        let named: BTreeSet<PathBuf> = events.chain(users).collect();
        let orphans: Vec<PathBuf> = self.survey.there.difference(&named).cloned().collect();
        for orphan in orphans {
            self.find(Kind::Orphan, &orphan, Some(0), "the file is not in the catalog");
        }
    }

    fn journal(&mut self) -> Result<()> {
        let layout = self.shared.layout.clone();
        let persisted = self.survey.catalog.as_ref().map(Catalog::persisted).unwrap_or_default();
        let found = Found::read(&layout, &persisted)?;
        let inspection = &found.inspection;
        let checked = &mut self.survey.report.checked;
        checked.hot_events = found.events.iter().filter(|event| event.hot).count() as u64;
        checked.journal_frames = inspection.frames;
        checked.bytes += inspection.bytes;

        if let Some((path, cause)) = &found.unreadable {
            let message = format!("cannot read: {cause}; the rest of the journal was not checked");
            self.find(Kind::JournalDamaged, path, None, message);
        }
        if inspection.segments.is_empty() {
            self.find(Kind::JournalDamaged, &layout.journal(), None, "the whole journal is missing");
        }
        for damaged in &inspection.damaged {
            let range = &damaged.range;
            let message = format!("{} bytes at offset {} are damaged", range.end - range.start, range.start);
            // The events that are lost are reported below, with the missing sequences.
            self.find(Kind::JournalDamaged, &damaged.segment, Some(0), message);
        }
        // Frames are trimmed only if their rows are in files, so other trimmed frames are missing.
        let trimmed = (self.survey.catalog.is_some() && inspection.trimmed > 0).then_some(1..=inspection.trimmed);
        for missing in trimmed.iter().chain(&inspection.missing) {
            let first = *missing.start().max(&(persisted.through() + 1));
            if first <= *missing.end() {
                let message = format!("frames {first} to {} are missing, with their events", missing.end());
                self.find(Kind::JournalDamaged, &layout.journal(), None, message);
            }
        }
        for frame in &found.strange {
            let message = format!("frame {frame} contains no valid events");
            self.find(Kind::JournalDamaged, &layout.journal(), None, message);
        }
        if let Some(torn) = &inspection.torn {
            let message = format!("{} bytes of an interrupted write at the end", torn.range.end - torn.range.start);
            self.find(Kind::TornTail, &torn.segment, Some(0), message);
        }
        for copy in &inspection.quarantined {
            self.find(Kind::Quarantined, copy, Some(0), "damaged bytes of the journal, set aside at an earlier start");
        }
        self.survey.journal = found;
        Ok(())
    }

    fn ids(&mut self) -> Result<()> {
        let all = self.survey.sound.iter().map(|entry| EventsFile::events(*entry, &self.shared));
        let all: Vec<_> = all.collect();
        let lost: Vec<Days> = self.survey.lost.iter().map(|entry| entry.days).collect();
        let total = self.survey.report.checked.events;
        let (mut done, mut not_in_files, mut findings) = (0, 0, Vec::new());
        for days in ids::ranges(&all, self.memory) {
            (self.progress)(Progress { phase: Phase::Ids, done, total });
            let files: Vec<_> = all.iter().filter(|file| file.entry.days.overlaps(days)).cloned().collect();
            let ending = files.iter().filter(|file| days.holds(file.entry.days.last()));
            done += ending.map(|file| file.entry.rows).sum::<u64>();
            // Without a catalog, nothing tells which events of the journal are in files.
            let journal =
                if self.survey.catalog.is_some() { self.survey.journal.of_days(days) } else { Default::default() };
            let found = ids::look_at(days, &files, journal, self.memory)?;
            let of_lost = |key: &&EventKey| lost.iter().any(|days| days.holds(key.day));
            not_in_files += found.not_in_files.iter().filter(|key| !of_lost(key)).count() as u64;
            self.survey.salvage.extend(found.not_in_files);
            if found.surplus == 0 {
                continue;
            }
            let mut holders = Vec::new();
            for file in &files {
                let count = ids::count(file, &found.doubled)?;
                if count > 0 {
                    holders.push(format!("{count} rows of {:010}.parquet", file.entry.id));
                }
            }
            if journal.iter().any(|event| event.hot && found.doubled.binary_search(&event.key).is_ok()) {
                holders.push("the journal".to_owned());
            }
            let message =
                format!("{} events are stored more than once, in {}", found.doubled.len(), holders.join(", "));
            findings.push((found.surplus, message));
        }
        for (surplus, message) in findings {
            let path = self.shared.layout.events();
            self.find(Kind::Doubled, &path, Some(surplus), message);
        }
        if not_in_files > 0 {
            let message = "events are in no file, but the catalog says that they are";
            self.find(Kind::NotInFiles, &self.shared.layout.journal(), Some(not_in_files), message);
        }
        Ok(())
    }

    /// Checks whether the users files agree with the events. If an event file is lost, they cannot.
    fn sums(&mut self) -> Result<()> {
        let Some(users) = self.users.take().filter(|_| self.survey.lost.is_empty()) else { return Ok(()) };
        let events: Vec<_> = self.survey.sound.iter().map(|entry| EventsFile::events(*entry, &self.shared)).collect();
        let total = self.survey.report.checked.events;
        let progress = &mut *self.progress;
        let mut done = 0;
        let differences = users::compare(&users, &events, &mut |events| {
            if done / TICK != (done + events) / TICK {
                progress(Progress { phase: Phase::Users, done, total });
            }
            done += events;
        })?;
        if let Some(example) = differences.example {
            let message = format!(
                "the figures of {} users differ from the events; one of them is {example:?}",
                differences.users
            );
            self.find(Kind::UsersDamaged, &self.shared.layout.users(), Some(0), message);
        }
        Ok(())
    }
}

/// The number of events between two calls of `progress`.
const TICK: u64 = 64 * 1024;

fn check_users(file: &UsersFile) -> Result<()> {
    let (input, _) = file.open()?;
    input.check_all().context("cannot read", file.path())?;
    let (bytes, expected) = (input.len(), file.entry.bytes);
    if bytes != expected {
        return Err(file.damaged(format!("{bytes} bytes, but the catalog says {expected}")));
    }
    users::check(file)
}

/// Returns the message of an error without the name of the file, which the finding states itself.
fn reason(error: &LakeError) -> String {
    match error {
        LakeError::Damaged { message, .. } => message.clone(),
        LakeError::Io { action, source, .. } => format!("{action}: {source}"),
        LakeError::Parquet { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
