//! Takes a record of delimited text apart into its columns.

use std::ops::Range;

use super::args::Delimiter;

/// The columns of one record after another; its memory is used again.
pub(crate) struct Cells {
    delimiter: Delimiter,
    parser: Option<csv_core::Reader>,
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    ranges: Vec<Range<usize>>,
    /// Whether `ranges` speak of `unquoted`, not of the record itself.
    quoted: bool,
}

impl Cells {
    pub(crate) fn new(delimiter: Delimiter) -> Self {
        let parser = match delimiter {
            Delimiter::Whitespace => None,
            Delimiter::Byte(byte) => Some(
                csv_core::ReaderBuilder::new().delimiter(byte).terminator(csv_core::Terminator::Any(b'\n')).build(),
            ),
        };
        Self { delimiter, parser, unquoted: Vec::new(), ends: Vec::new(), ranges: Vec::new(), quoted: false }
    }

    /// Takes `record` apart and returns how many columns it has.
    pub(crate) fn split(&mut self, record: &str) -> usize {
        self.ranges.clear();
        self.quoted = false;
        match (&mut self.parser, self.delimiter) {
            (Some(parser), _) if record.contains('"') => {
                self.quoted = true;
                parser.reset();
                unquote(parser, record.as_bytes(), &mut self.unquoted, &mut self.ends);
                let mut begin = 0;
                for &end in &self.ends {
                    self.ranges.push(begin..end);
                    begin = end;
                }
            }
            (_, Delimiter::Byte(delimiter)) => {
                let mut begin = 0;
                for end in memchr::memchr_iter(delimiter, record.as_bytes()) {
                    self.ranges.push(begin..end);
                    begin = end + 1;
                }
                self.ranges.push(begin..record.len());
            }
            (_, Delimiter::Whitespace) => {
                self.ranges.extend(record.split_ascii_whitespace().map(|word| {
                    let begin = word.as_ptr().addr() - record.as_ptr().addr();
                    begin..begin + word.len()
                }));
            }
        }
        self.ranges.len()
    }

    /// A column of the record that was taken apart last; `None` when it is empty.
    pub(crate) fn get<'a>(&'a self, record: &'a str, column: usize) -> Option<&'a str> {
        let range = self.ranges.get(column)?.clone();
        let text = if self.quoted {
            // Quotes and delimiters are ASCII, so that a cut there leaves whole characters.
            std::str::from_utf8(self.unquoted.get(range)?).ok()?
        } else {
            record.get(range)?
        };
        (!text.is_empty()).then_some(text)
    }
}

/// Runs the parser over one whole record, growing the buffers as it asks for it.
fn unquote(parser: &mut csv_core::Reader, record: &[u8], output: &mut Vec<u8>, ends: &mut Vec<usize>) {
    use csv_core::ReadRecordResult as Result;

    output.resize(record.len().max(64), 0);
    ends.resize(64, 0);
    let (mut read, mut written, mut columns) = (0, 0, 0);
    loop {
        let (result, consumed, wrote, ended) =
            parser.read_record(&record[read..], &mut output[written..], &mut ends[columns..]);
        read += consumed;
        written += wrote;
        columns += ended;
        match result {
            // Called again with nothing left, it ends the record.
            Result::InputEmpty => {}
            Result::OutputFull => output.resize(output.len() * 2, 0),
            Result::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            Result::Record | Result::End => break,
        }
    }
    output.truncate(written);
    ends.truncate(columns);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(delimiter: Delimiter, record: &str) -> Vec<Option<String>> {
        let mut cells = Cells::new(delimiter);
        // The second time over what the first left behind.
        cells.split("\"a\"\"b\",\"c");
        let count = cells.split(record);
        (0..count).map(|column| cells.get(record, column).map(str::to_owned)).collect()
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
    fn takes_quotes_off() {
        let comma = Delimiter::Byte(b',');
        assert_eq!(split(comma, "\"a,b\",\"say \"\"ü\"\"\",\"x\ny\""), some(&["a,b", "say \"ü\"", "x\ny"]));
        assert_eq!(split(comma, "\"\",5\" disk,"), some(&["", "5\" disk", ""]));
        assert_eq!(split(Delimiter::Whitespace, "\"a b\""), some(&["\"a", "b\""]));
        let many = vec!["\"x\""; 1000].join(",");
        assert_eq!(split(comma, &many), some(&["x"; 1000]));
    }
}
