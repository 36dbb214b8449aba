//! The choice between the embedded lake and MongoDB.

use std::{fmt, str::FromStr};

/// The event store: the embedded lake or MongoDB.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// The embedded lake, in the data folder.
    Lake,
    /// MongoDB, with its connection string. The string may contain a password.
    Mongo(String),
}

/// Prefixes of MongoDB connection strings.
const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];

impl FromStr for StoreChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "lake" {
            Ok(Self::Lake)
        } else if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            Ok(Self::Mongo(text.to_owned()))
        } else {
            Err("`lake`, or a connection string that begins with mongodb:// or mongodb+srv://")
        }
    }
}

/// Omits credentials and options, which may be secret.
impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Mongo(uri) = self else { return f.write_str("lake") };
        let (scheme, rest) = uri.split_once("://").unwrap_or_default();
        // A password that is not percent-encoded may contain any character, but a host contains no `@`. The options
        // after the database may contain secrets too.
        let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
        write!(f, "{scheme}://{}", hosts.split(['?', '#']).next().unwrap_or_default())
    }
}

impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_lake_or_connection_string() {
        assert_eq!("lake".parse(), Ok(StoreChoice::Lake));
        for uri in ["mongodb://localhost", "mongodb+srv://u:p@h/db?w=1"] {
            assert_eq!(uri.parse(), Ok(StoreChoice::Mongo(uri.to_owned())));
        }
        for wrong in ["", "Lake", "postgres://h", "localhost:27017", "mongodb:/h"] {
            assert!(wrong.parse::<StoreChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn display_and_debug_hide_secrets() {
        for (uri, shown) in [
            ("mongodb://h1:1,h2:2/shop?replicaSet=rs", "mongodb://h1:1,h2:2/shop"),
            ("mongodb://user:se@cr/et@h/shop", "mongodb://h/shop"),
            ("mongodb+srv://user:p@h?tlsCertificateKeyFilePassword=secret", "mongodb+srv://h"),
        ] {
            let choice: StoreChoice = uri.parse().unwrap();
            assert_eq!((choice.to_string(), format!("{choice:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }
}
