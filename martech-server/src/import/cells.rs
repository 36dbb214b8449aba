//! Splits a record of delimited text into its columns.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::options::Delimiter;

/// The columns of the current record. Buffers are reused for the next record.
pub(crate) struct Cells {
    delimiter: Delimiter,
    cells: Vec<Cell>,
    /// Text of the columns with escaped quotes, unescaped.
    unescaped: String,
}

struct Cell {
    /// Range in the record, or in `unescaped`.
    range: Range<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Quoted,
    Unescaped,
}

/// A column that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column<'a> {
    pub(crate) text: &'a str,
    pub(crate) is_quoted: bool,
}

impl Cells {
    pub(crate) fn new(delimiter: Delimiter) -> Self {
        Self { delimiter, cells: Vec::new(), unescaped: String::new() }
    }

    /// Splits `record`, whose quotes are valid, and returns the number of its columns.
    pub(crate) fn split(&mut self, record: &str) -> usize {
        self.cells.clear();
        self.unescaped.clear();
        let plain = |range| Cell { range, kind: Kind::Plain };
        match self.delimiter {
            Delimiter::Byte(delimiter) if memchr(b'"', record.as_bytes()).is_some() => self.unquote(record, delimiter),
            Delimiter::Byte(delimiter) => {
                let mut begin = 0;
                for end in memchr_iter(delimiter, record.as_bytes()) {
                    self.cells.push(plain(begin..end));
                    begin = end + 1;
                }
                self.cells.push(plain(begin..record.len()));
            }
            Delimiter::Whitespace => {
                self.cells.extend(record.split_ascii_whitespace().map(|word| {
                    let begin = word.as_ptr().addr() - record.as_ptr().addr();
                    plain(begin..begin + word.len())
                }));
            }
        }
        self.cells.len()
    }

    fn unquote(&mut self, record: &str, delimiter: u8) {
        let bytes = record.as_bytes();
        let mut at = 0;
        loop {
            let cell = if bytes.get(at) == Some(&b'"') {
                self.quoted(record, &mut at)
            } else {
                let begin = at;
                at = memchr(delimiter, &bytes[at..]).map_or(bytes.len(), |distance| at + distance);
                Cell { range: begin..at, kind: Kind::Plain }
            };
            self.cells.push(cell);
            if at >= bytes.len() {
                return;
            }
            at += 1;
        }
    }

    /// Reads the column whose quote opens at `at`, and moves `at` behind the closing quote.
    fn quoted(&mut self, record: &str, at: &mut usize) -> Cell {
        let bytes = record.as_bytes();
        let mut begin = *at + 1;
        let mut unescaped = None;
        loop {
            let end = memchr(b'"', &bytes[begin..]).map_or(bytes.len(), |distance| begin + distance);
            *at = (end + 1).min(bytes.len());
            let is_escaped = bytes.get(*at) == Some(&b'"');
            match unescaped {
                None if !is_escaped => return Cell { range: begin..end, kind: Kind::Quoted },
                _ => {}
            }
            let start = *unescaped.get_or_insert(self.unescaped.len());
            self.unescaped.push_str(&record[begin..end]);
            if !is_escaped {
                return Cell { range: start..self.unescaped.len(), kind: Kind::Unescaped };
            }
            self.unescaped.push('"');
            begin = *at + 1;
        }
    }

    /// Returns a column of the record that was split last, or `None` if the column is empty.
    pub(crate) fn get<'a>(&'a self, record: &'a str, column: usize) -> Option<Column<'a>> {
        let Cell { range, kind } = self.cells.get(column)?;
        let text = if *kind == Kind::Unescaped { &self.unescaped } else { record };
        // Quotes and delimiters are ASCII, so every range ends at character boundaries.
        let text = text.get(range.clone())?;
        (!text.is_empty()).then_some(Column { text, is_quoted: *kind != Kind::Plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(delimiter: Delimiter, record: &str) -> Vec<Option<String>> {
        let mut cells = Cells::new(delimiter);
        // The first split fills the buffers, to show that the second one does not see the old content.
        cells.split("\"a\"\"b\",\"c\"");
        let count = cells.split(record);
        (0..count).map(|column| cells.get(record, column).map(|column| column.text.to_owned())).collect()
    }

    fn some(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| (!cell.is_empty()).then(|| cell.to_string())).collect()
    }

    #[test]
    fn splits_at_delimiters() {
        assert_eq!(split(Delimiter::Byte(b','), "a,,c d,"), some(&["a", "", "c d", ""]));
        assert_eq!(split(Delimiter::Byte(b'\t'), "a\tü,\t1"), some(&["a", "ü,", "1"]));
        assert_eq!(split(Delimiter::Whitespace, "  a \t b  c "), some(&["a", "b", "c"]));
    }

    #[test]
    fn unescapes_quoted_columns() {
        let comma = Delimiter::Byte(b',');
        assert_eq!(split(comma, "\"a,b\",\"say \"\"ü\"\"\",\"x\ny\""), some(&["a,b", "say \"ü\"", "x\ny"]));
        assert_eq!(split(comma, "\"\",5\" disk,"), some(&["", "5\" disk", ""]));
        assert_eq!(split(comma, "\"\"\"\",\"\"\"a\"\"b\"\"\""), some(&["\"", "\"a\"b\""]));
        assert_eq!(split(Delimiter::Whitespace, "\"a b\""), some(&["\"a", "b\""]));
        let many = vec!["\"x\""; 1000].join(",");
        assert_eq!(split(comma, &many), some(&["x"; 1000]));
    }

    #[test]
    fn reports_which_columns_are_quoted() {
        let mut cells = Cells::new(Delimiter::Byte(b','));
        let record = "NULL,\"NULL\",\"a\"\"\"";
        cells.split(record);
        let quoted = [0, 1, 2].map(|column| cells.get(record, column).unwrap().is_quoted);
        assert_eq!(quoted, [false, true, true]);
    }
}
