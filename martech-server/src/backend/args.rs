//! Settings of the event store.

use std::{fmt, str::FromStr, time::Duration};

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use martech_core::mongodb::MongoOptions;

use crate::config::parse_duration;

/// Settings of the store.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Event store: `lake`, in the data folder, or a MongoDB connection string, mongodb://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env = "MARTECH_STORE",
        default_value = "lake",
        hide_env_values = true,
        value_name = "lake|URI",
        help_heading = "Storage"
    )]
    pub store: StoreChoice,

    /// Timeout of a query, also of its work in MongoDB; then 503
    #[arg(
        long,
        env = "MARTECH_QUERY_TIMEOUT",
        default_value = "30s",
        value_name = "TIME",
        value_parser = some_time,
        help_heading = "Storage"
    )]
    pub query_timeout: Duration,
}

/// Settings of the spool in front of MongoDB.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct SpoolArgs {
    /// Whether events are stored in the data folder until MongoDB has them, so that MongoDB may be slow or unavailable
    #[arg(long, env = "MARTECH_SPOOL", default_value = "on", value_enum)]
    pub spool: Switch,

    /// Maximum size of the spool on disk. When it is full, clients wait and then get 429 or 503 with `Retry-After`
    #[arg(long, env = "MARTECH_SPOOL_SIZE", default_value = "1GiB", value_name = "SIZE")]
    pub spool_size: ByteSize,
}

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// The event store: the embedded lake or MongoDB.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// The embedded lake, in the data folder.
    Lake,
    /// MongoDB, with its connection string. The string may contain a password.
    Mongo(String),
}

impl StoreArgs {
    /// Returns the MongoDB options for a connection string.
    pub(crate) fn mongo(&self, uri: &str) -> MongoOptions {
        MongoOptions { query_timeout: Some(self.query_timeout), ..MongoOptions::new(uri) }
    }
}

/// Parses a timeout of at least one millisecond, because no query completes within a zero timeout.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(1) { Err("at least 1ms".to_owned()) } else { Ok(time) }
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
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        write!(f, "{scheme}://{}", place.split(['?', '#']).next().unwrap_or_default())
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
