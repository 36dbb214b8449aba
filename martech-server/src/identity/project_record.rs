//! The stored record of a project: its name and its own settings.

use martech_core::event::{Currency, EventType, EventTypes, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type},
};

use super::ProjectId;
use crate::{
    identity::{NAME_EXPECTED, is_name},
    records::Entity,
    util::given,
};

/// The record of a project. A setting that is `None` has the value of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectRecord {
    pub(crate) id: ProjectId,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) time_zone: Option<String>,
    #[serde(default)]
    pub(crate) currency: Option<String>,
    #[serde(default)]
    pub(crate) event_types: Option<Vec<String>>,
    /// Zero for no limit.
    #[serde(default)]
    pub(crate) retention_days: Option<u32>,
    /// Zero for no quota.
    #[serde(default)]
    pub(crate) events_per_day: Option<u64>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Entity for ProjectRecord {
    const TABLE: &'static str = "projects";

    fn key(&self) -> &str {
        self.id.as_str()
    }

    fn owner(&self) -> &str {
        ""
    }
}

/// A change to a project. Absent fields keep their value. `null` resets a setting other than `name` to that of the
/// server.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProjectChange {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = "iana-time-zone", example = "Europe/Berlin")]
    pub(crate) time_zone: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = currency)]
    pub(crate) currency: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = event_types)]
    pub(crate) event_types: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, maximum = 36500)]
    pub(crate) retention_days: Option<Option<Whole>>,
    /// The quota of events per UTC day. 0 for no quota.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_i64)]
    pub(crate) events_per_day: Option<Option<Whole>>,
}

/// Returns the schema of `currency` for the API description.
pub(crate) fn currency() -> Schema {
    let code = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let format = SchemaFormat::Custom("iso-4217".to_owned());
    code.format(Some(format)).pattern(Some("^[A-Za-z]{3}$")).examples(["EUR"]).into()
}

/// Returns the schema of `eventTypes` for the API description.
pub(crate) fn event_types() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([*]|[A-Za-z][A-Za-z0-9_.:-]{0,63})$"));
    let list = ArrayBuilder::new().items(name).max_items(Some(MAX_TYPES));
    list.schema_type(SchemaType::from_iter([Type::Array, Type::Null])).into()
}

/// A whole number in JSON, where `30.0` is also one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Whole(pub(crate) u32);

impl TryFrom<f64> for Whole {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let whole = number as u32;
        if f64::from(whole) == number { Ok(Self(whole)) } else { Err("expected a whole number from 0 to 4294967295") }
    }
}

/// An invalid field: its name, and what is wrong with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidField(pub(crate) &'static str, pub(crate) String);

const MAX_TYPES: usize = 1000;
/// One hundred years.
pub(super) const MAX_RETENTION_DAYS: u32 = 36_500;

impl ProjectRecord {
    /// Returns a record without own settings. The name is the id.
    pub(crate) fn new(id: ProjectId, now: Timestamp) -> Self {
        let name = id.to_string();
        Self {
            id,
            name,
            time_zone: None,
            currency: None,
            event_types: None,
            retention_days: None,
            events_per_day: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Returns the record with a change applied.
    ///
    /// # Errors
    /// Returns the first field that is invalid.
    pub(crate) fn with(&self, change: ProjectChange, now: Timestamp) -> Result<Self, InvalidField> {
        let ProjectChange { name, time_zone, currency, event_types, retention_days, events_per_day } = change;
        let changed = Self {
            name: name.unwrap_or_else(|| self.name.clone()),
            time_zone: time_zone.unwrap_or_else(|| self.time_zone.clone()),
            currency: currency.unwrap_or_else(|| self.currency.clone()),
            event_types: event_types.unwrap_or_else(|| self.event_types.clone()),
            retention_days: retention_days.map_or(self.retention_days, |days| days.map(|Whole(days)| days)),
            events_per_day: events_per_day
                .map_or(self.events_per_day, |events| events.map(|Whole(events)| events.into())),
            updated_at: now,
            ..self.clone()
        };
        changed.check().map(|()| changed)
    }

    /// Returns the project's own currency. A value that this version does not know counts as absent.
    pub(crate) fn currency(&self) -> Option<Currency> {
        self.currency.as_deref()?.parse().ok()
    }

    /// Returns the project's own event types. A value that this version does not know counts as absent.
    pub(crate) fn event_types(&self) -> Option<EventTypes> {
        self.event_types.as_deref()?.join(",").parse().ok()
    }

    fn check(&self) -> Result<(), InvalidField> {
        let invalid = |field, message: &dyn ToString| Err(InvalidField(field, message.to_string()));
        if !is_name(&self.name) {
            return invalid("name", &NAME_EXPECTED);
        }
        if let Some(Err(error)) = self.time_zone.as_deref().map(martech_core::query::parse_time_zone) {
            return invalid("timeZone", &error.message);
        }
        if let Some(Err(error)) = self.currency.as_deref().map(Currency::iso_4217) {
            return invalid("currency", &error);
        }
        if self.retention_days.is_some_and(|days| days > MAX_RETENTION_DAYS) {
            return invalid("retentionDays", &"are 36,500 at most; 0 keeps events for ever");
        }
        let types = self.event_types.as_deref().unwrap_or_default();
        if types.len() > MAX_TYPES {
            return invalid("eventTypes", &"are a thousand at most");
        }
        for name in types.iter().filter(|name| *name != "*") {
            if let Err(error) = EventType::parse(name) {
                return invalid("eventTypes", &error);
            }
        }
        Ok(())
    }
}
