//! Settings that say where events are kept.

use std::{fmt, str::FromStr, time::Duration};

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use martech_core::mongodb::MongoOptions;

use crate::config::parse_duration;

/// Which store.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Where events are kept: `lake`, in the data folder, or a MongoDB connection string, mongodb://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env = "MARTECH_STORE",
        default_value = "lake",
        hide_env_values = true,
        value_name = "lake|URI",
        help_heading = "Storage"
    )]
    pub store: StoreChoice,

    /// How long somebody waits for the answer to a question, and MongoDB may work on it
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

/// What stands in front of a MongoDB.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct SpoolArgs {
    /// Whether events are kept in the data folder until MongoDB has them, so that it may be slow or away
    #[arg(long, env = "MARTECH_SPOOL", default_value = "on", value_enum)]
    pub spool: Switch,

    /// Most that the spool may take of the disk; when it is full, senders are asked to wait
    #[arg(long, env = "MARTECH_SPOOL_SIZE", default_value = "1GiB", value_name = "SIZE")]
    pub spool_size: ByteSize,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// The embedded lake, or a MongoDB.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// In the data folder.
    Lake,
    /// By its connection string, in which there may be a password.
    Mongo(String),
}

impl StoreArgs {
    /// The options of a MongoDB with this connection string.
    pub(crate) fn mongo(&self, uri: &str) -> MongoOptions {
        MongoOptions { query_timeout: Some(self.query_timeout), ..MongoOptions::new(uri) }
    }
}

/// Nothing is answered in no time.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(1) { Err("at least 1ms".to_owned()) } else { Ok(time) }
}

/// The beginnings of connection strings.
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

/// Without what is before the host.
impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Mongo(uri) = self else { return f.write_str("lake") };
        let (scheme, rest) = uri.split_once("://").unwrap_or_default();
        // A password may hold any character when its writer was careless; a host holds no `@`. What follows the
        // database may hold secrets as well.
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
    fn a_store_is_the_lake_or_a_connection_string() {
        assert_eq!("lake".parse(), Ok(StoreChoice::Lake));
        for uri in ["mongodb://localhost", "mongodb+srv://u:p@h/db?w=1"] {
            assert_eq!(uri.parse(), Ok(StoreChoice::Mongo(uri.to_owned())));
        }
        for wrong in ["", "Lake", "postgres://h", "localhost:27017", "mongodb:/h"] {
            assert!(wrong.parse::<StoreChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_password_is_shown() {
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
