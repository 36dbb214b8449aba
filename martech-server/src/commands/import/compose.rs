//! Writes the JSON text of an event from a record, without building a tree of values.

use std::borrow::Cow;

use martech_core::event::{Currency, EventType, Facts};

use super::{
    amount::{Amount, Notation},
    cells::Cells,
    id::IdMaker,
    layout::{Child, Layout, Node, Nulls, Source},
    members::{Members, text_of},
    rejects::Reason,
    target::Field,
};

/// A parsed record.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    Columns { cells: &'a Cells, record: &'a str },
    Object(&'a Members<'a>),
}

/// A value of a record, or a constant.
#[derive(Clone, Copy)]
enum Value<'a> {
    /// Text of a column. It becomes a number if it is one in the notation of the file.
    Column(&'a str),
    /// Text that stays text, even if it looks like a number.
    Text(&'a str),
    /// Text of an option. It becomes a number if it is one in JSON.
    Constant(&'a str),
    /// JSON text other than `null`.
    Json(&'a str),
}

impl<'a> View<'a> {
    fn get(self, source: &'a Source, nulls: &Nulls) -> Option<Value<'a>> {
        match (source, self) {
            (Source::Constant(text), _) => Some(Value::Constant(text)),
            (Source::Column(column) | Source::Text(column), View::Columns { cells, record }) => {
                // A column with nothing but blanks counts as empty.
                let column = cells.get(record, *column).filter(|column| !column.text.trim().is_empty())?;
                let is_null = nulls.column(column.text, column.is_quoted);
                (!is_null).then_some(match source {
                    Source::Text(_) => Value::Text(column.text.trim()),
                    _ => Value::Column(column.text),
                })
            }
            (Source::Member(path), View::Object(members)) => {
                members.find(path).filter(|json| !nulls.json(json)).map(Value::Json)
            }
            _ => None,
        }
    }
}

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
            None => return Err(Reason::new("missing_field", "type is missing; set it with --set or --map").at("type")),
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
                let message = "occurredAt is missing; the import does not make up times";
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
    view.get(layout.fields[name as usize].as_ref()?, &layout.nulls)
}

/// Returns the text of a value: column text as it is, the content of a JSON string, or the digits of a JSON number.
/// Returns any other JSON text as the error.
fn text_or_json(value: Value<'_>) -> Result<Cow<'_, str>, &str> {
    match value {
        Value::Column(text) | Value::Text(text) | Value::Constant(text) => Ok(Cow::Borrowed(text)),
        Value::Json(json) if json.starts_with('"') => text_of(json).ok_or(json),
        Value::Json(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Ok(Cow::Borrowed(json)),
        Value::Json(json) => Err(json),
    }
}

/// Writes an id. Ids are always strings without blanks around them, even if the record has a number.
fn write_name(out: &mut Vec<u8>, value: Value<'_>) {
    match text_or_json(value) {
        Ok(text) => write_text(out, text.trim()),
        Err(json) => out.extend_from_slice(json.as_bytes()),
    }
}

/// Writes a property. The digits of a number do not change.
fn write_value(out: &mut Vec<u8>, value: Value<'_>, numbers: Notation) {
    let (text, numbers) = match value {
        Value::Json(json) => return out.extend_from_slice(json.as_bytes()),
        Value::Text(text) => return write_text(out, text),
        Value::Column(text) => (text, numbers),
        Value::Constant(text) => (text, Notation::default()),
    };
    match numbers.json(text) {
        Some(number) => out.extend_from_slice(number.as_bytes()),
        None => write_text(out, text),
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("writing a string as JSON to a Vec cannot fail");
    }
}

fn write_properties(out: &mut Vec<u8>, layout: &Layout, view: View<'_>, is_order: bool) -> Result<(), Reason> {
    let text;
    let base = match layout.base.as_ref().and_then(|source| view.get(source, &layout.nulls)) {
        None => None,
        Some(Value::Json(json)) => Some(json),
        Some(Value::Column(given) | Value::Text(given) | Value::Constant(given)) => {
            // The text goes into the event unchanged, so it must be one complete JSON value.
            let whole: serde_json::Result<&serde_json::value::RawValue> = serde_json::from_str(given);
            text = whole.map_err(|error| malformed(&error))?;
            Some(text.get())
        }
    };
    let mut properties = Properties { layout, view, base: None };
    let is_plain =
        layout.properties.children.is_empty() && properties.rest().next().is_none() && !layout.nulls.are_in_json();
    if is_order || !is_plain {
        properties.base = base.map(Members::parse);
    }
    let over = if is_order { properties.order()? } else { Vec::new() };
    if is_plain && over.is_empty() {
        if let Some(base) = base {
            out.extend_from_slice(b",\"properties\":");
            out.extend_from_slice(base.as_bytes());
        }
        return Ok(());
    }
    if base.is_some_and(|base| !base.starts_with('{')) {
        return Err(Reason::new("wrong_type", "properties must be a JSON object").at("properties"));
    }
    if let Some(Err(error)) = &properties.base {
        return Err(malformed(error));
    }
    let mark = out.len();
    out.extend_from_slice(b",\"properties\":");
    let written = properties.write(out, &over);
    if !written && base.is_none() {
        out.truncate(mark);
    }
    Ok(())
}

/// The sources of the properties of one event.
struct Properties<'a> {
    layout: &'a Layout,
    view: View<'a>,
    /// The value of the whole `properties` object. Other sources override its members.
    base: Option<serde_json::Result<Members<'a>>>,
}

impl<'a> Properties<'a> {
    /// Returns the members of the record that have no other place in the event.
    fn rest(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, '_> {
        let members = match self.view {
            View::Object(members) if self.layout.keep_rest => members.0.as_slice(),
            _ => &[],
        };
        let members = members.iter().map(|(name, json)| (&**name, *json));
        members.filter(|(name, json)| !self.layout.taken.contains(*name) && self.keeps(name, json))
    }

    /// Returns the members of the whole object that no option replaces, then the rest of the record.
    fn kept(&self) -> impl Iterator<Item = (&str, &str)> {
        let base = self.base.iter().flatten().flat_map(|base| &base.0).map(|(name, json)| (&**name, *json));
        let base = base.filter(|(name, json)| self.keeps(name, json));
        base.filter(|(name, _)| !self.layout.properties.children.contains_key(*name)).chain(self.rest())
    }

    fn keeps(&self, name: &str, json: &str) -> bool {
        !self.layout.shadowed.contains(name) && (json == "null" || !self.layout.nulls.json(json))
    }

    /// Returns the value of a property before overrides.
    fn get(&self, name: &str) -> Option<Value<'_>> {
        let own = || {
            let base = self.base.iter().flatten().find_map(|base| base.get(name));
            base.filter(|json| self.keeps(name, json)).map(Value::Json)
        };
        match self.layout.properties.children.get(name) {
            Some(Child::Value(source)) => self.view.get(source, &self.layout.nulls).or_else(own),
            Some(Child::Object(_)) => None,
            None => own().or_else(|| {
                self.kept().find(|(key, json)| *key == name && *json != "null").map(|(_, json)| Value::Json(json))
            }),
        }
    }

    /// Returns the properties of an order that must be written differently from the record: the value as a plain
    /// decimal number, and the currency, which may come from the sign of an amount.
    fn order(&self) -> Result<Vec<(&'static str, String)>, Reason> {
        const CURRENCY: &str = "currency";
        let mut over = Vec::new();
        let text_at = |name| self.get(name).and_then(|value| text_or_json(value).ok());
        let named = text_at(CURRENCY).filter(|text| !text.trim().is_empty());
        if let Some(text) = named.as_ref().filter(|text| text.len() != text.trim().len()) {
            over.push((CURRENCY, text.trim().to_owned()));
        }
        let Some(name) = Facts::ORDER_VALUE.into_iter().find(|name| self.get(name).is_some()) else { return Ok(over) };
        let Some(text) = text_at(name).filter(|text| !text.trim().is_empty()) else { return Ok(over) };
        let assumed = self.layout.currency.filter(|_| self.layout.names_currency && named.is_none());
        let assumed = assumed.map(|currency| (CURRENCY, currency.to_string()));
        let numbers = match self.get(name) {
            Some(Value::Column(_)) => self.layout.numbers,
            // JSON numbers and constants are plain already. JSON strings use the notation of the file.
            Some(Value::Json(json)) if json.starts_with('"') => self.layout.numbers,
            _ => {
                over.extend(assumed);
                return Ok(over);
            }
        };
        let amount = numbers.amount(&text).map_err(|fault| {
            Reason::new("invalid_amount", format!("{:?} is {fault}", cut(&text))).at(format!("properties.{name}"))
        })?;
        let Amount { number, unit } = amount;
        if unit.is_none() {
            over.extend(assumed);
        }
        if let Some(unit) = unit {
            let wrong =
                |message: String| Err(Reason::new("invalid_currency", message).at(format!("properties.{name}")));
            let codes = unit.codes.iter().map(Currency::as_str).collect::<Vec<_>>().join(", ");
            match named.as_ref().map(|text| text.trim().parse::<Currency>()) {
                Some(Ok(currency)) if !unit.codes.contains(&currency) => {
                    let message =
                        format!("{:?} is in {codes}, but the currency of the record is {currency}", cut(&text));
                    return wrong(message);
                }
                // The event rules report an invalid currency.
                Some(_) => {}
                None => {
                    let currency = match unit.codes.as_slice() {
                        [only] => Some(*only),
                        several => self.layout.currency.filter(|currency| several.contains(currency)),
                    };
                    let Some(currency) = currency else {
                        let message =
                            format!("{:?} may be in {codes}; set --currency or a property `currency`", cut(&text));
                        return wrong(message);
                    };
                    over.push((CURRENCY, currency.to_string()));
                }
            }
        }
        if number != *text {
            over.push((name, number));
        }
        Ok(over)
    }

    /// Writes the properties, with `over` in place of the original values. Returns whether there are any.
    fn write(&self, out: &mut Vec<u8>, over: &[(&'static str, String)]) -> bool {
        let is_over = |name: &str| over.iter().any(|(other, _)| *other == name);
        let kept = self.kept().filter(|(name, _)| !is_over(name));
        let mut object = Object::begin(out);
        for (name, json) in kept {
            object.member(name, |out| {
                out.extend_from_slice(json.as_bytes());
                true
            });
        }
        let base = self.base.as_ref().and_then(|base| base.as_ref().ok());
        self.write_children(&mut object, &self.layout.properties, base, &is_over);
        for (name, text) in over {
            object.member(name, |out| {
                write_value(out, Value::Constant(text), Notation::default());
                true
            });
        }
        object.end()
    }

    /// Writes the members that options define. A member without a value keeps the value of `base`.
    fn write_children(
        &self,
        object: &mut Object<'_>,
        node: &Node,
        base: Option<&Members<'_>>,
        is_over: &dyn Fn(&str) -> bool,
    ) {
        let Layout { nulls, numbers, .. } = self.layout;
        for (name, child) in node.children.iter().filter(|(name, _)| !is_over(name)) {
            let own = base.and_then(|base| base.0.iter().find(|(key, _)| key == name)).map(|(_, json)| *json);
            object.member(name, |out| match child {
                Child::Value(source) => match self.view.get(source, nulls).or(own.map(Value::Json)) {
                    Some(value) => {
                        write_value(out, value, *numbers);
                        true
                    }
                    None => false,
                },
                Child::Object(node) => {
                    let own = own.and_then(|json| Members::parse(json).ok());
                    let mut object = Object::begin(out);
                    let kept =
                        own.iter().flat_map(|own| &own.0).filter(|(name, _)| !node.children.contains_key(&**name));
                    for (name, json) in kept {
                        object.member(name, |out| {
                            out.extend_from_slice(json.as_bytes());
                            true
                        });
                    }
                    self.write_children(&mut object, node, own.as_ref(), &|_| false);
                    object.end()
                }
            });
        }
    }
}

/// Writes a JSON object.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, any: false }
    }

    /// Writes a member, unless `write` returns `false`.
    fn member(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mark = self.out.len();
        if self.any {
            self.out.push(b',');
        }
        write_text(self.out, name);
        self.out.push(b':');
        if write(self.out) {
            self.any = true;
        } else {
            self.out.truncate(mark);
        }
    }

    /// Returns whether the object has members.
    fn end(self) -> bool {
        self.out.push(b'}');
        self.any
    }
}

fn malformed(error: &serde_json::Error) -> Reason {
    Reason::new("malformed_json", format!("properties is not JSON: {error}")).at("properties")
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

#[cfg(test)]
mod tests;
