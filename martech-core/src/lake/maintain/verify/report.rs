use std::{fmt, path::PathBuf};

use serde::Serialize;

/// The result of a check of a data folder.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// The data that was checked.
    pub checked: Checked,
    /// Damage, and notes that are worth knowing.
    pub findings: Vec<Finding>,
}

/// The data that was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Checked {
    /// Events in sound event files.
    pub events: u64,
    /// Events that are in the journal and in no file yet.
    pub hot_events: u64,
    /// Sound event files.
    pub events_files: u64,
    /// Sound users files.
    pub users_files: u64,
    /// Sound frames of the journal.
    pub journal_frames: u64,
    /// Bytes of files and of the journal.
    pub bytes: u64,
}

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// The kind of the finding.
    pub kind: Kind,
    /// Whether the finding is damage. Otherwise it is only worth knowing.
    pub damage: bool,
    /// The path of the file or folder, below the data folder.
    pub path: PathBuf,
    /// The number of events concerned. `None` if it cannot be known.
    pub events: Option<u64>,
    /// A description of the problem.
    pub message: String,
    /// The action that `repair` takes.
    pub remedy: &'static str,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Kind {
    /// A repair was interrupted.
    UnfinishedRepair,
    /// The catalog is missing or cannot be used.
    CatalogDamaged,
    /// The catalog contradicts files whose checksums prove them.
    CatalogWrong,
    /// An event file that the catalog names is missing.
    EventsMissing,
    /// An event file is damaged.
    EventsDamaged,
    /// An id index is missing, or does not match its event file.
    IndexDamaged,
    /// The facts of an event file contradict it.
    FactsWrong,
    /// Properties of events hold half a surrogate pair, which strict JSON readers refuse.
    HalfCharacters,
    /// The users files are damaged, or do not agree with the event files.
    UsersDamaged,
    /// Events are stored more than once.
    Doubled,
    /// Events that are in files according to the catalog are only in the journal.
    NotInFiles,
    /// A part of the journal is damaged or missing.
    JournalDamaged,
    /// A write to the journal was interrupted.
    TornTail,
    /// The facts of an event file are torn, or belong to another file.
    FactsTorn,
    /// The catalog does not name a file.
    Orphan,
    /// Bytes of the journal that were damaged when the lake was opened earlier.
    Quarantined,
}

impl Kind {
    /// Returns whether this kind is damage.
    pub fn is_damage(self) -> bool {
        !matches!(self, Self::TornTail | Self::FactsTorn | Self::Orphan | Self::Quarantined)
    }

    /// Returns the action that `repair` takes.
    fn remedy(self) -> &'static str {
        match self {
            Self::UnfinishedRepair => "finishes the interrupted repair",
            Self::CatalogDamaged => "sets the catalog aside and rebuilds it from the files and the journal",
            Self::CatalogWrong => "sets the catalog aside and corrects it from the files",
            Self::EventsMissing => {
                "removes the file from the catalog; its events are lost, except those still in the journal"
            }
            Self::EventsDamaged => "sets the file aside; its events are lost, except those still in the journal",
            Self::IndexDamaged => "rebuilds the index from the event file; nothing is lost",
            Self::FactsWrong => "sets the facts aside; the next query makes them from the event file; nothing is lost",
            Self::HalfCharacters => "rewrites the file with U+FFFD in place of half pairs; nothing is lost",
            Self::UsersDamaged => "rebuilds the user files from the event files; nothing is lost",
            Self::Doubled => {
                "keeps the copy received first if all copies are equal; sets all copies aside if they differ"
            }
            Self::NotInFiles => "writes the events from the journal to files",
            Self::JournalDamaged => "writes the intact events to files and sets the journal aside",
            Self::TornTail => "none; the data was never acknowledged, and the next start truncates it",
            Self::FactsTorn => "none; facts are a cache, and the next query makes them from the event file",
            Self::Orphan => "none; a crash left the file, and the next start removes it",
            Self::Quarantined => "none; the file is a copy for inspection and may be removed",
        }
    }
}

impl Finding {
    pub(crate) fn new(kind: Kind, path: PathBuf, events: Option<u64>, message: impl Into<String>) -> Self {
        Self { kind, damage: kind.is_damage(), path, events, message: message.into(), remedy: kind.remedy() }
    }
}

impl Report {
    /// Returns whether there is no damage.
    pub fn is_clean(&self) -> bool {
        self.damage().next().is_none()
    }

    /// Returns the findings that are damage.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.damage)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.damage { "DAMAGE" } else { "note  " };
        writeln!(f, "{severity} {}: {}", self.path.display(), self.message)?;
        match self.events {
            _ if !self.damage => {}
            Some(events) => writeln!(f, "       events affected: {events}")?,
            None => writeln!(f, "       events affected: unknown")?,
        }
        write!(f, "       repair: {}", self.remedy)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        let Checked { events, hot_events, events_files, users_files, journal_frames, .. } = self.checked;
        write!(
            f,
            "intact: {events} events in {events_files} files, {hot_events} events in {journal_frames} journal \
             frames, {users_files} user files; "
        )?;
        match self.damage().count() {
            0 => write!(f, "no damage"),
            1 => write!(f, "1 damaged item"),
            count => write!(f, "{count} damaged items"),
        }
    }
}
