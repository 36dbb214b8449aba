//! Makes the JSON text of an event from a record, without building a tree of values.

use std::borrow::Cow;

use super::{
    cells::Cells,
    id::IdMaker,
    layout::{Child, Layout, Node, Source},
    members::{Members, text_of},
    rejects::Reason,
    target::Field,
};

/// A record, taken apart.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    Columns { cells: &'a Cells, record: &'a str },
    Object(&'a Members<'a>),
}

/// A value of a record, or a constant.
#[derive(Clone, Copy)]
enum Value<'a> {
    /// Text of a column or of an option: a number where it looks like one.
    Text(&'a str),
    /// JSON, not null.
    Json(&'a str),
}

impl<'a> View<'a> {
    fn get(self, source: &'a Source) -> Option<Value<'a>> {
        match (source, self) {
            (Source::Constant(text), _) => Some(Value::Text(text)),
            (Source::Column(column), View::Columns { cells, record }) => cells.get(record, *column).map(Value::Text),
            (Source::Member(path), View::Object(members)) => members.find(path).map(Value::Json),
            _ => None,
        }
    }
}

/// Writes events; its memory is used again.
pub(crate) struct Composer {
    layout: Layout,
    ids: IdMaker,
    json: Vec<u8>,
}

impl Composer {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, ids: IdMaker::default(), json: Vec::new() }
    }

    /// The JSON text of the event that a record is. `text` is the record's own text, `number` its position.
    pub(crate) fn compose(&mut self, view: View<'_>, text: &str, number: u64) -> Result<&str, Reason> {
        if let View::Object(members) = view
            && let Some(name) = members.duplicate()
        {
            let message = format!("the member {name:?} is there twice");
            return Err(Reason::new("duplicate_key", message).at(name));
        }
        let Self { layout, ids, json } = self;
        let value = |field: Field| layout.fields[field as usize].as_ref().and_then(|source| view.get(source));
        json.clear();

        json.extend_from_slice(b"{\"type\":");
        let kind = value(Field::Type).map(text_or_json);
        let kind = match &kind {
            Some(Ok(name)) => layout.renames.get(&**name).map_or(&**name, String::as_str),
            Some(Err(json)) => {
                return Err(Reason::new("wrong_type", format!("type is a text, not {}", cut(json))).at("type"));
            }
            None => return Err(Reason::new("missing_field", "type is missing; --set or --map it").at("type")),
        };
        write_text(json, kind);

        json.extend_from_slice(b",\"eventId\":");
        match value(Field::EventId) {
            Some(value) => write_name(json, value),
            None => write_text(json, &ids.id(text, number, kind).to_string()),
        }

        json.extend_from_slice(b",\"occurredAt\":");
        let usual = layout.times.takes_epoch_millis();
        match value(Field::OccurredAt).map(|value| if usual { text_or_number(value) } else { text_or_json(value) }) {
            Some(Ok(time)) => match layout.times.read(&time) {
                Ok(time) => json.extend_from_slice(time.millis().to_string().as_bytes()),
                Err(fault) => {
                    return Err(Reason::new("invalid_time", format!("{:?} is {fault}", cut(&time))).at("occurredAt"));
                }
            },
            Some(Err(other)) => json.extend_from_slice(other.as_bytes()),
            None => {
                let message = "occurredAt is missing: an import does not make up times";
                return Err(Reason::new("missing_field", message).at("occurredAt"));
            }
        }

        for (field, key) in [
            (Field::UserId, &b",\"userId\":"[..]),
            (Field::AnonymousId, b",\"anonymousId\":"),
            (Field::SessionId, b",\"sessionId\":"),
        ] {
            if let Some(value) = value(field) {
                json.extend_from_slice(key);
                write_name(json, value);
            }
        }
        write_properties(json, layout, view)?;
        json.push(b'}');
        // Every piece was text, cut at ASCII characters.
        std::str::from_utf8(json).map_err(|_| Reason::new("invalid_utf8", "not UTF-8"))
    }
}

/// The text that a value means: of a column as it is, of JSON the string, or the digits of a number.
/// What is neither is handed back.
fn text_or_json(value: Value<'_>) -> Result<Cow<'_, str>, &str> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        Value::Json(json) if json.starts_with('"') => text_of(json).ok_or(json),
        Value::Json(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Ok(Cow::Borrowed(json)),
        Value::Json(json) => Err(json),
    }
}

/// As [`text_or_json`], but a JSON number is handed back too.
fn text_or_number(value: Value<'_>) -> Result<Cow<'_, str>, &str> {
    match value {
        Value::Json(json) if !json.starts_with('"') => Err(json),
        value => text_or_json(value),
    }
}

/// An id or a name: always a string, even if the record has a number there.
fn write_name(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Json(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => write_text(out, json),
        Value::Json(json) => out.extend_from_slice(json.as_bytes()),
        Value::Text(text) => write_text(out, text),
    }
}

/// A property: the text of a number stays as it is, digit for digit.
fn write_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Json(json) => out.extend_from_slice(json.as_bytes()),
        Value::Text(text) if is_plain_number(text) => out.extend_from_slice(text.as_bytes()),
        Value::Text(text) => write_text(out, text),
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a string has a JSON text, and a Vec takes it");
    }
}

/// A JSON number without an exponent: `007` and `1e5` are texts.
fn is_plain_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(a, b)| (a, Some(b)));
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

fn write_properties(out: &mut Vec<u8>, layout: &Layout, view: View<'_>) -> Result<(), Reason> {
    let base = match layout.base.as_ref().and_then(|source| view.get(source)) {
        None => None,
        Some(Value::Json(json)) => Some(json),
        Some(Value::Text(text)) => {
            // It goes into the event as it is, so it must be one whole JSON value.
            let whole: serde_json::Result<&serde_json::value::RawValue> = serde_json::from_str(text);
            Some(whole.map_err(|error| malformed(&error))?.get())
        }
    };
    let mut rest: &mut dyn Iterator<Item = (&str, &str)> = &mut std::iter::empty();
    let mut left_over;
    if let (View::Object(members), true) = (view, layout.keep_rest) {
        left_over =
            members.0.iter().filter(|(key, _)| !layout.taken.contains(&**key)).map(|(key, value)| (&**key, *value));
        rest = &mut left_over;
    }
    let mut rest = rest.peekable();
    if layout.properties.children.is_empty() && rest.peek().is_none() {
        if let Some(base) = base {
            out.extend_from_slice(b",\"properties\":");
            out.extend_from_slice(base.as_bytes());
        }
        return Ok(());
    }
    let base = match base {
        Some(json) if json.starts_with('{') => Some(Members::parse(json).map_err(|error| malformed(&error))?),
        Some(_) => return Err(Reason::new("wrong_type", "properties is a JSON object").at("properties")),
        None => None,
    };
    let mark = out.len();
    out.extend_from_slice(b",\"properties\":");
    let written = write_object(out, &layout.properties, view, base.as_ref(), rest);
    if !written && base.is_none() {
        out.truncate(mark);
    }
    Ok(())
}

/// The members of `base` with those of `node` laid over them, then the rest; whether there was any.
fn write_object<'a>(
    out: &mut Vec<u8>,
    node: &Node,
    view: View<'_>,
    base: Option<&'a Members<'a>>,
    rest: impl Iterator<Item = (&'a str, &'a str)>,
) -> bool {
    let mut any = false;
    let key = |out: &mut Vec<u8>, any: &mut bool, name: &str| {
        out.push(if *any { b',' } else { b'{' });
        *any = true;
        write_text(out, name);
        out.push(b':');
    };
    let base = base.map_or(&[][..], |base| &base.0);
    let kept = base.iter().map(|(name, value)| (&**name, *value));
    for (name, value) in kept.filter(|(name, _)| !node.children.contains_key(*name)).chain(rest) {
        key(out, &mut any, name);
        out.extend_from_slice(value.as_bytes());
    }
    for (name, child) in &node.children {
        let own = base.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
        let (mark, any_before) = (out.len(), any);
        key(out, &mut any, name);
        let written = match child {
            Child::Value(source) => match view.get(source).or(own.map(Value::Json)) {
                Some(value) => {
                    write_value(out, value);
                    true
                }
                None => false,
            },
            Child::Object(node) => {
                let own = own.and_then(|json| Members::parse(json).ok());
                write_object(out, node, view, own.as_ref(), std::iter::empty())
            }
        };
        if !written {
            out.truncate(mark);
            any = any_before;
        }
    }
    if any {
        out.push(b'}');
    } else {
        out.extend_from_slice(b"{}");
    }
    any
}

fn malformed(error: &serde_json::Error) -> Reason {
    Reason::new("malformed_json", format!("properties is not JSON: {error}")).at("properties")
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

#[cfg(test)]
mod tests;
