//! A scanner that walks over JSON text without building a tree.
//!
//! Library parsers do not fit. An event's properties are stored as the text received, so numbers beyond the range of
//! floats must pass, repeated keys must be found, and depth must be counted, all in one pass and without recursion.
//! Escapes are decoded by `serde_json`, and only in text that is used.
//!
//! JavaScript's `slice()` can cut a character in two and leave a lone surrogate, `"\ud83d"`. UTF-8 cannot represent it,
//! and strict readers reject it. The scanner reads it as U+FFFD, in names and in values, and
//! [`replace_lone_surrogates`] replaces it in text.
//!
//! The grammar is exactly that of RFC 8259: no comments, no trailing commas, no `NaN`.

mod scalars;
mod text;

use std::borrow::Cow;

pub(crate) use self::text::Text;
pub use self::text::replace_lone_surrogates;
use super::{ErrorCode, EventError, error::excerpt};

/// The white space of JSON. Rust also counts the form feed as white space; JSON does not.
pub(crate) const BLANKS: [char; 4] = [' ', '\n', '\r', '\t'];

/// A value, as a slice of the scanned text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// `null`, or an absent field: the two mean the same here.
    #[default]
    Null,
    Bool,
    Number(&'a str),
    String(Text<'a>),
    Object(&'a str),
    Array(&'a str),
}

impl Value<'_> {
    /// Names the JSON type, for an error message.
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

/// Errors are boxed to keep the many intermediate results small.
pub(crate) type Scanned<T> = Result<T, Box<EventError>>;

/// An open object or array.
#[derive(Debug)]
struct Frame {
    object: bool,
    /// Number of items so far.
    items: usize,
    /// Index of its first key in [`Scanner::keys`].
    keys: usize,
}

/// Scans one JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    max_depth: usize,
    /// Whether keys are compared and depth is limited. Otherwise only the grammar is checked.
    strict: bool,
    frames: Vec<Frame>,
    /// The keys of all open objects, outermost first.
    keys: Vec<Cow<'a, str>>,
    /// Whether a lone surrogate was seen so far.
    halves: bool,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner that also rejects repeated keys and text nested deeper than `max_depth`.
    pub(crate) fn strict(text: &'a str, max_depth: usize) -> Self {
        let (frames, keys) = (Vec::with_capacity(4), Vec::with_capacity(16));
        Self { text, at: 0, max_depth, strict: true, frames, keys, halves: false }
    }

    /// Creates a scanner that checks the grammar down to `max_depth` and skips deeper levels by counting brackets.
    pub(crate) fn lenient(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, max_depth, strict: false, frames: Vec::new(), keys: Vec::new(), halves: false }
    }

    /// Returns whether the text up to here needs [`replace_lone_surrogates`].
    pub(crate) fn has_halves(&self) -> bool {
        self.halves
    }

    /// Returns the text from an offset to the current position.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Returns the next byte that is not white space, and its offset.
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

    /// Reads the next value, including everything nested in it.
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

    /// Enters an object or array if its opening bracket comes next. Returns the offset of the bracket.
    pub(crate) fn enter(&mut self, bracket: u8) -> Scanned<Option<usize>> {
        match self.peek() {
            Some((byte, start)) if byte == bracket => {
                self.open(byte)?;
                Ok(Some(start))
            }
            _ => Ok(None),
        }
    }

    /// Advances to the next member of the open object. Returns its key, or `None` at the end of the object.
    pub(crate) fn next_key(&mut self) -> Scanned<Option<Text<'a>>> {
        if self.next_item()? { self.key().map(Some) } else { Ok(None) }
    }

    /// Advances to the next element of the open array. Returns its offset, or `None` at the end of the array.
    pub(crate) fn next_element(&mut self) -> Scanned<Option<usize>> {
        if !self.next_item()? {
            return Ok(None);
        }
        match self.peek() {
            Some((_, at)) => Ok(Some(at)),
            None => Err(self.syntax("a value")),
        }
    }

    /// Fails unless only white space follows.
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

    /// Steps over an opening bracket. At the depth limit, a strict scan fails and a lenient scan skips to the closing
    /// bracket.
    fn open(&mut self, bracket: u8) -> Scanned<()> {
        if self.frames.len() == self.max_depth {
            return if self.strict { Err(self.too_deep()) } else { self.skip_brackets() };
        }
        self.frames.push(Frame { object: bracket == b'{', items: 0, keys: self.keys.len() });
        self.at += 1;
        Ok(())
    }

    /// Steps over a comma to the next item of the innermost frame, or closes the frame. Returns whether there is an
    /// item.
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

    /// Reads a key and its colon.
    fn key(&mut self) -> Scanned<Text<'a>> {
        let Some((b'"', _)) = self.peek() else { return Err(self.syntax("a key in double quotes")) };
        let key = self.string()?;
        let Some((b':', _)) = self.peek() else { return Err(self.syntax("a colon")) };
        self.at += 1;
        if self.strict {
            self.keys.push(key.text());
        }
        Ok(key)
    }

    fn close(&mut self) -> Scanned<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let repeated = repeated(&mut self.keys[frame.keys..]);
        self.keys.truncate(frame.keys);
        repeated.map_or(Ok(()), |key| Err(self.duplicate(&key)))
    }

    /// Skips an object or array by counting brackets.
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

    /// Returns the scanner's position as a path, such as `properties.items.2.name`.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for (index, frame) in self.frames.iter().enumerate() {
            if frame.object {
                let keys = &self.keys[frame.keys..self.frames.get(index + 1).map_or(self.keys.len(), |next| next.keys)];
                push_key(&mut path, keys.last().map_or("", |key| key));
            } else {
                push_key(&mut path, &frame.items.saturating_sub(1).to_string());
            }
        }
        path
    }

    fn syntax(&self, expected: &'static str) -> Box<EventError> {
        let before = &self.text[..self.at];
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        // Text of one line may itself be a line of a longer text, whose number is not known here.
        let line = match self.text.contains('\n') {
            true => format!("line {}, ", before.matches('\n').count() + 1),
            false => String::new(),
        };
        let found = match self.text[self.at..].chars().next() {
            Some(found) => format!("not {found:?}"),
            None => "but the text ends".to_owned(),
        };
        let message = format!("malformed JSON at {line}column {column}: expected {expected}, {found}");
        Box::new(EventError::new(ErrorCode::MalformedJson, message))
    }

    fn too_deep(&self) -> Box<EventError> {
        let message = format!("objects and arrays are nested deeper than {} levels", self.max_depth);
        Box::new(EventError::new(ErrorCode::TooDeep, message).at(self.path()))
    }

    fn duplicate(&self, key: &str) -> Box<EventError> {
        let mut path = self.path();
        push_key(&mut path, key);
        let message = format!("the key {path} occurs more than once; send it once");
        Box::new(EventError::new(ErrorCode::DuplicateKey, message).at(path))
    }
}

/// Appends a step to a path. Long steps and long paths are truncated.
fn push_key(path: &mut String, key: &str) {
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
    path.push_str(&excerpt(key));
}

/// Returns a key that occurs twice.
fn repeated<'a>(keys: &mut [Cow<'a, str>]) -> Option<Cow<'a, str>> {
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
