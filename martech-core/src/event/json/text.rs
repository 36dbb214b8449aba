//! Strings of JSON text: escapes, and surrogates that are not characters by themselves.

use std::borrow::Cow;

/// A string with its quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub(super) quoted: &'a str,
    pub(super) escapes: Escapes,
}

/// The kinds of escapes in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    None,
    /// All escapes stand for characters.
    Whole,
    /// Some escapes are lone surrogates.
    Halves,
}

impl<'a> Text<'a> {
    /// Decodes the string, with U+FFFD in place of lone surrogates.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let decoded = |quoted: &str| serde_json::from_str(quoted).expect("the scanner found a string");
        match self.escapes {
            Escapes::None => Cow::Borrowed(&self.quoted[1..self.quoted.len() - 1]),
            Escapes::Whole => Cow::Owned(decoded(self.quoted)),
            Escapes::Halves => Cow::Owned(decoded(&replace_lone_surrogates(self.quoted))),
        }
    }
}

/// Replaces every lone surrogate in JSON text with `\ufffd`. Borrows the text if there is none. The length does not
/// change.
pub fn replace_lone_surrogates(json: &str) -> Cow<'_, str> {
    let (mut replaced, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(next) = json[at..].find('\\') {
        at += next;
        at += match Surrogates::at_head(&json.as_bytes()[at..]) {
            Some(Surrogates::Half) => {
                replaced.push_str(&json[copied..at]);
                replaced.push_str("\\ufffd");
                copied = at + Surrogates::Half.len();
                Surrogates::Half.len()
            }
            Some(pair) => pair.len(),
            // Skips the backslash and the character that it escapes.
            None => 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    replaced.push_str(&json[copied..]);
    Cow::Owned(replaced)
}

/// Escapes of code units that are not characters by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surrogates {
    Pair,
    Half,
}

impl Surrogates {
    /// Returns the surrogates at the start of a text.
    pub(super) fn at_head(text: &[u8]) -> Option<Self> {
        match code_unit(text)? {
            0xd800..=0xdbff => match code_unit(&text[Self::Half.len()..]) {
                Some(0xdc00..=0xdfff) => Some(Self::Pair),
                _ => Some(Self::Half),
            },
            0xdc00..=0xdfff => Some(Self::Half),
            _ => None,
        }
    }

    /// Length of the escapes in bytes.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Pair => 12,
            Self::Half => 6,
        }
    }
}

/// Decodes the escape at the start of a text if it is `\u` and four digits.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
