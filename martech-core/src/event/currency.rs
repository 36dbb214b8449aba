use std::{borrow::Cow, fmt, str, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency code, 3 to 8 capital ASCII letters or digits (`USD`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 8]);

/// A text that is no currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency code: 3 to 8 ASCII letters or digits, such as USD")]
pub struct InvalidCurrency;

impl Currency {
    /// United States dollar.
    pub const USD: Self = Self(*b"USD\0\0\0\0\0");

    /// The code.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        str::from_utf8(&self.0[..len]).expect("a currency code is ASCII")
    }
}

impl AsRef<str> for Currency {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({})", self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// In either case; kept in capitals.
impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(InvalidCurrency);
        }
        let mut code = [0; 8];
        code[..text.len()].copy_from_slice(text.as_bytes());
        code.make_ascii_uppercase();
        Ok(Self(code))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
