//! `verify` for a MongoDB and for the spool in the data folder.

use std::{fmt, process::ExitCode, sync::Arc};

use martech_core::{
    event::Event,
    fs::{Disk, FileSystem},
    mongodb::{DamagedDocument, MongoOptions, MongoStore},
    spool::{self, SpoolInspection},
};
use serde::Serialize;

use super::{VerifyArgs, bar, fail, print};
use crate::projects::backend::{BackendError, SPOOL};

/// The findings.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    server_version: String,
    events: u64,
    /// Deficiencies of the MongoDB server.
    warnings: Vec<String>,
    /// Number of documents that are not events.
    damaged: u64,
    /// The first thousand of these documents.
    documents: Vec<DamagedDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<Spool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spool {
    behind_events: u64,
    sound: bool,
    findings: Vec<String>,
}

pub(super) fn verify(args: &VerifyArgs, options: MongoOptions) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(check(args, options)) {
        Ok(report) => {
            print(args.json, &report, || report.to_string());
            ExitCode::from(u8::from(!report.is_clean()))
        }
        Err(error) => fail(&error),
    }
}

async fn check(args: &VerifyArgs, options: MongoOptions) -> Result<Report, BackendError> {
    // The spool is local, so its check fails fast if a server is running on this folder.
    let disk: Arc<dyn FileSystem> = Arc::new(Disk);
    let spool = spool::inspect::<Event>(&disk, &args.data_dir.join(SPOOL))?;
    let store = MongoStore::new(options).await?;
    let prepared = store.prepare().await?;
    let bar = bar("events", store.estimate().await?);
    let survey = store.survey(|read| bar.set_position(read)).await?;
    bar.finish_and_clear();
    Ok(Report {
        server_version: prepared.server_version.clone(),
        events: survey.events,
        warnings: prepared.warnings.clone(),
        damaged: survey.damaged,
        documents: survey.findings,
        spool: spool.as_ref().map(Spool::of),
    })
}

impl Spool {
    fn of(found: &SpoolInspection) -> Self {
        let journal = &found.journal;
        let damaged = journal.damaged.iter().map(|bytes| {
            let (segment, range) = (bytes.segment.display(), &bytes.range);
            format!("{segment}: bytes {} to {} are damaged", range.start, range.end)
        });
        let lost = found.lost().map(|frames| format!("frames {} to {} are missing", frames.start(), frames.end()));
        let unreadable = found.unreadable.iter();
        let unreadable =
            unreadable.map(|frame| format!("frame {} contains no events: {}", frame.sequence, frame.reason));
        Self {
            behind_events: found.behind_events,
            sound: found.is_sound(),
            findings: damaged.chain(lost).chain(unreadable).collect(),
        }
    }
}

impl Report {
    fn is_clean(&self) -> bool {
        self.damaged == 0 && self.spool.as_ref().is_none_or(|spool| spool.sound)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} events in MongoDB {}", self.events, self.server_version)?;
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        for document in &self.documents {
            writeln!(f, "document {}: {}", document.id, document.message)?;
        }
        let untold = self.damaged - self.documents.len() as u64;
        if untold > 0 {
            writeln!(f, "and {untold} more documents")?;
        }
        if let Some(spool) = &self.spool {
            writeln!(f, "{} events in the spool are not in MongoDB yet", spool.behind_events)?;
            for finding in &spool.findings {
                writeln!(f, "spool: {finding}")?;
            }
        }
        f.write_str(if self.is_clean() { "no damage" } else { "damage found" })
    }
}
