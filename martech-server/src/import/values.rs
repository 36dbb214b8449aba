//! Finds JSON values in a file that is not NDJSON: one after another, in an array (`[{...}, {...}]`), or in an envelope
//! as `POST /events` accepts it (`{"events": [...]}`).

use serde::{Deserialize, Serialize};

/// Maximum nesting depth. Deeper values are not events, and the limit detects an unclosed bracket earlier.
const MAX_DEPTH: u32 = 100;
/// The scalar members of an envelope, in the body of `POST /events` or in a journey response.
const ENVELOPE: [&str; 3] = ["sentAt", "userId", "nextCursor"];
const EVENTS: &str = "events";

/// The structure around the values at a position of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Within {
    #[default]
    Nothing,
    Array,
    /// The array of an envelope.
    Events,
    /// An envelope, behind its array.
    Envelope,
}

/// The next token between two values, at a position without blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// Punctuation of this length, and the structure behind it.
    Structure(usize, Within),
    Value,
}

impl Within {
    /// Reads the token at the start of `bytes`, which must be the rest of the file or at least [`MAX_TOKEN`] bytes of
    /// it.
    pub(crate) fn token(self, bytes: &[u8]) -> Token {
        use Token::{Structure, Value};
        match (self, bytes.first()) {
            (_, Some(b',')) => Structure(1, self),
            (Self::Nothing, Some(b'[')) => Structure(1, Self::Array),
            (Self::Nothing, Some(b'{')) => envelope(bytes).map_or(Value, |length| Structure(length, Self::Events)),
            (Self::Array, Some(b']')) => Structure(1, Self::Nothing),
            (Self::Events, Some(b']')) => Structure(1, Self::Envelope),
            (Self::Envelope, Some(b'}')) => Structure(1, Self::Nothing),
            (Self::Envelope, Some(b'"')) => member(bytes).map_or(Value, |length| Structure(length, self)),
            _ => Value,
        }
    }
}

/// Maximum length of a token that is not a value.
pub(crate) const MAX_TOKEN: usize = 4096;

/// Returns the length of the start of an envelope, up to and including the bracket of its events.
fn envelope(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += blanks(&bytes[at..]);
        let (key, length) = string(bytes.get(at..)?)?;
        if key == EVENTS {
            at += length;
            at += blanks(&bytes[at..]);
            at += usize::from(bytes.get(at) == Some(&b':'));
            at += blanks(&bytes[at..]);
            return (bytes.get(at) == Some(&b'[')).then_some(at + 1);
        }
        at += member(&bytes[at..])?;
        at += blanks(&bytes[at..]);
        at += usize::from(bytes.get(at) == Some(&b','));
    }
}

/// Returns the length of a member of an envelope other than its events.
fn member(bytes: &[u8]) -> Option<usize> {
    let (key, mut at) = string(bytes)?;
    if !ENVELOPE.contains(&key) {
        return None;
    }
    at += blanks(&bytes[at..]);
    if bytes.get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    at += blanks(&bytes[at..]);
    let rest = bytes.get(at..)?;
    let length = match rest.first()? {
        b'"' => string(rest)?.1,
        b'{' | b'[' => return None,
        _ => scalar(rest),
    };
    Some(at + length)
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns a string without escapes, and its length with the quotes.
fn string(bytes: &[u8]) -> Option<(&str, usize)> {
    let text = bytes.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some((std::str::from_utf8(&text[..end]).ok()?, end + 2))
}

/// Returns the length of a value that is neither a string nor in brackets.
fn scalar(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b",]}".contains(byte);
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// The result of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The value continues behind the bytes.
    Nothing,
    /// The value ends before this byte.
    End(usize),
    /// Malformed JSON: brackets do not match, a string contains a line end, or the nesting exceeds [`MAX_DEPTH`].
    Bad,
}

/// Looks for the end of one value, piece by piece.
#[derive(Default)]
pub(crate) struct ValueScan {
    /// The open brackets, innermost in the lowest bit: 1 for a brace, 0 for a square bracket.
    braces: u128,
    depth: u32,
    string: Option<Escape>,
    is_scalar: bool,
}

/// State inside a string: whether the previous character is a backslash that escapes the next one.
#[derive(Clone, Copy)]
struct Escape(bool);

impl ValueScan {
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Found {
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(Escape(is_escaped)) = self.string {
                self.string = match byte {
                    b'\n' | b'\r' => return Found::Bad,
                    b'"' if !is_escaped => None,
                    b'\\' if !is_escaped => Some(Escape(true)),
                    _ => Some(Escape(false)),
                };
                if self.string.is_none() && self.depth == 0 {
                    return Found::End(at + 1);
                }
                continue;
            }
            if self.is_scalar && scalar(&[*byte]) == 0 {
                return Found::End(at);
            }
            match byte {
                b'"' if !self.is_scalar => self.string = Some(Escape(false)),
                b'{' | b'[' if self.depth == MAX_DEPTH => return Found::Bad,
                b'{' | b'[' if !self.is_scalar => {
                    self.braces = self.braces << 1 | u128::from(*byte == b'{');
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 0 => {
                    if (self.braces & 1 == 1) != (*byte == b'}') {
                        return Found::Bad;
                    }
                    self.braces >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Found::End(at + 1);
                    }
                }
                // A closing bracket without an opening one.
                b'}' | b']' => return Found::End(at + 1),
                _ => self.is_scalar |= self.depth == 0,
            }
        }
        Found::Nothing
    }

    /// Returns the result at the end of the file.
    pub(crate) fn at_end(&self, length: usize) -> Found {
        if self.is_scalar { Found::End(length) } else { Found::Bad }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Found {
        let whole = ValueScan::default().read(text.as_bytes());
        let mut scan = ValueScan::default();
        let found = text.bytes().enumerate().find_map(|(at, byte)| match scan.read(&[byte]) {
            Found::Nothing => None,
            Found::End(end) => Some(Found::End(at + end)),
            Found::Bad => Some(Found::Bad),
        });
        assert_eq!(found.unwrap_or(Found::Nothing), whole, "byte by byte: {text}");
        whole
    }

    #[test]
    fn finds_the_end_of_a_value() {
        assert_eq!(read(r#"{"a":[1,"}\"]",{}]} ,"#), Found::End(19));
        assert_eq!(read("12, 3"), Found::End(2));
        assert_eq!(read("\"a\\\\\"b"), Found::End(5));
        assert_eq!(read("}"), Found::End(1));
        assert_eq!(read("{\n\"a\":\n1}"), Found::End(9));
        for open in ["{\"a\":1", "[[]", "\"a\\\"", "tru"] {
            assert_eq!(read(open), Found::Nothing, "{open}");
        }
        for bad in ["{]", "[}", "{\"a\n\":1}", &"[".repeat(101)] {
            assert_eq!(read(bad), Found::Bad, "{bad}");
        }
    }

    #[test]
    fn recognizes_arrays_and_envelopes() {
        let token = |within: Within, text: &str| within.token(text.as_bytes());
        let structure = Token::Structure;
        assert_eq!(token(Within::Nothing, "[{}]"), structure(1, Within::Array));
        assert_eq!(token(Within::Nothing, "{\"events\" : [ {}"), structure(13, Within::Events));
        assert_eq!(
            token(Within::Nothing, "{\"sentAt\": 17, \"userId\":\"u\",\n \"events\":[{}"),
            structure(40, Within::Events)
        );
        for value in
            ["{\"events\":{}}", "{\"type\":\"a\",\"events\":[]}", "{\"sentAt\":[],\"events\":[]}", "{}", "{", "1"]
        {
            assert_eq!(token(Within::Nothing, value), Token::Value, "{value}");
        }
        assert_eq!(token(Within::Events, "],"), structure(1, Within::Envelope));
        assert_eq!(token(Within::Envelope, "\"nextCursor\" : \"a\"}"), structure(18, Within::Envelope));
        assert_eq!(token(Within::Envelope, "\"other\":1}"), Token::Value);
        assert_eq!(token(Within::Envelope, "}"), structure(1, Within::Nothing));
        assert_eq!(token(Within::Array, "]"), structure(1, Within::Nothing));
    }
}
