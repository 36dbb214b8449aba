use super::*;

/// Gives out a few bytes at a time, so that records cross the edges of reads.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

type Seen = (String, u64, u64, Option<Fault>);

fn split(content: &[u8], framing: Framing, step: usize) -> Vec<Seen> {
    let mut splitter = Splitter::new(Trickle(content, step), framing).unwrap();
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
fn lines_end_in_either_way_and_blank_ones_are_not_counted() {
    let content = b"\xef\xbb\xbfa\r\n\n  \nb\r\nc\nd";
    for step in [1, 2, 1000] {
        let seen = split(content, Framing::Lines, step);
        assert_eq!(seen, [ok("a", 1, 1), ok("b", 4, 2), ok("c", 5, 3), ok("d", 6, 4)]);
    }
}

#[test]
fn quotes_hold_line_ends() {
    let content = b"a,\"x\ny\"\"\n\",1\r\nb,5\" disk\nc,\"end\"";
    for step in [1, 2, 1000] {
        let seen = split(content, Framing::Quoted(b','), step);
        assert_eq!(seen, [ok("a,\"x\ny\"\"\n\",1", 1, 1), ok("b,5\" disk", 4, 2), ok("c,\"end\"", 5, 3)]);
    }
}

#[test]
fn a_quote_that_stays_open_costs_one_line() {
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
fn a_line_that_is_too_long_is_cut_and_passed_over() {
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
fn a_record_of_just_the_limit_is_taken() {
    let mut content = vec![b'x'; MAX_RECORD - 1];
    content.push(b'\n');
    assert_eq!(split(&content, Framing::Lines, 1 << 20)[0].3, None);
    content.insert(0, b'x');
    assert_eq!(split(&content, Framing::Lines, 1 << 20)[0].3, Some(Fault::TooLong));
}

#[test]
fn goes_on_from_any_position() {
    let content = b"h\na\n\nb\nc\n";
    let mut splitter = Splitter::new(&content[..], Framing::Lines).unwrap();
    let header = splitter.header().unwrap().unwrap();
    assert_eq!(header.bytes, b"h");
    let mut chunk = Chunk::default();
    assert!(splitter.next_chunk(2, &mut chunk).unwrap());
    assert_eq!(chunk.end, Position { offset: 7, lines: 4, records: 2 });
    let rest = &content[chunk.end.offset as usize..];
    let mut again = Splitter::at(rest, Framing::Lines, chunk.end);
    assert!(again.next_chunk(2, &mut chunk).unwrap());
    assert_eq!((chunk.records[0].line, chunk.records[0].number), (5, 3));
}
