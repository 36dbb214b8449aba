//! Writes the JSON text of an event from a record, without building a tree of values.

mod json;
mod properties;
mod view;

use martech_core::event::EventType;

pub(crate) use self::view::View;
use self::{
    json::{write_name, write_text},
    properties::write_properties,
    view::{Value, cut, text_or_json},
};
use super::{id::IdMaker, layout::Layout, rejects::Reason, target::Field, terms::Flag};

/// Writes events into a buffer that is reused.
pub(crate) struct Composer {
    layout: Layout,
    ids: IdMaker,
    json: Vec<u8>,
}

impl Composer {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, ids: IdMaker::default(), json: Vec::new() }
    }

    /// Returns the columns that are left out because others are mapped to the same figure.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.layout.left_out
    }

    /// Returns whether the record has no id of its own.
    pub(crate) fn makes_id(&self, view: View<'_>) -> bool {
        field(&self.layout, view, Field::EventId).is_none()
    }

    /// Returns the JSON text of the event. `text` is the text of the record, and `ordinal` is the number of equal
    /// records before it.
    pub(crate) fn compose(&mut self, view: View<'_>, text: &str, ordinal: u64) -> Result<&str, Reason> {
        if let View::Object(members) = view
            && let Some(name) = members.duplicate()
        {
            let message = format!("duplicate member {name:?}");
            return Err(Reason::new("duplicate_key", message).at(name));
        }
        let Self { layout, ids, json } = self;
        let value = |name: Field| field(layout, view, name);
        json.clear();

        json.extend_from_slice(b"{\"type\":");
        let kind = value(Field::Type).map(text_or_json);
        let kind = match &kind {
            Some(Ok(name)) => layout.renames.get(name.trim()).map_or(name.trim(), String::as_str),
            Some(Err(json)) => {
                return Err(Reason::new("wrong_type", format!("type must be a string, not {}", cut(json))).at("type"));
            }
            None => {
                let [set, map] = [Flag::Set, Flag::Map].map(|flag| layout.terms.name(flag));
                let message = format!("type is missing; set it with {set} or {map}");
                return Err(Reason::new("missing_field", message).at("type"));
            }
        };
        write_text(json, kind);

        json.extend_from_slice(b",\"eventId\":");
        match value(Field::EventId) {
            Some(value) => write_name(json, value),
            None => write_text(json, &ids.id(text, ordinal, kind).to_string()),
        }

        json.extend_from_slice(b",\"occurredAt\":");
        match value(Field::OccurredAt).map(text_or_json) {
            Some(Ok(time)) => match layout.times.read(&time) {
                // Written as text: as a number, a small value is rejected as seconds.
                Ok(time) => write_text(json, &time.to_string()),
                Err(fault) => {
                    return Err(Reason::new("invalid_time", format!("{:?} is {fault}", cut(&time))).at("occurredAt"));
                }
            },
            Some(Err(other)) => json.extend_from_slice(other.as_bytes()),
            None => {
                let message = "occurredAt is missing; every record needs a time";
                return Err(Reason::new("missing_field", message).at("occurredAt"));
            }
        }

        for (name, key) in [
            (Field::UserId, &b",\"userId\":"[..]),
            (Field::AnonymousId, b",\"anonymousId\":"),
            (Field::SessionId, b",\"sessionId\":"),
        ] {
            if let Some(value) = value(name) {
                json.extend_from_slice(key);
                write_name(json, value);
            }
        }
        let is_order = kind == EventType::PURCHASE.as_str();
        write_properties(json, layout, view, is_order)?;
        json.push(b'}');
        // Every piece is UTF-8 or was cut at ASCII characters.
        std::str::from_utf8(json).map_err(|_| Reason::new("invalid_utf8", "not UTF-8"))
    }
}

fn field<'a>(layout: &'a Layout, view: View<'a>, name: Field) -> Option<Value<'a>> {
    match view.get(layout.fields[name as usize].as_ref()?, &layout.nulls)? {
        Value::Column(text) => Some(Value::Name(text)),
        value => Some(value),
    }
}

#[cfg(test)]
mod tests;
