//! Email addresses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An email address, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(format = "email", example = "ann@shop.example")]
pub(crate) struct Email(String);

/// The text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it {}", InvalidEmail::EXPECTED)]
pub(crate) struct InvalidEmail;

impl InvalidEmail {
    pub(super) const EXPECTED: &str = "is an address such as name@example.com, of at most 254 characters";
}

impl Email {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Accepts common addresses only: no quoted local parts, no comments, no IP address as the domain.
impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"_'+-.&/=?^{|}~!#$%*`".contains(&byte);
        let is_label = |label: &str| {
            let edges = [label.bytes().next(), label.bytes().next_back()];
            (1..=63).contains(&label.len())
                && edges.iter().all(|edge| edge.is_some_and(|byte| byte.is_ascii_alphanumeric()))
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_sound = text.len() <= 254
            && (1..=64).contains(&local.len())
            && local.bytes().all(is_local)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && domain.contains('.')
            && domain.split('.').all(is_label)
            && domain
                .rsplit('.')
                .next()
                .is_some_and(|last| last.len() >= 2 && !last.bytes().all(|byte| byte.is_ascii_digit()));
        if is_sound { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidEmail) }
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_common_email_addresses_only() {
        for (text, kept) in [
            ("Ann@Shop.example", "ann@shop.example"),
            ("a.b+c_d-e'f@x-1.co.uk", "a.b+c_d-e'f@x-1.co.uk"),
            ("u@xn--bcher-kva.example", "u@xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<Email>().map(String::from), Ok(kept.to_owned()));
        }
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(63));
        assert!(long.parse::<Email>().is_ok());
        for text in [
            "",
            "@",
            "a@",
            "@b.example",
            "ab.example",
            "a@b",
            "a@b.c",
            "a@.example",
            "a@b..example",
            "a@-b.example",
            "a@b-.example",
            "a b@c.example",
            "a@b.example ",
            ".a@b.example",
            "a.@b.example",
            "a..b@c.example",
            "a@b@c.example",
            "\"a\"@b.example",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "é@b.example",
            "a@b.example\n",
            "<a@b.example>",
            "a@b_c.example",
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text}");
        }
        assert!(format!("{}@b.example", "a".repeat(65)).parse::<Email>().is_err());
        assert!(format!("a@{}example", "b.".repeat(130)).parse::<Email>().is_err());
    }
}
