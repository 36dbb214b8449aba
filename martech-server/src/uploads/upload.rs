//! The description of an upload, as it is stored and shown.

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    identity::ProjectId,
    import::{Counts, Delimiter, Format, Reasons, Tally},
    projects::Project,
};

/// Number of reasons for rejections that are shown.
const SHOWN: usize = 10;

/// The state of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportState)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// The file was not imported yet.
    Uploaded,
    Running,
    /// The file was read to its end.
    Finished,
    Failed,
    Cancelled,
}

/// An upload, and its last import.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) project: ProjectId,
    /// When the project was created. Another project with the same id may follow it.
    pub(crate) project_created_at: Timestamp,
    pub(crate) file_name: String,
    pub(crate) bytes: u64,
    pub(crate) format: Format,
    /// The delimiter of delimited text, as the option has it.
    pub(crate) delimiter: Option<String>,
    /// The name of the encoding, unless it is UTF-8 or a byte order mark names it.
    pub(crate) encoding: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) sample: Vec<Vec<String>>,
    pub(crate) created_at: Timestamp,
    pub(crate) state: State,
    /// Whether the last import was a dry run. `None` before the first one.
    pub(crate) dry_run: Option<bool>,
    pub(crate) counts: Counts,
    pub(crate) bytes_read: u64,
    pub(crate) reasons: Vec<Reason>,
    /// The number of rejected records that are not in the rejects, because their size is limited.
    pub(crate) rejects_omitted: u64,
    /// The first event of a dry run, as JSON.
    pub(crate) first_event: Option<String>,
    /// Why the last import ended early.
    pub(crate) error: Option<String>,
    pub(crate) finished_at: Option<Timestamp>,
}

/// Why records were rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportReason)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reason {
    /// The code of the rejection.
    pub(crate) code: String,
    /// The field that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(crate) field: Option<String>,
    /// The message of the first record with this code and field.
    pub(crate) message: String,
    /// The number of records.
    pub(crate) count: u64,
    /// The line of the first record.
    pub(crate) first_line: u64,
}

impl Upload {
    /// Returns whether a project has received the file, rather than another project with the same id.
    pub(super) fn is_of(&self, project: &Project) -> bool {
        self.project == *project.id() && self.project_created_at == project.created_at()
    }

    /// Forgets the last import, and begins another one.
    pub(super) fn begin(&mut self, dry_run: bool) {
        self.state = State::Running;
        self.dry_run = Some(dry_run);
        self.counts = Counts::default();
        self.bytes_read = 0;
        self.reasons.clear();
        self.rejects_omitted = 0;
        self.first_event = None;
        self.error = None;
        self.finished_at = None;
    }

    pub(super) fn set_reasons(&mut self, reasons: &Reasons) {
        let reason = |tally: &Tally| Reason {
            code: tally.code.clone(),
            field: tally.field.clone(),
            message: tally.message.clone(),
            count: tally.records,
            first_line: tally.line,
        };
        self.reasons = reasons.commonest().take(SHOWN).map(reason).collect();
    }
}

/// Returns a delimiter as the option has it.
pub(super) fn delimiter_name(delimiter: Delimiter) -> String {
    match delimiter {
        Delimiter::Whitespace => "whitespace".to_owned(),
        Delimiter::Byte(b'\t') => "tab".to_owned(),
        Delimiter::Byte(byte) => char::from(byte).to_string(),
    }
}
