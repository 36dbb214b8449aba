//! The options of an import, as JSON.

use std::{collections::BTreeMap, fmt::Display};

use martech_core::{
    event::{Currency, EventRules},
    query::parse_time_zone,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::error::{ApiError, catalogue},
    import::{Delimiter, Format, ImportOptions, LayoutError, Notation, Target, Terms, parse_encoding, parse_mark},
};

/// The options of an import. See `martech-server import --help`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ImportOptions)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::routes) struct ImportRequest {
    /// Reads the file, writes the rejects and shows the first event, but stores nothing.
    dry_run: bool,
    /// The format; by default the detected one.
    #[schema(nullable = false)]
    format: Option<Format>,
    /// The text encoding, such as `windows-1252`; by default the detected one. A byte order mark takes precedence.
    #[schema(nullable = false)]
    encoding: Option<String>,
    /// The column separator: one character, `tab` or `whitespace`; by default the detected one.
    #[schema(nullable = false)]
    delimiter: Option<String>,
    /// The first line contains no column names. The columns are named 1, 2, 3, ... or as in `columns`.
    no_header: bool,
    /// Column names in place of those in the first line.
    columns: Vec<String>,
    /// Accepts rows that are too short, or end with extra delimiters.
    pad_rows: bool,
    /// Columns by the field that they fill: `userId`, `properties.total`.
    map: BTreeMap<String, String>,
    /// Values by the field that has this value in every event.
    set: BTreeMap<String, String>,
    /// New event types by the old ones.
    rename: BTreeMap<String, String>,
    /// Drops other columns instead of making them properties.
    only_mapped: bool,
    /// Columns that are left out unless they are mapped; for JSON also `properties.NAME`.
    drop: Vec<String>,
    /// Texts that mean that a value is absent; by default `NULL` and `\N`, in columns without quotes.
    #[schema(nullable = false)]
    nulls: Option<Vec<String>>,
    /// The decimal separator; by default a point.
    #[schema(nullable = false)]
    decimal: Option<String>,
    /// The thousands separator: one character or `space`; by default none.
    #[schema(nullable = false)]
    thousands: Option<String>,
    /// The format of `occurredAt`: a strftime format, `unix`, `unix_ms`, `unix_us` or `unix_ns`; by default RFC 3339,
    /// a date, a date and time, or epoch milliseconds.
    #[schema(nullable = false)]
    time_format: Option<String>,
    /// The time zone of times without an offset; by default UTC.
    #[schema(nullable = false, format = "iana-time-zone")]
    time_zone: Option<String>,
    /// The currency of orders without one, as an ISO 4217 code; by default that of the project.
    #[schema(nullable = false)]
    currency: Option<String>,
}

impl ImportRequest {
    /// Returns the options of an import into a project with these rules.
    ///
    /// # Errors
    ///
    /// Returns 400 with the name of the first invalid field.
    pub(super) fn options(&self, rules: &EventRules) -> Result<ImportOptions, ApiError> {
        if self.delimiter.is_some() && matches!(self.format, Some(Format::Ndjson | Format::Json)) {
            return Err(invalid("delimiter", "does not apply to JSON"));
        }
        if let Some(empty) = self.columns.iter().position(|name| name.trim().is_empty()) {
            return Err(invalid(&format!("columns.{empty}"), "must not be empty"));
        }
        let defaults = ImportOptions::default();
        let mut rules = rules.clone();
        rules.currency = option("currency", &self.currency, Currency::iso_4217)?.unwrap_or(rules.currency);
        let thousands = option("thousands", &self.thousands, parse_mark)?;
        let numbers = Notation::new(option("decimal", &self.decimal, parse_mark)?.unwrap_or('.'), thousands);
        Ok(ImportOptions {
            format: self.format,
            encoding: option("encoding", &self.encoding, parse_encoding)?,
            delimiter: option("delimiter", &self.delimiter, str::parse::<Delimiter>)?,
            no_header: self.no_header,
            columns: self.columns.clone(),
            pad_rows: self.pad_rows,
            maps: targets("map", &self.map)?,
            constants: targets("set", &self.set)?,
            renames: self.rename.clone().into_iter().collect(),
            only_mapped: self.only_mapped,
            drops: self.drop.clone(),
            nulls: self.nulls.clone(),
            numbers: numbers.ok_or_else(|| invalid("thousands", "must differ from decimal"))?,
            time_format: option("timeFormat", &self.time_format, str::parse)?,
            time_zone: option("timeZone", &self.time_zone, parse_time_zone)?.unwrap_or(defaults.time_zone),
            currency: Some(rules.currency),
            rules,
            dry_run: self.dry_run,
            terms: Terms::Fields,
            ..defaults
        })
    }

    /// Returns the field that does not fit the file.
    pub(super) fn field_of(&self, error: &LayoutError) -> String {
        match error.target().map(Target::to_string) {
            None if matches!(error, LayoutError::NoDroppedColumn { .. }) => "drop".to_owned(),
            Some(target) if self.map.contains_key(&target) => format!("map.{target}"),
            Some(target) => format!("set.{target}"),
            None => "columns".to_owned(),
        }
    }
}

fn invalid(field: &str, message: impl Display) -> ApiError {
    catalogue::validation_error(format!("{field}: {message}")).at(field)
}

/// Parses an option.
fn option<T, E: Display>(
    field: &str,
    text: &Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, ApiError> {
    text.as_deref().map(parse).transpose().map_err(|error| invalid(field, error))
}

/// Parses the fields of `map` or `set`.
fn targets(option: &str, texts: &BTreeMap<String, String>) -> Result<Vec<(Target, String)>, ApiError> {
    let parse = |(target, text): (&String, &String)| {
        let field = format!("{option}.{}", target.chars().take(64).collect::<String>());
        if text.is_empty() {
            return Err(invalid(&field, "must not be empty"));
        }
        Ok((target.parse().map_err(|error| invalid(&field, error))?, text.clone()))
    };
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observability::RequestId;

    fn parsed(options: Value) -> Result<ImportOptions, Value> {
        let request: ImportRequest = serde_json::from_value(options).unwrap();
        request.options(&EventRules::default()).map_err(|error| error.body(&RequestId::example()))
    }

    #[test]
    fn defaults_are_those_of_the_command() {
        let options = parsed(json!({})).unwrap();
        assert!(!options.dry_run && !options.names_currency && options.batch_size == 2000);
        assert_eq!(options.numbers, Notation::default());
        assert_eq!(options.currency, Some(Currency::USD));
        let options = parsed(json!({"currency": "EUR", "decimal": ",", "thousands": "space"})).unwrap();
        assert_eq!((options.rules.currency, options.numbers.thousands), ("EUR".parse().unwrap(), Some(' ')));
    }

    #[test]
    fn names_the_invalid_field() {
        for (options, field) in [
            (json!({"map": {"user": "a"}}), "map.user"),
            (json!({"map": {"userId": ""}}), "map.userId"),
            (json!({"set": {"properties.": "a"}}), "set.properties."),
            (json!({"currency": "ABC"}), "currency"),
            (json!({"timeZone": "Mars/Olympus"}), "timeZone"),
            (json!({"timeFormat": "date"}), "timeFormat"),
            (json!({"encoding": "klingon"}), "encoding"),
            (json!({"delimiter": "ab"}), "delimiter"),
            (json!({"format": "json", "delimiter": ","}), "delimiter"),
            (json!({"decimal": "x"}), "decimal"),
            (json!({"decimal": ",", "thousands": ","}), "thousands"),
            (json!({"columns": ["a", ""]}), "columns.1"),
        ] {
            let error = parsed(options.clone()).unwrap_err();
            assert_eq!((&error["code"], &error["field"]), (&json!("VALIDATION_ERROR"), &json!(field)), "{options}");
        }
    }
}
