//! Counts the reasons for which records of a file were rejected.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::rejects::Reason;

/// Limit for reasons with field names. Further reasons are counted by code alone, because field names are unbounded.
const MOST_FIELDS: usize = 100;
/// Number of reasons to show.
const SHOWN: usize = 3;

/// The reasons for a file, by code and field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reasons(BTreeMap<String, Tally>);

/// The count of one reason, and an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) code: String,
    pub(crate) field: Option<String>,
    pub(crate) records: u64,
    /// Line of the first record with this reason.
    pub(crate) line: u64,
    pub(crate) message: String,
}

impl Reasons {
    pub(crate) fn note(&mut self, reason: &Reason, line: u64) {
        let code = reason.code();
        let with_field = reason.field().map(|field| (format!("{code} ({field})"), field));
        let with_field = with_field.filter(|(key, _)| self.0.len() < MOST_FIELDS || self.0.contains_key(key));
        let (key, field) = with_field.map_or_else(|| (code.to_owned(), None), |(key, field)| (key, Some(field)));
        let first = || Tally {
            code: code.to_owned(),
            field: field.map(str::to_owned),
            records: 0,
            line,
            message: reason.message().to_owned(),
        };
        self.0.entry(key).or_insert_with(first).records += 1;
    }

    /// Returns the reasons, the most frequent one first.
    pub(crate) fn commonest(&self) -> impl Iterator<Item = &Tally> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by_key(|tally| std::cmp::Reverse(tally.records));
        all.into_iter()
    }

    /// Returns the most frequent reasons, one line each, and the number of the others.
    pub(crate) fn lines(&self) -> Vec<String> {
        let others = self.0.len().saturating_sub(SHOWN);
        let reasons = if others == 1 { "reason" } else { "reasons" };
        let more = (others > 0).then(|| format!("{others} more {reasons}: see the rejects file"));
        self.commonest().take(SHOWN).map(Tally::to_string).chain(more).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, field, records, line, message } = self;
        let things = if *records == 1 { "record" } else { "records" };
        write!(f, "{records} {things}: {code}")?;
        if let Some(field) = field {
            write!(f, " ({field})")?;
        }
        write!(f, ": {message} (first on line {line})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_three_most_frequent_reasons() {
        let mut reasons = Reasons::default();
        for (line, code) in [(2, "a"), (3, "b"), (4, "b"), (5, "c"), (6, "c"), (7, "c"), (8, "d"), (9, "d")] {
            reasons.note(&Reason::new(code, format!("message {line}")).at("total"), line);
        }
        assert_eq!(
            reasons.lines(),
            [
                "3 records: c (total): message 5 (first on line 5)",
                "2 records: b (total): message 3 (first on line 3)",
                "2 records: d (total): message 8 (first on line 8)",
                "1 more reason: see the rejects file",
            ]
        );
    }

    #[test]
    fn bounds_the_number_of_distinct_reasons() {
        let mut reasons = Reasons::default();
        for line in 1..=1000 {
            reasons.note(&Reason::new("duplicate_key", "twice").at(format!("field{line}")), line);
        }
        assert_eq!(reasons.0.len(), MOST_FIELDS + 1);
        assert_eq!(reasons.lines()[0], "900 records: duplicate_key: twice (first on line 101)");
        // A known field still counts.
        reasons.note(&Reason::new("duplicate_key", "twice").at("field7"), 1001);
        assert_eq!(reasons.lines()[1], "2 records: duplicate_key (field7): twice (first on line 7)");
    }
}
