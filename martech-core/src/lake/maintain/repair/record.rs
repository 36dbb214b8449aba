//! The record of a repair: it is written before its steps are carried out, so that an interrupted repair can be
//! completed.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    fs,
    journal::{Journal, JournalOptions},
    lake::{
        error::{Context, LakeError, Result},
        files::{
            catalog::{Catalog, load_sealed, store_sealed},
            layout::Layout,
        },
    },
};

/// The files that a repair moved aside, and the events that are lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Losses {
    /// The folder of all files that were moved aside, below the data folder. Its `report.json` contains these losses.
    pub folder: PathBuf,
    /// Event files that were damaged or missing.
    pub files: Vec<LostFile>,
    /// Events that were in no sound file and still in the journal. They are not lost.
    pub recovered: u64,
    /// Lost frames of the journal. Each holds the events of one or more requests.
    pub frames: u64,
    /// Whether a part of the journal could not be read, so that its content is unknown.
    pub unreadable: bool,
    /// Events with copies that differ. None of the copies was kept.
    pub conflicts: Vec<Conflict>,
    /// Dropped copies of events of which one copy was kept. They are no loss.
    pub copies: u64,
    /// Whether there was no catalog to prove the metadata of the files that were kept. Their own checksums prove the
    /// rest.
    pub unproven: bool,
    /// All files that were moved aside, by their old paths below the data folder.
    pub set_aside: Vec<PathBuf>,
}

/// A lost event file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LostFile {
    /// The path of the file, below the data folder.
    pub path: PathBuf,
    /// The first and the last UTC day of its events. `None` without a catalog.
    pub days: Option<[String; 2]>,
    /// The number of its events, according to the catalog. `None` without a catalog.
    pub events: Option<u64>,
}

/// An event with copies that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Conflict {
    /// The id of the event.
    pub id: String,
    /// The UTC day of the event.
    pub day: String,
    /// The number of copies.
    pub copies: u64,
}

impl Losses {
    /// Returns the number of events lost with files and in conflicts. Returns `None` if it cannot be known: files are
    /// lost and there is no catalog, journal frames are lost, or a part of the journal could not be read.
    pub fn events(&self) -> Option<u64> {
        let files = self.files.iter().map(|file| file.events).sum::<Option<u64>>()?;
        let known = files + self.conflicts.len() as u64;
        (self.frames == 0 && !self.unreadable).then(|| known.saturating_sub(self.recovered))
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LostFile { path, days, events } in &self.files {
            let count = events.map_or("an unknown number of".to_owned(), |events| events.to_string());
            let days = match days {
                Some([first, last]) if first == last => format!(" of {first}"),
                Some([first, last]) => format!(" of {first} to {last}"),
                None => String::new(),
            };
            writeln!(f, "lost: {}, {count} events{days}", path.display())?;
        }
        if self.frames > 0 {
            writeln!(f, "lost: {} journal frames, with an unknown number of events", self.frames)?;
        }
        if self.unreadable {
            writeln!(f, "lost: an unreadable part of the journal, with an unknown number of events")?;
        }
        for Conflict { id, day, copies } in &self.conflicts {
            writeln!(f, "lost: event {id} of {day}: {copies} copies that differ")?;
        }
        if self.recovered > 0 {
            writeln!(f, "recovered: {} events from the journal that were in no intact file", self.recovered)?;
        }
        if self.copies > 0 {
            writeln!(f, "removed: {} duplicate copies of events; one copy of each event remains", self.copies)?;
        }
        if self.unproven {
            writeln!(
                f,
                "file metadata could not be verified without the catalog; file contents were verified by checksums"
            )?;
        }
        match self.events() {
            Some(0) => write!(f, "no events lost")?,
            Some(events) => write!(f, "{events} events lost")?,
            None => write!(f, "the number of lost events is unknown")?,
        }
        write!(f, "; {} files set aside in {}", self.set_aside.len(), self.folder.display())
    }
}

/// The format of a record.
const FORMAT: u32 = 2;

/// The remaining steps of a repair. Paths are below the data folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Record {
    format: u32,
    /// New files, from the temporary name to the final one.
    put: Vec<(PathBuf, PathBuf)>,
    /// Whether the journal is moved aside and a new one is begun.
    new_journal: bool,
    catalog: Catalog,
    pub(crate) losses: Losses,
}

impl Record {
    pub(crate) fn new(
        aside: Vec<PathBuf>,
        put: Vec<(PathBuf, PathBuf)>,
        new_journal: bool,
        catalog: Catalog,
        losses: Losses,
    ) -> Self {
        Self { format: FORMAT, put, new_journal, catalog, losses: Losses { set_aside: aside, ..losses } }
    }

    /// Reads the record that an interrupted repair left.
    pub(crate) fn load(layout: &Layout) -> Result<Option<Self>> {
        match load_sealed(layout, &layout.repairing(), FORMAT..=FORMAT) {
            Err(LakeError::OldFormat(_)) => Err(LakeError::Damaged {
                path: layout.repairing(),
                message: "an older program began this repair; finish it with that program".to_owned(),
            }),
            loaded => loaded,
        }
    }

    pub(crate) fn store(&self, layout: &Layout) -> Result<()> {
        store_sealed(layout, &layout.repairing(), self)
    }

    /// Carries out the steps. Steps that were done before are skipped.
    pub(crate) fn carry_out(&self, layout: &Layout) -> Result<()> {
        let folder = layout.root.join(&self.losses.folder);
        let aside = self.losses.set_aside.iter().map(|path| (layout.root.join(path), folder.join(path)));
        // Files are moved aside first, and durably, because a new file may get the same name.
        rename_all(layout, aside)?;
        let put = self.put.iter().map(|(from, to)| (layout.root.join(from), layout.root.join(to)));
        rename_all(layout, put)?;
        self.catalog.store(layout)?;
        if self.new_journal {
            // The sizes do not matter: the next process that opens the journal sets its own.
            let options = JournalOptions { segment_bytes: 1, capacity_bytes: 1 };
            let (journal, _) = Journal::open(layout.fs.clone(), &layout.journal(), options)?;
            journal.start_at_least(self.catalog.sequence + 1)?;
        }
        layout.fs.create_dir_all(&folder).context("cannot create the folder", &folder)?;
        let report = folder.join("report.json");
        let losses = serde_json::to_vec_pretty(&self.losses).expect("serializing numbers and text cannot fail");
        fs::replace(&*layout.fs, &report, &losses).context("cannot write", report)?;
        layout.remove(&layout.repairing())?;
        layout.fs.sync_dir(&layout.root).context("cannot sync the folder", &layout.root)
    }
}

/// Renames files durably. Skips a file if the new name exists or the old one does not.
fn rename_all(layout: &Layout, renames: impl Iterator<Item = (PathBuf, PathBuf)>) -> Result<()> {
    let mut folders = BTreeSet::new();
    for (from, to) in renames {
        if is_there(layout, &to)? || !is_there(layout, &from)? {
            continue;
        }
        let folder = to.parent().unwrap_or(&layout.root);
        layout.fs.create_dir_all(folder).context("cannot create the folder", folder)?;
        layout.fs.rename(&from, &to).context("cannot rename", &from)?;
        folders.extend([&from, &to].into_iter().filter_map(|path| path.parent()).map(Path::to_owned));
    }
    folders.iter().try_for_each(|dir| layout.fs.sync_dir(dir).context("cannot sync the folder", dir))
}

/// Returns whether a file exists. A file that cannot be read exists too.
fn is_there(layout: &Layout, path: &Path) -> Result<bool> {
    match layout.fs.open_to_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        _ => Ok(true),
    }
}
