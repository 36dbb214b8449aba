//! A scanner that walks over JSON text without building anything.
//!
//! Why not a parser from a library: an event's properties are kept as the text that came in, so numbers beyond every
//! float and lone surrogates have to pass, repeated keys have to be found, and the depth has to be counted - in one
//! pass, without recursion. Escapes are decoded by `serde_json`, and only where somebody looks at the text.
//!
//! The grammar is RFC 8259's, nothing more: no comments, no trailing commas, no `NaN`.

use std::{borrow::Cow, fmt};

use serde::{Deserializer, de};

use super::{ErrorCode, EventError, error::excerpt};

/// What may stand between the parts of JSON text. A form feed, which Rust counts among the blanks too, may not.
pub(crate) const BLANKS: [char; 4] = [' ', '\n', '\r', '\t'];

/// A value, as a piece of the scanned text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// `null`; also stands for a field that is absent, since the two mean the same here.
    #[default]
    Null,
    Bool,
    Number(&'a str),
    String(Text<'a>),
    Object(&'a str),
    Array(&'a str),
}

impl Value<'_> {
    /// What it is, for an error message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Object(_) => "an object",
            Self::Array(_) => "an array",
        }
    }
}

/// A string, still with its quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    quoted: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// What it says; lone surrogates, which UTF-8 has no room for, in the manner of WTF-8.
    pub(crate) fn bytes(self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(&self.quoted.as_bytes()[1..self.quoted.len() - 1]);
        }
        let decoded = serde_json::Deserializer::from_str(self.quoted).deserialize_bytes(Decoded);
        Cow::Owned(decoded.expect("the scanner has seen that it is a string"))
    }

    /// What it says, or nothing when there is a lone surrogate in it.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        if self.escaped {
            String::from_utf8(self.bytes().into_owned()).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(&self.quoted[1..self.quoted.len() - 1]))
        }
    }

    /// What it says, with U+FFFD in the place of a lone surrogate.
    pub(crate) fn lossy(self) -> Cow<'a, str> {
        self.text().unwrap_or_else(|| String::from_utf8_lossy(&self.bytes()).into_owned().into())
    }
}

/// Takes the bytes of a string; `serde_json` lets lone surrogates through only to who asks for bytes.
struct Decoded;

impl de::Visitor<'_> for Decoded {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(bytes.to_vec())
    }
}

/// Boxed, so that the many small results on the way weigh little.
pub(crate) type Scanned<T> = Result<T, Box<EventError>>;

/// An object or array whose end has not been reached.
#[derive(Debug)]
struct Frame {
    object: bool,
    /// Its items so far.
    items: usize,
    /// Where its keys begin in [`Scanner::keys`].
    keys: usize,
}

/// Walks over one JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    max_depth: usize,
    /// Whether keys are compared and depth is limited; otherwise only the grammar is checked.
    strict: bool,
    frames: Vec<Frame>,
    /// The keys of all open objects, outermost first.
    keys: Vec<Cow<'a, [u8]>>,
}

impl<'a> Scanner<'a> {
    /// Finds everything that is wrong.
    pub(crate) fn strict(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, max_depth, strict: true, frames: Vec::with_capacity(4), keys: Vec::with_capacity(16) }
    }

    /// Checks the grammar down to `max_depth`; what is deeper is only skipped, bracket by bracket.
    pub(crate) fn lenient(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, max_depth, strict: false, frames: Vec::new(), keys: Vec::new() }
    }

    /// The text from an offset to here.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// The next byte that is not blank, and its offset.
    pub(crate) fn peek(&mut self) -> Option<(u8, usize)> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some((byte, self.at));
            }
            self.at += 1;
        }
        None
    }

    /// Whatever comes next, with all that is in it.
    pub(crate) fn value(&mut self) -> Scanned<Value<'a>> {
        match self.peek() {
            Some((byte @ (b'{' | b'['), start)) => {
                self.container(byte)?;
                Ok(if byte == b'{' { Value::Object(self.since(start)) } else { Value::Array(self.since(start)) })
            }
            Some((byte, _)) => self.scalar(byte),
            None => Err(self.syntax("a value")),
        }
    }

    /// Goes into an object or array, if its opening bracket comes next: the offset of the bracket.
    pub(crate) fn enter(&mut self, bracket: u8) -> Scanned<Option<usize>> {
        match self.peek() {
            Some((byte, start)) if byte == bracket => {
                self.open(byte)?;
                Ok(Some(start))
            }
            _ => Ok(None),
        }
    }

    /// Steps to the next member of the object that is open: its key, or nothing where the object ends.
    pub(crate) fn next_key(&mut self) -> Scanned<Option<Text<'a>>> {
        if self.next_item()? { self.key().map(Some) } else { Ok(None) }
    }

    /// Steps to the next element of the array that is open: its offset, or nothing where the array ends.
    pub(crate) fn next_element(&mut self) -> Scanned<Option<usize>> {
        if !self.next_item()? {
            return Ok(None);
        }
        match self.peek() {
            Some((_, at)) => Ok(Some(at)),
            None => Err(self.syntax("a value")),
        }
    }

    /// Nothing but blanks may follow.
    pub(crate) fn end(&mut self) -> Scanned<()> {
        if self.peek().is_some() { Err(self.syntax("the end of the text")) } else { Ok(()) }
    }

    fn container(&mut self, bracket: u8) -> Scanned<()> {
        let outside = self.frames.len();
        self.open(bracket)?;
        while self.frames.len() > outside {
            if !self.next_item()? {
                continue;
            }
            if self.frames.last().is_some_and(|frame| frame.object) {
                self.key()?;
            }
            match self.peek() {
                Some((byte @ (b'{' | b'['), _)) => self.open(byte)?,
                Some((byte, _)) => _ = self.scalar(byte)?,
                None => return Err(self.syntax("a value")),
            }
        }
        Ok(())
    }

    /// Steps over an opening bracket; in a lenient scan, over everything up to the closing one where it is too deep.
    fn open(&mut self, bracket: u8) -> Scanned<()> {
        if self.frames.len() == self.max_depth {
            return if self.strict { Err(self.too_deep()) } else { self.skip_brackets() };
        }
        self.frames.push(Frame { object: bracket == b'{', items: 0, keys: self.keys.len() });
        self.at += 1;
        Ok(())
    }

    /// Steps over a comma to the next item of the innermost frame, or closes the frame.
    fn next_item(&mut self) -> Scanned<bool> {
        let next = self.peek();
        let Some(frame) = self.frames.last_mut() else { return Ok(false) };
        let (close, expected) = if frame.object { (b'}', "a comma or }") } else { (b']', "a comma or ]") };
        match next {
            Some((byte, _)) if byte == close => {
                self.at += 1;
                self.close()?;
                Ok(false)
            }
            Some(_) if frame.items == 0 => {
                frame.items = 1;
                Ok(true)
            }
            Some((b',', _)) => {
                frame.items += 1;
                self.at += 1;
                self.peek();
                Ok(true)
            }
            _ => Err(self.syntax(expected)),
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Scanned<Text<'a>> {
        let Some((b'"', _)) = self.peek() else { return Err(self.syntax("a key in double quotes")) };
        let key = self.string()?;
        let Some((b':', _)) = self.peek() else { return Err(self.syntax("a colon")) };
        self.at += 1;
        if self.strict {
            self.keys.push(key.bytes());
        }
        Ok(key)
    }

    fn close(&mut self) -> Scanned<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let repeated = repeated(&mut self.keys[frame.keys..]);
        self.keys.truncate(frame.keys);
        repeated.map_or(Ok(()), |key| Err(self.duplicate(&key)))
    }

    fn scalar(&mut self, byte: u8) -> Scanned<Value<'a>> {
        match byte {
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Value::Bool),
            b'f' => self.word("false", Value::Bool),
            b'n' => self.word("null", Value::Null),
            _ => Err(self.syntax("a value")),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Scanned<Value<'a>> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Scanned<Value<'a>> {
        let start = self.at;
        self.skip(|byte| byte == b'-', 1);
        match self.skip(|byte| byte.is_ascii_digit(), usize::MAX) {
            0 => return Err(self.syntax("a digit")),
            1 => {}
            digits if self.text.as_bytes()[self.at - digits] == b'0' => {
                self.at = self.at - digits + 1;
                return Err(self.syntax("no digit after a leading zero"));
            }
            _ => {}
        }
        if self.skip(|byte| byte == b'.', 1) == 1 && self.skip(|byte| byte.is_ascii_digit(), usize::MAX) == 0 {
            return Err(self.syntax("a digit"));
        }
        if self.skip(|byte| matches!(byte, b'e' | b'E'), 1) == 1 {
            self.skip(|byte| matches!(byte, b'+' | b'-'), 1);
            if self.skip(|byte| byte.is_ascii_digit(), usize::MAX) == 0 {
                return Err(self.syntax("a digit"));
            }
        }
        Ok(Value::Number(self.since(start)))
    }

    /// Steps over bytes of a kind, up to a number of them; how many there were.
    fn skip(&mut self, kind: impl Fn(u8) -> bool, limit: usize) -> usize {
        let bytes = &self.text.as_bytes()[self.at..];
        let count = bytes.iter().take(limit).take_while(|byte| kind(**byte)).count();
        self.at += count;
        count
    }

    /// A string, from its opening quote.
    fn string(&mut self) -> Scanned<Text<'a>> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let mut escaped = false;
        self.at += 1;
        loop {
            self.skip(|byte| byte >= b' ' && byte != b'"' && byte != b'\\', usize::MAX);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { quoted: self.since(start), escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return Err(self.syntax("an escape in place of a control character")),
                None => return Err(self.syntax("the closing quote of a string")),
            }
        }
    }

    /// An escape, behind its backslash.
    fn escape(&mut self) -> Scanned<()> {
        match self.text.as_bytes().get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                if self.skip(|byte| byte.is_ascii_hexdigit(), 4) < 4 {
                    return Err(self.syntax("four hexadecimal digits"));
                }
            }
            _ => return Err(self.syntax("one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")),
        }
        Ok(())
    }

    /// Steps over an object or array by counting brackets.
    fn skip_brackets(&mut self) -> Scanned<()> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Some((b'"', _)) => _ = self.string()?,
                Some((byte, _)) => {
                    match byte {
                        b'{' | b'[' => open += 1,
                        b'}' | b']' => open -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if open == 0 {
                        return Ok(());
                    }
                }
                None => return Err(self.syntax("a closing bracket")),
            }
        }
    }

    /// Where the scanner stands, as `properties.items.2.name`.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for (index, frame) in self.frames.iter().enumerate() {
            if frame.object {
                let keys = &self.keys[frame.keys..self.frames.get(index + 1).map_or(self.keys.len(), |next| next.keys)];
                push_key(&mut path, keys.last().map_or(b"", |key| key));
            } else {
                push_key(&mut path, frame.items.saturating_sub(1).to_string().as_bytes());
            }
        }
        path
    }

    fn syntax(&self, expected: &'static str) -> Box<EventError> {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let found = match self.text[self.at..].chars().next() {
            Some(found) => format!("not {found:?}"),
            None => "but the text ends".to_owned(),
        };
        let message = format!("malformed JSON at line {line}, column {column}: expected {expected}, {found}");
        Box::new(EventError::new(ErrorCode::MalformedJson, message))
    }

    fn too_deep(&self) -> Box<EventError> {
        let message = format!("objects and arrays are nested deeper than {} levels", self.max_depth);
        Box::new(EventError::new(ErrorCode::TooDeep, message).at(self.path()))
    }

    fn duplicate(&self, key: &[u8]) -> Box<EventError> {
        let mut path = self.path();
        push_key(&mut path, key);
        let message = format!("the key {path} is there more than once; which one counts cannot be told");
        Box::new(EventError::new(ErrorCode::DuplicateKey, message).at(path))
    }
}

/// Adds a step to a path; deep and long ones are cut.
fn push_key(path: &mut String, key: &[u8]) {
    const LIMIT: usize = 128;
    if path.len() >= LIMIT {
        if !path.ends_with('…') {
            path.push('…');
        }
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(&excerpt(&String::from_utf8_lossy(key)));
}

/// A key that is there twice.
fn repeated<'a>(keys: &mut [Cow<'a, [u8]>]) -> Option<Cow<'a, [u8]>> {
    const FEW: usize = 12;
    if keys.len() <= FEW {
        let twice = keys.iter().enumerate().find(|(index, key)| keys[..*index].contains(key));
        return twice.map(|(_, key)| key.clone());
    }
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}

#[cfg(test)]
mod tests;
