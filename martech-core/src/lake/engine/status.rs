use super::counters::WorkStats;

/// Figures of a lake.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LakeStatus {
    /// Number of events.
    pub events: u64,
    /// Number of events that are in no file yet.
    pub hot_events: u64,
    /// Number of live event files.
    pub files: u64,
    /// Bytes of all live files, without facts, which are a cache of about 10 bytes an event.
    pub file_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of memory of the id indexes.
    pub dedupe_bytes: u64,
    /// Parts of the journal that were damaged or missing when the lake was opened.
    pub journal_damage: u64,
    /// Bytes that were cut from the end of the journal when the lake was opened: a write that a power loss interrupted,
    /// or damage to the newest events.
    pub journal_cut_bytes: u64,
    /// Rolls: hot tables that were written to files.
    pub rolls: WorkStats,
    /// Compactions: merges of files.
    pub compactions: WorkStats,
    /// Why the lake accepts no events or cannot roll. Absent if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
