//! Finds the end of a record of delimited text, by RFC 4180. A column that begins with a quote ends with one, and a
//! quote inside it is doubled. A quote inside a column that does not begin with one is text (`5" disk`).

use memchr::{memchr, memchr3};

/// Why the quotes of a record are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadQuote {
    /// A closing quote is followed by something other than a delimiter or a line end.
    TextBehind,
    /// A column begins with blanks and a quote. Whether the quote opens the column is ambiguous.
    BlanksBefore,
}

/// The result of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The record continues behind the bytes.
    Nothing,
    /// Position of the line end that ends the record.
    End(usize),
    Bad(BadQuote),
}

/// Looks for the end of one record, piece by piece.
pub(crate) struct RecordScan {
    delimiter: u8,
    state: ColumnState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ColumnState {
    /// At the start of a column.
    Start,
    /// In the blanks at the start of a column.
    Blanks,
    Plain,
    Quoted,
    /// Behind a quote that closes a column or is the first of a doubled quote.
    Closed,
}

impl RecordScan {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self { delimiter, state: ColumnState::Start }
    }

    pub(crate) fn is_in_quotes(&self) -> bool {
        self.state == ColumnState::Quoted
    }

    pub(crate) fn read(&mut self, bytes: &[u8]) -> Found {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let ends_column = byte == self.delimiter || byte == b'\n' || byte == b'\r';
            self.state = match self.state {
                ColumnState::Plain if !ends_column => match memchr3(self.delimiter, b'\n', b'\r', &bytes[at..]) {
                    Some(distance) => {
                        at += distance;
                        continue;
                    }
                    None => break,
                },
                ColumnState::Quoted => match memchr(b'"', &bytes[at..]) {
                    Some(distance) => {
                        at += distance;
                        ColumnState::Closed
                    }
                    None => break,
                },
                ColumnState::Closed if byte == b'"' => ColumnState::Quoted,
                _ if byte == self.delimiter => ColumnState::Start,
                _ if ends_column => return Found::End(at),
                ColumnState::Closed => return Found::Bad(BadQuote::TextBehind),
                ColumnState::Start if byte == b'"' => ColumnState::Quoted,
                ColumnState::Blanks if byte == b'"' => return Found::Bad(BadQuote::BlanksBefore),
                ColumnState::Start | ColumnState::Blanks if byte == b' ' || byte == b'\t' => ColumnState::Blanks,
                _ => ColumnState::Plain,
            };
            at += 1;
        }
        Found::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Found, bool) {
        let mut scan = RecordScan::new(b',');
        let whole = scan.read(text.as_bytes());
        let mut pieces = RecordScan::new(b',');
        let found = text.bytes().enumerate().find_map(|(at, byte)| match pieces.read(&[byte]) {
            Found::Nothing => None,
            Found::End(_) => Some(Found::End(at)),
            bad => Some(bad),
        });
        assert_eq!(found.unwrap_or(Found::Nothing), whole, "byte by byte: {text}");
        (whole, scan.is_in_quotes())
    }

    #[test]
    fn finds_the_end_of_a_record() {
        assert_eq!(read("a,b\nc"), (Found::End(3), false));
        assert_eq!(read("\"a\nb\"\r\nc"), (Found::End(5), false));
        assert_eq!(read("\"a\"\"\n\",5\" disk,\"\"\n"), (Found::End(17), false));
        assert_eq!(read("a,\"b"), (Found::Nothing, true));
        assert_eq!(read("a,\"b\""), (Found::Nothing, false));
        assert_eq!(read("  a \" b\n"), (Found::End(7), false));
    }

    #[test]
    fn reports_invalid_quotes() {
        assert_eq!(read("\"5 inch\" disk,1\n").0, Found::Bad(BadQuote::TextBehind));
        assert_eq!(read("\"say \\\"hi\\\"\",1\n").0, Found::Bad(BadQuote::TextBehind));
        assert_eq!(read("\"a\" ,1\n").0, Found::Bad(BadQuote::TextBehind));
        assert_eq!(read("a, \"b\"\n").0, Found::Bad(BadQuote::BlanksBefore));
    }

    #[test]
    fn accepts_a_blank_as_delimiter() {
        let mut scan = RecordScan::new(b' ');
        assert_eq!(scan.read(b"a \"b c\"\n"), Found::End(7));
    }
}
