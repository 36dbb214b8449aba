//! Scans values that contain no other values: strings, numbers, `true`, `false` and `null`.

use super::{
    Scanned, Scanner, Value,
    text::{Escapes, Surrogates, Text},
};

impl<'a> Scanner<'a> {
    pub(super) fn scalar(&mut self, byte: u8) -> Scanned<Value<'a>> {
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

    /// Skips up to `limit` bytes of a kind and returns their number.
    fn skip(&mut self, kind: impl Fn(u8) -> bool, limit: usize) -> usize {
        let bytes = &self.text.as_bytes()[self.at..];
        let count = bytes.iter().take(limit).take_while(|byte| kind(**byte)).count();
        self.at += count;
        count
    }

    /// Reads a string from its opening quote.
    pub(super) fn string(&mut self) -> Scanned<Text<'a>> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let mut escapes = Escapes::None;
        self.at += 1;
        loop {
            self.skip(|byte| byte >= b' ' && byte != b'"' && byte != b'\\', usize::MAX);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { quoted: self.since(start), escapes });
                }
                Some(b'\\') => escapes = self.escape(escapes)?,
                Some(_) => return Err(self.syntax("an escape in place of a control character")),
                None => return Err(self.syntax("the closing quote of a string")),
            }
        }
    }

    /// Reads an escape, or the two escapes of a surrogate pair, from the backslash. Returns the kinds of escapes in the
    /// string so far.
    fn escape(&mut self, before: Escapes) -> Scanned<Escapes> {
        let surrogates = Surrogates::at_head(&self.text.as_bytes()[self.at..]);
        if let Some(surrogates) = surrogates {
            self.at += surrogates.len();
            if surrogates == Surrogates::Half {
                self.halves = true;
                return Ok(Escapes::Halves);
            }
        } else {
            self.at += 1;
            self.character()?;
        }
        Ok(if before == Escapes::None { Escapes::Whole } else { before })
    }

    /// Checks the part of an escape after its backslash.
    fn character(&mut self) -> Scanned<()> {
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
}
