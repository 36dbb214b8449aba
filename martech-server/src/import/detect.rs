//! Detects the format of a file, and shows its first records.

use std::io::{self, Cursor, Read};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{
    cells::Cells,
    error::ImportError,
    input::{Reading, Source, check_compression, decoded, plain},
    options::{Delimiter, Format, ImportOptions},
    records::{Records, SeparatorLine},
    shape::{Shape, format_of},
    split::{Chunk, Framing, Splitter},
    terms::Terms,
};

/// The plain bytes at the beginning of a file that determine the format.
const HEAD: usize = 256 * 1024;
/// The plain bytes at the beginning of a compressed file that are checked for damage. Most files are shorter. The import
/// checks the whole file.
const CHECKED: u64 = 256 << 20;
/// How messages name options. Only uploads are detected.
const TERMS: Terms = Terms::Fields;
/// Number of records that determine the delimiter.
const COMPARED: usize = 50;
/// Delimiters that may be detected, the most likely one first.
const DELIMITERS: [Delimiter; 5] = [
    Delimiter::Byte(b','),
    Delimiter::Byte(b';'),
    Delimiter::Byte(b'\t'),
    Delimiter::Byte(b'|'),
    Delimiter::Whitespace,
];

/// What the first records of a file show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) format: Format,
    /// The delimiter of delimited text.
    pub(crate) delimiter: Option<Delimiter>,
    /// `None`: UTF-8, or the encoding of the byte order mark.
    pub(crate) encoding: Option<&'static Encoding>,
    /// The names of the columns, or the paths of the members of JSON objects.
    pub(crate) columns: Vec<String>,
    /// The first records, as the texts of their columns. An absent value is empty.
    pub(crate) sample: Vec<Vec<String>>,
}

/// Detects the format of a file by its name and its beginning. Reads more of a compressed file, to find damage.
///
/// # Errors
///
/// Fails if the file is damaged, has no records, or is of no known format.
pub(crate) fn detect(source: &Source, reading: &Reading) -> Result<Detected, ImportError> {
    let name = source.name();
    let unreadable = |error| ImportError::Read { name: name.clone(), source: error };
    let no_format = |why: &str| ImportError::Options(format!("{name}: {why}"));
    check_compression(source, reading, CHECKED).map_err(unreadable)?;
    let (begin, is_whole) = begin_of(source, reading).map_err(unreadable)?;
    let encoding = encoding_of(&begin, is_whole);
    let head = Head { text: text_of(begin, encoding).map_err(unreadable)?, is_whole };
    if head.text.trim_ascii().is_empty() {
        return Err(no_format("the file is empty"));
    }
    if head.text.contains(&0) {
        return Err(no_format(
            "the file is not text; upload CSV, TSV, NDJSON or JSON, plain or compressed with gzip or zstd",
        ));
    }
    let named = format_of(&name);
    let is_json = matches!(head.text.trim_ascii_start().first(), Some(b'{' | b'['));
    let (format, delimiter) = match named {
        Some(Format::Ndjson | Format::Json) => (named, None),
        Some(_) => (named, head.delimiter(named)),
        None if is_json => (Some(Format::Json), None),
        None => (Some(Format::Csv), head.delimiter(None)),
    };
    let Some(format) = format.filter(|_| is_json || named.is_some() || delimiter.is_some()) else {
        return Err(no_format("the file is neither JSON nor text in columns; name it .csv, .tsv, .ndjson or .json"));
    };
    let options = ImportOptions {
        format: Some(format),
        delimiter,
        encoding,
        pad_rows: true,
        terms: TERMS,
        ..ImportOptions::default()
    };
    let shown = Records::peek(source, &options, reading)?.sample().map_err(unreadable)?;
    if shown.rows.is_empty() {
        let why = shown.malformed.map(|reason| format!("no record can be read: {reason}"));
        return Err(no_format(why.as_deref().unwrap_or("the file has no records")));
    }
    let (format, delimiter) = match shown.shape {
        Shape::Ndjson => (Format::Ndjson, None),
        Shape::Json => (Format::Json, None),
        Shape::Columns(delimiter) => {
            (if delimiter == Delimiter::Byte(b'\t') { Format::Tsv } else { Format::Csv }, Some(delimiter))
        }
    };
    Ok(Detected { format, delimiter, encoding, columns: shown.columns, sample: shown.rows })
}

/// The decoded text at the beginning of a file.
struct Head {
    text: Vec<u8>,
    /// Whether this is the whole file.
    is_whole: bool,
}

impl Head {
    /// Returns the delimiter that splits most rows into the same number of columns. A first line such as `sep=;` sets
    /// it. Returns the delimiter of the named format if no other fits better.
    fn delimiter(&self, named: Option<Format>) -> Option<Delimiter> {
        let own = match named {
            Some(Format::Tsv) => Some(Delimiter::Byte(b'\t')),
            Some(Format::Csv) => Some(Delimiter::Byte(b',')),
            _ => None,
        };
        let line = self.text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        if let Some(line) = SeparatorLine::parse(line) {
            return line.0.or(own);
        }
        let candidates =
            DELIMITERS.into_iter().filter(|candidate| own.is_none() || *candidate != Delimiter::Whitespace);
        let fitting = candidates.filter_map(|candidate| Some((self.columns(candidate)?, candidate)));
        // Of two that fit, the one with more columns. Blanks are also between words, so they come last.
        let best = fitting.fold(None, |best: Option<(usize, Delimiter)>, next| match best {
            Some(best) if next.0 <= best.0 || next.1 == Delimiter::Whitespace => Some(best),
            _ => Some(next),
        });
        best.map(|(_, delimiter)| delimiter).or(own)
    }

    /// Returns the number of columns, if at least two, that this delimiter gives four fifths of the first rows.
    fn columns(&self, delimiter: Delimiter) -> Option<usize> {
        let mut splitter = Splitter::new(Cursor::new(&self.text), Framing::of(delimiter));
        let mut chunk = Chunk::default();
        splitter.next_chunk(COMPARED, &mut chunk).ok()?;
        // The last row of a part of the file may be cut off.
        let mut rows = chunk.records.as_slice();
        if let ([first @ .., _], false) = (rows, self.is_whole || rows.len() == COMPARED) {
            rows = first;
        }
        let mut cells = Cells::new(delimiter);
        let mut counts = rows.iter().map(|record| {
            let text = record.fault.is_none().then(|| str::from_utf8(&chunk.bytes[record.range.clone()]).ok());
            text.flatten().map_or(0, |text| cells.split(text))
        });
        let count = counts.next().filter(|count| *count > 1)?;
        let same = 1 + counts.filter(|other| *other == count).count();
        (same * 5 >= rows.len() * 4).then_some(count)
    }
}

/// Returns the first bytes of a file, and whether that is the whole file.
fn begin_of(source: &Source, reading: &Reading) -> io::Result<(Vec<u8>, bool)> {
    let Source::File(path, _) = source else { return Err(io::ErrorKind::Unsupported.into()) };
    let mut begin = Vec::new();
    plain(path, reading)?.take(HEAD as u64).read_to_end(&mut begin)?;
    let is_whole = begin.len() < HEAD;
    Ok((begin, is_whole))
}

/// Guesses the encoding of text that has no byte order mark and is not UTF-8.
fn encoding_of(begin: &[u8], is_whole: bool) -> Option<&'static Encoding> {
    match *begin {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return None,
        // Known formats that are not text have a message of their own.
        [b'P', b'K', 3, 4, ..] | [b'P', b'A', b'R', b'1', ..] => return None,
        [first, 0, second, 0, ..] if first != 0 && second != 0 => return Some(UTF_16LE),
        [0, first, 0, second, ..] if first != 0 && second != 0 => return Some(UTF_16BE),
        _ => {}
    }
    match str::from_utf8(begin) {
        Ok(_) => None,
        // The last character may be cut off.
        Err(error) if error.error_len().is_none() && !is_whole => None,
        Err(_) => Some(WINDOWS_1252),
    }
}

fn text_of(begin: Vec<u8>, encoding: Option<&'static Encoding>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    decoded(Box::new(Cursor::new(begin)), encoding, TERMS)?.read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::import::chain;

    fn detected(name: &str, content: impl AsRef<[u8]>) -> Result<Detected, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upload");
        fs::write(&path, content).unwrap();
        detect(&Source::File(path, name.to_owned()), &Reading::default()).map_err(|error| chain(&error))
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn columns(name: &str, content: impl AsRef<[u8]>) -> (Format, Option<Delimiter>, Vec<String>) {
        let Detected { format, delimiter, columns, .. } = detected(name, content).unwrap();
        (format, delimiter, columns)
    }

    #[test]
    fn detects_delimiters() {
        let byte = |byte| Some(Delimiter::Byte(byte));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let german = "order;amount\n1;59,90\n2;1.234,50\n";
        assert_eq!(columns("a.csv", german), (Format::Csv, byte(b';'), names(&["order", "amount"])));
        assert_eq!(columns("a", german), (Format::Csv, byte(b';'), names(&["order", "amount"])));
        assert_eq!(columns("a.csv", "a,b\n1;2;3,x\n"), (Format::Csv, byte(b','), names(&["a", "b"])));
        // Options can name the columns anew.
        assert_eq!(columns("a.csv", "a,a\n1,2\n").2, ["a", "a"]);
        assert_eq!(columns("a.csv", "only\n1\n"), (Format::Csv, byte(b','), names(&["only"])));
        assert_eq!(columns("a.csv", "sep=|\na,b|c\n1|2\n"), (Format::Csv, byte(b'|'), names(&["a,b", "c"])));
        for line in ["\"sep=;\"", "sep=;", "\"sep=;\" "] {
            let expected = (Format::Csv, byte(b';'), names(&["a", "b,c"]));
            assert_eq!(columns("a.csv", format!("{line}\r\na;b,c\r\n1;2\r\n")), expected, "{line}");
        }
        assert_eq!(columns("a.csv", "sep=\t\na\tb;c;d\n1\t2;;\n").1, byte(b'\t'));
        assert_eq!(columns("a.tsv", "a b\tc\n1\t2\n"), (Format::Tsv, byte(b'\t'), names(&["a b", "c"])));
        assert_eq!(columns("a.txt", "a  b\n1  2\n").1, Some(Delimiter::Whitespace));
        assert_eq!(columns("a.csv", "\"a,x\";b\n\"1,2\";3\n").1, byte(b';'));
        // Rows that are cut off at the end of the head do not count.
        let long: String = (0..40_000).map(|n| format!("{n};x;y\n")).collect();
        assert_eq!(columns("a.csv", format!("a;b;c\n{long}")).1, byte(b';'));
    }

    #[test]
    fn shows_the_first_records_as_text() {
        let rows = "id,note\n1,\"a, b\"\n2,\n3\n4,x\n5,x\n6,x\n7,x\n";
        let Detected { sample, .. } = detected("a.csv", rows).unwrap();
        assert_eq!(sample, [["1", "a, b"], ["2", ""], ["3", ""], ["4", "x"], ["5", "x"]]);
        let lines = r#"{"userId":"u1","customer":{"id":7,"tags":[1]},"total":1.50}
{"userId":"u2","total":null,"coupon":"x"}
"#;
        let found = detected("a.ndjson", lines).unwrap();
        assert_eq!(found.columns, ["userId", "customer.id", "customer.tags", "total", "coupon"]);
        assert_eq!(found.sample, [["u1", "7", "[1]", "1.50", ""], ["u2", "", "", "", "x"]]);
        let array = detected("a.json.gz", gzip(br#"[{"a":1},{"a":2}]"#)).unwrap();
        assert_eq!((array.format, array.sample), (Format::Json, vec![vec!["1".to_owned()], vec!["2".to_owned()]]));
        assert_eq!(detected("a", "{\"a\":1}\n{\"a\":2}\n").unwrap().format, Format::Ndjson);
    }

    #[test]
    fn detects_encodings() {
        let latin = detected("a.csv", b"gr\xf6\xdfe,b\n1,M\xfcnchen\n").unwrap();
        assert_eq!((latin.encoding, &*latin.columns[0]), (Some(WINDOWS_1252), "größe"));
        assert_eq!(latin.sample[0][1], "München");
        let wide: Vec<u8> = "a,b\n1,ü\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let found = detected("a.csv", &wide).unwrap();
        assert_eq!((found.encoding, &*found.sample[0][1]), (Some(UTF_16LE), "ü"));
        let marked = [&[0xff, 0xfe][..], &wide].concat();
        let found = detected("a.csv", marked).unwrap();
        assert_eq!((found.encoding, &*found.sample[0][1]), (None, "ü"));
    }

    #[test]
    fn rejects_files_that_it_cannot_read() {
        let fails = |name: &str, content: &[u8], why: &str| {
            let error = detected(name, content).unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
        };
        fails("a.csv", b"", "empty");
        fails("a.csv", b"a,b\n", "no records");
        fails("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text");
        fails("a.csv", b"PK\x03\x04...", "workbook");
        fails("a", b"just some\nwords of a letter without columns\n", "neither JSON nor text in columns");
        fails("a.ndjson", b"nonsense\n", "no record can be read");
        let packed = gzip(b"a,b\n1,2\n");
        fails("a.csv.gz", &packed[..packed.len() - 3], "damaged");
    }
}
