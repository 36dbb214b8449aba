use super::*;
use crate::import::quotes::BadQuote;

/// A reader that returns a few bytes at a time, so that records cross the boundaries of reads.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

type Seen = (String, u64, u64, Option<Fault>);

fn split(content: &[u8], framing: Framing, step: usize) -> Vec<Seen> {
    let mut splitter = Splitter::new(Trickle(content, step), framing);
    let (mut chunk, mut seen) = (Chunk::default(), Vec::new());
    while splitter.next_chunk(3, &mut chunk).unwrap() {
        assert!(chunk.records.len() <= 3);
        for record in &chunk.records {
            let text = String::from_utf8_lossy(&chunk.bytes[record.range.clone()]).into_owned();
            seen.push((text, record.line, record.number, record.fault));
        }
    }
    assert_eq!(splitter.position().offset, content.len() as u64);
    seen
}

fn ok(text: &str, line: u64, number: u64) -> Seen {
    (text.to_owned(), line, number, None)
}

#[test]
fn accepts_all_line_ends_and_skips_blank_lines() {
    let content = b"\xef\xbb\xbfa\r\n\n  \nb\r\nc\rd\r\r\n\xef\xbb\xbfe";
    for step in [1, 2, 1000] {
        let seen = split(content, Framing::Lines, step);
        assert_eq!(seen, [ok("a", 1, 1), ok("b", 4, 2), ok("c", 5, 3), ok("d", 6, 4), ok("e", 8, 5)]);
    }
}

#[test]
fn splits_quoted_records_at_carriage_returns() {
    for step in [1, 3, 1000] {
        let seen = split(b"a,b\r1,\"x\ry\"\r2,z\r", Framing::Quoted(b','), step);
        assert_eq!(seen, [ok("a,b", 1, 1), ok("1,\"x\ry\"", 2, 2), ok("2,z", 4, 3)]);
    }
}

#[test]
fn quoted_columns_may_contain_line_ends() {
    let content = b"a,\"x\ny\"\"\n\",1\r\nb,5\" disk\nc,\"end\"";
    for step in [1, 2, 1000] {
        let seen = split(content, Framing::Quoted(b','), step);
        assert_eq!(seen, [ok("a,\"x\ny\"\"\n\",1", 1, 1), ok("b,5\" disk", 4, 2), ok("c,\"end\"", 5, 3)]);
    }
}

#[test]
fn a_misplaced_quote_costs_one_line() {
    let content = b"u1,\"5 inch,1\r\nu2,a,2\nu3,6\" disk,3\nu4,\"say \\\"hi\\\"\",4\nu5, \"b\",5\nu6,c,6\n";
    for step in [1, 5, 1000] {
        let bad = |text: &str, line, number, why| (text.to_owned(), line, number, Some(Fault::BadQuote(why)));
        let seen = split(content, Framing::Quoted(b','), step);
        assert_eq!(
            seen,
            [
                bad("u1,\"5 inch,1", 1, 1, BadQuote::TextBehind),
                ok("u2,a,2", 2, 2),
                ok("u3,6\" disk,3", 3, 3),
                bad("u4,\"say \\\"hi\\\"\",4", 4, 4, BadQuote::TextBehind),
                bad("u5, \"b\",5", 5, 5, BadQuote::BlanksBefore),
                ok("u6,c,6", 6, 6),
            ]
        );
    }
}

#[test]
fn splits_json_values_in_arrays_and_envelopes() {
    let content = b"[\n  {\r\n    \"a\": \"]}\\\"\"\n  },\n  {}, 5 ,\n  {\"b\":\n[1]}\n]\n";
    for step in [1, 2, 1000] {
        let seen = split(content, Framing::Values, step);
        let first = "{\r\n    \"a\": \"]}\\\"\"\n  }";
        assert_eq!(seen, [ok(first, 2, 1), ok("{}", 5, 2), ok("5", 5, 3), ok("{\"b\":\n[1]}", 6, 4)]);
    }
    let content = b"\xef\xbb\xbf{\"sentAt\": 1,\n\"events\": [{\"a\":1},\n{\"a\":2}], \"nextCursor\":\"x\"}\n{\"events\":[{}]} {\"c\":3}";
    for step in [1, 7, 1000] {
        let seen = split(content, Framing::Values, step);
        assert_eq!(seen, [ok("{\"a\":1}", 2, 1), ok("{\"a\":2}", 3, 2), ok("{}", 4, 3), ok("{\"c\":3}", 4, 4)]);
    }
}

#[test]
fn a_malformed_json_value_costs_one_line() {
    let content = b"[\n{\"a\":1},\n{\"b\":[1},\n{\"c\":\"x\ny\"},\n{\"d\":1}\n";
    for step in [1, 4, 1000] {
        let seen = split(content, Framing::Values, step);
        let bad = |text: &str, line, number, fault| (text.to_owned(), line, number, Some(fault));
        assert_eq!(
            seen[..4],
            [
                ok("{\"a\":1}", 2, 1),
                bad("{\"b\":[1},", 3, 2, Fault::BadValue),
                bad("{\"c\":\"x", 4, 3, Fault::BadValue),
                ok("y\"", 5, 4),
            ]
        );
        assert_eq!(
            seen[seen.len() - 2..],
            [ok("{\"d\":1}", 6, seen.len() as u64 - 1), bad("", 7, seen.len() as u64, Fault::CutOff),]
        );
    }
    assert_eq!(split(b"[\n", Framing::Values, 1), [(String::new(), 2, 1, Some(Fault::CutOff))]);
    // Byte order marks between joined files are skipped.
    let joined = split(b"[{}]\n\xef\xbb\xbf[{}]", Framing::Values, 2);
    assert_eq!(joined, [ok("{}", 1, 1), ok("{}", 2, 2)]);
    // A value that is never closed ends at the maximum length of a record.
    let mut long = b"{\"a\":[\n".to_vec();
    long.resize(2 * MAX_RECORD, b' ');
    long.extend_from_slice(b"\n{}");
    let seen = split(&long, Framing::Values, 100_000);
    assert_eq!((seen[0].3, seen[0].1), (Some(Fault::BadValue), 1));
    assert_eq!(seen.last(), Some(&ok("{}", 3, 2)));
}

#[test]
fn detects_ndjson_by_its_first_line() {
    for (content, is_ndjson) in [
        ("", true),
        ("\n {\"a\":1} \r\n{\"a\":", true),
        ("{\"a\":1}", true),
        ("{\"events\":[]}", true),
        ("{\n\"a\":1}", false),
        ("[{}]", false),
        ("[", false),
        ("{\"events\":[{}]}", false),
        ("{} {}", false),
        ("{\"a\":", false),
    ] {
        for step in [1, 1000] {
            let mut splitter = Splitter::new(Trickle(content.as_bytes(), step), Framing::Values);
            assert_eq!(splitter.is_ndjson().unwrap(), is_ndjson, "{content}");
        }
    }
}

#[test]
fn an_unclosed_quote_costs_one_line() {
    let seen = split(b"a,1\nb,\"2\nc,3\nd,4\n", Framing::Quoted(b','), 7);
    let open = ("b,\"2".to_owned(), 2, 2, Some(Fault::OpenQuote));
    assert_eq!(seen, [ok("a,1", 1, 1), open.clone(), ok("c,3", 3, 3), ok("d,4", 4, 4)]);

    let mut long = b"a,1\nb,\"2\n".to_vec();
    for _ in 0..MAX_RECORD / 8 {
        long.extend_from_slice(b"c,3,4,5\n");
    }
    let seen = split(&long, Framing::Quoted(b','), 100_000);
    assert_eq!(seen[1], open);
    assert_eq!(seen.len(), 2 + MAX_RECORD / 8);
    assert!(seen[2..].iter().all(|record| record.3.is_none()));
}

#[test]
fn truncates_and_skips_lines_that_are_too_long() {
    let mut content = b"a\n".to_vec();
    content.resize(2 + 3 * MAX_RECORD, b'x');
    content.extend_from_slice(b"\nb\n");
    for framing in [Framing::Lines, Framing::Quoted(b',')] {
        let seen = split(&content, framing, 1 << 20);
        assert_eq!(seen.len(), 3);
        assert_eq!((seen[1].0.len(), seen[1].1, seen[1].3), (MAX_RECORD, 2, Some(Fault::TooLong)));
        assert_eq!(seen[2], ok("b", 3, 3));
    }
}

#[test]
fn accepts_records_of_exactly_the_maximum_length() {
    let mut content = vec![b'x'; MAX_RECORD - 1];
    content.push(b'\n');
    assert_eq!(split(&content, Framing::Lines, 1 << 20)[0].3, None);
    content.insert(0, b'x');
    assert_eq!(split(&content, Framing::Lines, 1 << 20)[0].3, Some(Fault::TooLong));
}

#[test]
fn does_not_count_the_header_as_a_record() {
    let content = b"h\na\n\nb\nc\n";
    let mut splitter = Splitter::new(&content[..], Framing::Lines);
    assert_eq!(splitter.peek().unwrap().unwrap().bytes, b"h");
    assert_eq!(splitter.header().unwrap().unwrap().bytes, b"h");
    let mut chunk = Chunk::default();
    assert!(splitter.next_chunk(2, &mut chunk).unwrap());
    assert_eq!(chunk.end, Position { offset: 7, lines: 4, records: 2, within: Within::Nothing });
    assert_eq!((chunk.records[1].line, chunk.records[1].number), (4, 2));
}
