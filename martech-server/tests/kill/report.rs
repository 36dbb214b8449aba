//! The report on all kills.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::board::Activity;

#[derive(Default)]
pub(crate) struct Report {
    figures: Mutex<Figures>,
}

#[derive(Default)]
pub(crate) struct Figures {
    /// Kills of a serving program, of one that was opening its folder, of one that was stopping, and of imports.
    pub(crate) serving: u64,
    pub(crate) opening: u64,
    pub(crate) ending: u64,
    pub(crate) imports: u64,
    pub(crate) imports_offline: u64,
    /// Kills that interrupted an activity, by activity.
    pub(crate) met: [u64; Activity::ALL.len()],
    /// Kills of the server that left a file half-written.
    pub(crate) unfinished_files: u64,
    pub(crate) terminations: u64,
    pub(crate) recoveries: Vec<Duration>,
    pub(crate) folders: u64,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) stored: u64,
    /// Events that were sent and never acknowledged: stored, and not stored.
    pub(crate) unknown_stored: u64,
    pub(crate) unknown_not_stored: u64,
    pub(crate) bytes: u64,
}

impl Report {
    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a kill that interrupts these activities.
    pub(crate) fn met(&self, activities: &[Activity]) {
        let mut figures = self.figures();
        activities.iter().for_each(|activity| figures.met[*activity as usize] += 1);
    }

    pub(crate) fn import_killed(&self) {
        self.figures().imports += 1;
    }

    /// Returns the number of kills, so far, of processes that had the folder open.
    pub(crate) fn kills(&self) -> u64 {
        let figures = self.figures();
        figures.serving + figures.opening + figures.ending + figures.imports_offline
    }
}

/// The report prints zero lost or duplicated events, because any such event ends the test.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills = self.kills();
        let figures = &mut *self.figures();
        writeln!(f, "{kills} kills in {} data folders", figures.folders)?;
        writeln!(f, "  of a serving server      {:>8}", figures.serving)?;
        writeln!(f, "  while it opened          {:>8}", figures.opening)?;
        writeln!(f, "  while it ended           {:>8}", figures.ending)?;
        writeln!(f, "  of an import into files  {:>8}", figures.imports_offline)?;
        writeln!(f, "imports over HTTP killed   {:>8}", figures.imports)?;
        writeln!(f, "kills of a serving server that met")?;
        for activity in Activity::ALL {
            writeln!(f, "  {:<24} {:>8}", format!("{activity:?}").to_lowercase(), figures.met[activity as usize])?;
        }
        writeln!(f, "  (left a file half-written{:>8})", figures.unfinished_files)?;
        writeln!(f, "clean ends by SIGTERM      {:>8}", figures.terminations)?;
        writeln!(f, "events sent                {:>8}", figures.sent)?;
        writeln!(f, "  acknowledged             {:>8}", figures.acknowledged)?;
        writeln!(f, "  lost, doubled, invented  {:>8}", 0)?;
        writeln!(f, "  unknown outcome, stored  {:>8}", figures.unknown_stored)?;
        writeln!(f, "  unknown outcome, not     {:>8}", figures.unknown_not_stored)?;
        figures.recoveries.sort_unstable();
        let recoveries = &figures.recoveries;
        if let (Some(least), Some(most)) = (recoveries.first(), recoveries.last()) {
            let middle = recoveries[recoveries.len() / 2];
            writeln!(f, "start to listening: min {least:.1?}, median {middle:.1?}, max {most:.1?}")?;
        }
        write!(
            f,
            "bytes on disk at the end of each folder: {} KiB on average",
            figures.bytes / figures.folders.max(1) / 1024
        )
    }
}
