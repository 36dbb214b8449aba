//! The names of options in messages.

use std::borrow::Cow;

/// How messages name an option.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Terms {
    /// As on the command line: `--time-format`.
    #[default]
    Flags,
    /// As in the HTTP API: `timeFormat`.
    Fields,
}

impl Terms {
    /// Returns a message, which names options as on the command line, in these terms.
    pub(crate) fn of(self, message: &str) -> Cow<'_, str> {
        if self == Self::Flags || !message.contains("--") {
            return Cow::Borrowed(message);
        }
        let mut text = String::with_capacity(message.len());
        let mut parts = message.split("--");
        text.extend(parts.next());
        for part in parts {
            let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
            let (name, rest) = part.split_at(part.find(|c| !is_name(c)).unwrap_or(part.len()));
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
                text.extend(["--", part]);
                continue;
            }
            let mut words = name.split('-');
            text.extend(words.next().map(|word| if word == "null" { "nulls" } else { word }));
            for word in words {
                let mut letters = word.chars();
                text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
                text.push_str(letters.as_str());
            }
            text.push_str(rest);
        }
        Cow::Owned(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_options_as_fields() {
        let told = |text| Terms::Fields.of(text).into_owned();
        assert_eq!(told("use --decimal , --thousands ."), "use decimal , thousands .");
        assert_eq!(told("not in the format of --time-format: x"), "not in the format of timeFormat: x");
        assert_eq!(told("set it with --set or --map"), "set it with set or map");
        assert_eq!(told("--pad-rows accepts; --null"), "padRows accepts; nulls");
        assert_eq!(told("\"5,--\" is -- not"), "\"5,--\" is -- not");
        assert_eq!(Terms::Flags.of("use --decimal"), "use --decimal");
    }
}
