//! The effective settings of a project: its own settings, with those of the server as defaults.

use std::{num::NonZero, sync::Arc};

use jiff::tz::TimeZone;
use martech_core::{
    event::{EventRules, Timestamp},
    query::parse_time_zone,
};

use crate::identity::ProjectRecord;

/// The settings of the server that a project can override.
#[derive(Debug, Clone)]
pub(crate) struct ProjectDefaults {
    pub(crate) rules: EventRules,
    pub(crate) time_zone: TimeZone,
    /// Zero for no limit.
    pub(crate) retention_days: u32,
    /// Zero for no quota.
    pub(crate) events_per_day: u64,
}

/// Advice for senders of an event whose type is not accepted.
const MORE_TYPES: &str =
    "to allow more, list them in MARTECH_EVENT_TYPES, or in the eventTypes of the project (or * for any)";

/// The effective settings of a project.
#[derive(Debug)]
pub(crate) struct ProjectSettings {
    /// The record that these settings come from.
    record: Option<ProjectRecord>,
    pub(crate) rules: Arc<EventRules>,
    pub(crate) time_zone: TimeZone,
    /// The retention of events in days. `None` for no limit.
    pub(crate) retention_days: Option<NonZero<u32>>,
    /// The quota of events per UTC day. `None` for no quota.
    pub(crate) events_per_day: Option<NonZero<u64>>,
}

impl ProjectSettings {
    /// Combines a record with the settings of the server.
    ///
    /// Records are validated before they are stored. A value from another version that this version does not know falls
    /// back to the setting of the server.
    pub(super) fn new(record: Option<&ProjectRecord>, defaults: &ProjectDefaults) -> Self {
        let time_zone = record.and_then(|record| parse_time_zone(record.time_zone.as_deref()?).ok());
        let currency = record.and_then(ProjectRecord::currency);
        let types = record.and_then(ProjectRecord::event_types);
        let rules = defaults.rules.clone();
        let types = types.unwrap_or_else(|| rules.types.clone()).advise(MORE_TYPES);
        let currency = currency.unwrap_or(rules.currency);
        let rules = rules.types(types).currency(currency);
        let days = record.and_then(|record| record.retention_days).unwrap_or(defaults.retention_days);
        let events = record.and_then(|record| record.events_per_day).unwrap_or(defaults.events_per_day);
        Self {
            record: record.cloned(),
            rules: Arc::new(rules),
            time_zone: time_zone.unwrap_or_else(|| defaults.time_zone.clone()),
            retention_days: NonZero::new(days),
            events_per_day: NonZero::new(events),
        }
    }

    /// Returns when the project was created. The default project always existed, with or without a record.
    pub(super) fn created_at(&self) -> Timestamp {
        let record = self.record.as_ref().filter(|record| !record.id.is_default());
        record.map_or(Timestamp::from_millis(0), |record| record.created_at)
    }

    /// Returns whether these settings come from this record.
    pub(super) fn are_of(&self, record: &ProjectRecord) -> bool {
        self.record.as_ref() == Some(record)
    }
}
