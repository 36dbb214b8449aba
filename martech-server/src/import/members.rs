//! A JSON object, split one level deep. Its values stay JSON text.

use std::{borrow::Cow, collections::HashSet, fmt};

use martech_core::event::replace_lone_surrogates;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of an object, in order.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    pub(crate) fn parse(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Returns the JSON text of a member. `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value).filter(|value| *value != "null")
    }

    /// Returns the member at a path of names, or the member whose name is the whole path with its dots.
    pub(crate) fn find(&self, path: &str) -> Option<&'a str> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        path.match_indices('.')
            .find_map(|(dot, _)| Members::parse(self.get(&path[..dot])?).ok()?.find(&path[dot + 1..]))
    }

    /// Returns a name that occurs twice.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        if self.0.len() <= 16 {
            let earlier = |at: usize| self.0[..at].iter().any(|(key, _)| *key == self.0[at].0);
            return (1..self.0.len()).find(|&at| earlier(at)).map(|at| &*self.0[at].0);
        }
        let mut seen = HashSet::with_capacity(self.0.len());
        self.0.iter().find(|(key, _)| !seen.insert(key)).map(|(key, _)| &**key)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(8);
                // Read as JSON text, because a name may contain a lone surrogate, which `text_of` replaces.
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    let key = text_of(key.get())
                        .ok_or_else(|| serde::de::Error::custom("a member name is not a valid string"))?;
                    members.push((key, value.get()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Returns the text of a JSON string, with U+FFFD for each lone surrogate. Returns `None` for other kinds of values.
pub(crate) fn text_of(json: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    match serde_json::from_str::<Text<'_>>(json) {
        Ok(Text(text)) => Some(text),
        Err(_) => serde_json::from_str(&replace_lone_surrogates(json)).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_by_path() {
        let members = Members::parse(r#"{"a":{"b":{"c":1},"x.y":"z"},"d.e":2,"f":null,"\u0067":3}"#).unwrap();
        assert_eq!(members.find("a.b.c"), Some("1"));
        assert_eq!(members.find("a.x.y"), Some("\"z\""));
        assert_eq!(members.find("d.e"), Some("2"));
        assert_eq!(members.find("g"), Some("3"));
        assert_eq!(members.find("f"), None);
        assert_eq!(members.find("a.b.c.d"), None);
        assert!(Members::parse("[1]").is_err());
        let halves = Members::parse(r#"{"col\ud83d":"cut \ud83d","\ud83d\ude00":1}"#).unwrap();
        assert_eq!(halves.find("col\u{fffd}").and_then(text_of).as_deref(), Some("cut \u{fffd}"));
        assert_eq!(halves.find("😀"), Some("1"));
    }

    #[test]
    fn finds_duplicates_in_small_and_large_objects() {
        assert_eq!(Members::parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap().duplicate(), Some("a"));
        let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
        let object = format!("{{{}}}", many.join(","));
        assert_eq!(Members::parse(&object).unwrap().duplicate(), None);
        let object = format!("{{{},\"k7\":0}}", many.join(","));
        assert_eq!(Members::parse(&object).unwrap().duplicate(), Some("k7"));
    }
}
