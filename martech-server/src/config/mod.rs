//! Settings of the server: command-line flags, with a `MARTECH_*` variable for each.
//!
//! The modules behind the settings know nothing of flags. Each group of flags here turns into the options of one of
//! them.

mod accounts;
mod bounds;
mod check;
mod connections;
mod rates;
pub(crate) mod secret_files;
mod storage;
mod values;

use std::{ffi::OsString, iter, net::SocketAddr, num::NonZero, path::PathBuf};

use clap::{ArgAction, Args, Parser};
use jiff::tz::TimeZone;
use martech_core::{
    event::{Currency, EventRules, EventTypes},
    lake::ScanLimit,
};

pub use self::{
    accounts::{AccountArgs, PasswordArgs},
    bounds::BoundArgs,
    connections::{ConnectionArgs, TlsArgs},
    rates::RateArgs,
    storage::{SpoolArgs, StorageArgs, StoreArgs, Switch},
};
pub(crate) use self::{
    check::{mistakes, mistakes_of_folder},
    values::{one_of, parse_zone},
};
use crate::{
    http::auth::AdminToken,
    observability::LogFormat,
    projects::{BackendOptions, ProjectDefaults, ProjectOptions, SCANS},
    routes::metrics::MetricsAddr,
    util::parse_addr,
};

/// Settings of the server.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, env = "MARTECH_ADDR", default_value = "127.0.0.1:3000", value_name = "HOST:PORT", value_parser = parse_addr)]
    pub addr: SocketAddr,

    /// Address of the metrics for Prometheus, or `off` [default: 127.0.0.1:9464, or none if it is in use]
    #[arg(long, env = "MARTECH_METRICS_ADDR", value_name = "HOST:PORT|off")]
    pub metrics_addr: Option<MetricsAddr>,

    /// Data folder; created if it is missing, used by one process at a time
    #[arg(long, env = "MARTECH_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Token for everything except POST /events and the health routes, at least 16 characters; only from
    /// MARTECH_ADMIN_TOKEN or the file that MARTECH_ADMIN_TOKEN_FILE names, because everyone on a machine can see its
    /// command lines. Without it, the server creates one and stores it in DIR/admin-token
    #[arg(long, env = "MARTECH_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = AdminToken::new)]
    pub admin_token: Option<AdminToken>,

    /// Event types to accept in addition to the ten known ones: names separated by commas, or `*` for any
    #[arg(long, env = "MARTECH_EVENT_TYPES", default_value = "", hide_default_value = true, value_name = "LIST")]
    pub event_types: EventTypes,

    /// Currency of orders that name none: an ISO 4217 code
    #[arg(long, env = "MARTECH_CURRENCY", default_value = "USD", value_name = "CODE", value_parser = Currency::iso_4217)]
    pub currency: Currency,

    /// IANA time zone of queries that name none, such as Europe/Berlin
    #[arg(long, env = "MARTECH_TIME_ZONE", default_value = "UTC", value_name = "ZONE", value_parser = parse_zone)]
    pub time_zone: TimeZone,

    /// Format of log lines
    #[arg(long, hide_short_help = true, env = "MARTECH_LOG_FORMAT", default_value = "auto", value_name = "FORMAT", value_parser = one_of(&LogFormat::ALL), help_heading = "Logs")]
    pub log_format: LogFormat,

    /// Log level: error, warn, info, debug, trace, or a filter such as `info,martech_core=debug`
    #[arg(long, env = "MARTECH_LOG", default_value = "info", value_name = "FILTER", help_heading = "Logs")]
    pub log: String,

    /// The event store.
    #[command(flatten)]
    pub store: StoreArgs,

    /// The spool in front of MongoDB.
    #[command(flatten)]
    pub spool: SpoolArgs,

    /// Accounts and access.
    #[command(flatten)]
    pub accounts: AccountArgs,

    /// Storage.
    #[command(flatten)]
    pub storage: StorageArgs,

    /// Limits and timeouts.
    #[command(flatten)]
    pub bounds: BoundArgs,

    /// Rate limits.
    #[command(flatten)]
    pub rates: RateArgs,

    /// Connections.
    #[command(flatten)]
    pub connections: ConnectionArgs,

    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    #[command(flatten)]
    help: HelpArgs,
}

/// The settings of a server by themselves, without commands.
#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct Flags {
    #[command(flatten)]
    args: ServeArgs,
}

impl ServeArgs {
    /// Parses flags such as `["--data-dir", "/tmp/shop"]`, and the environment for what they leave out. Ends the
    /// process with a message if one of them is invalid, as the command line does.
    pub fn parse_from<T: Into<OsString>>(flags: impl IntoIterator<Item = T>) -> Self {
        let name = iter::once(OsString::from("martech-server"));
        Flags::parse_from(name.chain(flags.into_iter().map(Into::into))).args
    }
}

/// The help of a server: short by default, because most settings need no change.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Help")]
struct HelpArgs {
    /// Print help
    // Global, because clap takes the help flag of its own from all commands if it takes it from one.
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// Print help with all settings
    #[arg(long, action = ArgAction::HelpLong)]
    help_advanced: Option<bool>,
}

impl ServeArgs {
    /// Returns the options of the event stores.
    pub(crate) fn backend(&self) -> BackendOptions {
        let storage = &self.storage;
        BackendOptions {
            mongo: self.store.mongo(),
            spool_bytes: (self.spool.spool == Switch::On).then(|| self.spool.spool_size.as_u64()),
            roll_bytes: values::bytes(storage.roll_bytes),
            roll_age: storage.roll_age,
            dedupe_memory: values::bytes(storage.dedupe_memory),
            journal_bytes: storage.journal_size.as_u64(),
            scan_limit: ScanLimit::new(SCANS),
        }
    }

    /// Returns the options of the projects.
    pub(crate) fn projects(&self) -> ProjectOptions {
        let rules = EventRules::default()
            .types(self.event_types.clone())
            .currency(self.currency)
            .public_days(NonZero::new(self.accounts.public_event_days));
        ProjectOptions {
            data_dir: self.data_dir.clone(),
            backend: self.backend(),
            queue: self.bounds.queue(),
            defaults: ProjectDefaults {
                rules,
                time_zone: self.time_zone.clone(),
                retention_days: self.storage.retention_days,
                events_per_day: self.bounds.events_per_day,
            },
        }
    }
}
