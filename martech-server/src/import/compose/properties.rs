//! Writes the properties of an event.

use martech_core::event::{Currency, Facts};

use super::{
    json::{Object, write_value},
    view::{Value, View, cut, text_or_json},
};
use crate::{
    import::{
        amount::{Amount, Notation},
        layout::{Child, Layout, Node},
        members::Members,
        rejects::Reason,
        terms::Flag,
    },
    util::formula,
};

/// Writes the member `properties`, unless the event has none. `is_order` tells whether the event is a purchase.
pub(super) fn write_properties(
    out: &mut Vec<u8>,
    layout: &Layout,
    view: View<'_>,
    is_order: bool,
) -> Result<(), Reason> {
    let (text, json);
    let base = match layout.base.as_ref().and_then(|source| view.get(source, &layout.nulls)) {
        None => None,
        Some(Value::Json(json)) => Some(json),
        Some(Value::Column(given) | Value::Text(given) | Value::Name(given) | Value::Constant(given)) => {
            // The apostrophes of CSV responses are not part of the object.
            text = formula::restore(given);
            // The text goes into the event unchanged, so it must be one complete JSON value.
            let whole: serde_json::Result<&serde_json::value::RawValue> = serde_json::from_str(&text);
            json = whole.map_err(|error| malformed(&error))?;
            Some(json.get())
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
        let amount = numbers.amount(&text, self.layout.terms).map_err(|fault| {
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
                        let (text, option) = (cut(&text), self.layout.terms.name(Flag::Currency));
                        let message = format!("{text:?} may be in {codes}; set {option} or a property `currency`");
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

fn malformed(error: &serde_json::Error) -> Reason {
    Reason::new("malformed_json", format!("properties is not JSON: {error}")).at("properties")
}
