//! Settings: command-line flags, with a `MARTECH_*` variable for each.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    num::NonZero,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use clap::{Args, CommandFactory, Parser, Subcommand};
use jiff::{SignedDuration, tz::TimeZone};
use martech_core::event::{Currency, EventRules, EventTypes};
use martech_core::lake::LakeOptions;

use crate::{
    AdminToken, AllowedOrigins, LogFormat, MetricsAddr, SignUpPolicy, TrustedProxies, WebOrigin,
    accounts::{Cost, SessionTimes, Settings},
    backend::{SpoolArgs, StoreArgs, Switch},
    body::BodyLimits,
    care::{RepairArgs, VerifyArgs},
    import::ImportArgs,
    limits::RateArgs,
    migrate::MigrateArgs,
    serve::{ConnectionArgs, TlsArgs},
    settings::{self, SettingsError},
    users::UserArgs,
};

/// Event ingestion and analytics for online shops, in one binary.
///
/// Without a command, it runs the server. Send events with POST /events (no token needed), and read them from /users,
/// /users/{userId}/journey and /stats with `Authorization: Bearer <admin token>`.
#[derive(Debug, Parser)]
#[command(name = "martech-server", version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the server: accepts events over HTTP and answers queries about them (the default)
    Serve(Box<ServeArgs>),
    /// Imports events from files or standard input
    Import(Box<ImportArgs>),
    /// Copies all events from one store to another
    Migrate(MigrateArgs),
    /// Checks a data folder, or the events in MongoDB and the spool in front of it, from end to end; changes nothing
    Verify(VerifyArgs),
    /// Creates, lists, changes and removes accounts
    User(Box<UserArgs>),
    /// Checks the settings of the server and prints them without secrets; changes nothing; exits with 0 if they are
    /// valid, else 1
    Check(Box<ServeArgs>),
    /// Sets damage in a data folder aside and reports what was lost; no server may be running on it
    Repair(RepairArgs),
}

impl Cli {
    /// Returns the settings from the command line, the environment and the files of secrets.
    ///
    /// # Errors
    /// Fails with all mistakes in the settings at once.
    pub fn from_process() -> Result<Self, SettingsError> {
        settings::read(std::env::args_os().collect(), |name| std::env::var_os(name)).map(|read| read.cli)
    }

    /// Returns a line for each environment variable that looks like a setting but is not.
    pub fn unknown_variables() -> Vec<String> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        settings::unknown(&Self::command(), names)
    }

    /// Returns the command, if one was given.
    pub(crate) fn command_ref(&self) -> Option<&Command> {
        self.command.as_ref()
    }

    /// Returns the settings of the server on a command line without a command.
    pub(crate) fn serve_ref(&self) -> &ServeArgs {
        &self.serve
    }

    /// Returns the command that was given, or the default one.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Box::new(self.serve)))
    }
}

const AFTER_HELP: &str = "\
Sizes are written 512KiB, 64MiB, 2GiB; times 500ms, 30s, 5m, 1h.

Try it:
  martech-server &
  curl localhost:3000/events -H 'Content-Type: application/json' -d '{\"userId\":\"u1\",\"type\":\"page_view\"}'
  curl localhost:3000/users/u1/journey -H \"Authorization: Bearer $(cat data/admin-token)\"";

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
    #[arg(long, env = "MARTECH_LOG_FORMAT", default_value = "auto", value_enum, help_heading = "Logs")]
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
}

/// Settings of accounts and access.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Accounts")]
pub struct AccountArgs {
    /// URL at which browsers reach this server, such as `https://analytics.shop.example`; without it, taken from
    /// requests
    #[arg(long, env = "MARTECH_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<WebOrigin>,

    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto the server trusts: addresses and networks, separated by
    /// commas
    #[arg(long, env = "MARTECH_TRUSTED_PROXIES", default_value = "", hide_default_value = true, value_name = "LIST")]
    pub trusted_proxies: TrustedProxies,

    /// Whether clients may send events without a key
    #[arg(long, env = "MARTECH_PUBLIC_INGEST", default_value = "on", value_enum)]
    pub public_ingest: Switch,

    /// Maximum age in days of events sent without a key, or with a page key (one that has origins); 0 for no limit
    #[arg(long, env = "MARTECH_PUBLIC_EVENT_DAYS", default_value = "30", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub public_event_days: u32,

    /// Origins whose pages may send events, such as `https://shop.example`, separated by commas, or `*` for all
    #[arg(long, env = "MARTECH_ALLOWED_ORIGINS", default_value = "", hide_default_value = true, value_name = "LIST")]
    pub allowed_origins: AllowedOrigins,

    /// Sign-up policy once there is an owner
    #[arg(long, env = "MARTECH_SIGN_UP", default_value = "invitation", value_enum)]
    pub sign_up: SignUpPolicy,

    /// A session ends after this time without use
    #[arg(long, env = "MARTECH_SESSION_IDLE", default_value = "168h", value_name = "TIME", value_parser = session_time)]
    pub session_idle: Duration,

    /// A session ends this long after sign-in
    #[arg(long, env = "MARTECH_SESSION_MAX", default_value = "2160h", value_name = "TIME", value_parser = session_time)]
    pub session_max: Duration,

    /// Sign-in attempts that one address may make at once; after that, one every two seconds
    #[arg(long, env = "MARTECH_SIGN_IN_ATTEMPTS", default_value = "30", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(6..))]
    pub sign_in_attempts: u32,

    /// Cost of a password hash.
    #[command(flatten)]
    pub passwords: PasswordArgs,
}

/// Cost of a password hash, for the server and for anyone who guesses passwords.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Accounts")]
pub struct PasswordArgs {
    /// Memory for hashing a password (Argon2id)
    #[arg(long, env = "MARTECH_PASSWORD_MEMORY", default_value = "19MiB", value_name = "SIZE", value_parser = password_memory)]
    pub password_memory: ByteSize,

    /// Passes over that memory
    #[arg(long, env = "MARTECH_PASSWORD_PASSES", default_value = "2", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub password_passes: u32,

    /// Lanes of that memory
    #[arg(long, env = "MARTECH_PASSWORD_LANES", default_value = "1", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub password_lanes: u32,
}

impl PasswordArgs {
    pub(crate) fn cost(&self) -> Cost {
        let memory = u32::try_from(self.password_memory.as_u64() >> 10).unwrap_or(u32::MAX);
        Cost { memory, passes: self.password_passes, lanes: self.password_lanes }
    }
}

impl AccountArgs {
    pub(crate) fn settings(&self) -> Settings {
        let times = SessionTimes { idle: self.session_idle, most: self.session_max };
        Settings { policy: self.sign_up, times, attempts: self.sign_in_attempts }
    }
}

/// Settings of the embedded store.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageArgs {
    /// New events are written to Parquet when they use this much memory
    #[arg(long, env = "MARTECH_ROLL_BYTES", default_value = "24MiB", value_name = "SIZE")]
    pub roll_bytes: ByteSize,

    /// New events are also written to Parquet when the oldest of them reaches this age
    #[arg(long, env = "MARTECH_ROLL_AGE", default_value = "5m", value_name = "TIME", value_parser = parse_duration)]
    pub roll_age: Duration,

    /// Memory for deduplication; exact at any size, faster with more memory
    #[arg(long, env = "MARTECH_DEDUPE_MEMORY", default_value = "64MiB", value_name = "SIZE")]
    pub dedupe_memory: ByteSize,

    /// Retention of events in days; 0 for no limit
    #[arg(long, env = "MARTECH_RETENTION_DAYS", default_value = "0", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub retention_days: u32,

    /// Maximum size of the journal on disk; when it is full, clients are asked to wait
    #[arg(long, env = "MARTECH_JOURNAL_SIZE", default_value = "256MiB", value_name = "SIZE")]
    pub journal_size: ByteSize,
}

/// Limits on what the server accepts at once, and timeouts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Bounds")]
pub struct BoundArgs {
    /// Maximum number of events that wait to be stored; further ones get 429
    #[arg(long, env = "MARTECH_QUEUE_EVENTS", default_value = "50000", value_name = "COUNT", value_parser = positive())]
    pub queue_events: u64,

    /// Maximum memory of the events that wait to be stored
    #[arg(long, env = "MARTECH_QUEUE_BYTES", default_value = "64MiB", value_name = "SIZE", value_parser = queue_bytes)]
    pub queue_bytes: ByteSize,

    /// Maximum body of a single event
    #[arg(long, env = "MARTECH_MAX_BODY", default_value = "1MiB", value_name = "SIZE", value_parser = body_size)]
    pub max_body: ByteSize,

    /// Maximum body of a batch, before and after decompression
    #[arg(long, env = "MARTECH_MAX_BATCH_BODY", default_value = "16MiB", value_name = "SIZE", value_parser = body_size)]
    pub max_batch_body: ByteSize,

    /// Maximum memory for bodies that are being received and parsed; when it is full, the server rejects the slowest
    /// body
    #[arg(long, env = "MARTECH_MAX_BODIES", default_value = "64MiB", value_name = "SIZE", value_parser = body_size)]
    pub max_bodies: ByteSize,

    /// Minimum free space on the disk of the data folder; below it, events without a key, or with a page key, are
    /// refused; 0 for no minimum
    #[arg(long, env = "MARTECH_MIN_FREE_SPACE", default_value = "1GiB", value_name = "SIZE")]
    pub min_free_space: ByteSize,

    /// Quota of events per project and UTC day, unless the project sets another; further events get 429. 0 for no quota
    #[arg(long, env = "MARTECH_EVENTS_PER_DAY", default_value = "0", value_name = "COUNT")]
    pub events_per_day: u64,

    /// Maximum number of concurrent queries; further ones wait for a few seconds and then get 503. Without it, four for
    /// each core
    #[arg(long, env = "MARTECH_MAX_QUERIES", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_queries: Option<u32>,

    /// Idle timeout of a request body
    #[arg(long, env = "MARTECH_BODY_IDLE_TIMEOUT", default_value = "15s", value_name = "TIME", value_parser = parse_duration)]
    pub body_idle_timeout: Duration,

    /// Timeout of a whole request body
    #[arg(long, env = "MARTECH_BODY_TIMEOUT", default_value = "2m", value_name = "TIME", value_parser = parse_duration)]
    pub body_timeout: Duration,

    /// Minimum bytes per second of a request body after its idle timeout, and of a response whose client delays it for
    /// longer than the write timeout; 0 for no minimum
    #[arg(long, env = "MARTECH_MIN_BODY_RATE", default_value = "1KiB", value_name = "SIZE")]
    pub min_body_rate: ByteSize,

    /// After SIGTERM or SIGINT: how long to answer requests in flight and to store waiting events
    #[arg(long, env = "MARTECH_DRAIN_TIMEOUT", default_value = "25s", value_name = "TIME", value_parser = parse_duration)]
    pub drain_timeout: Duration,
}

impl ServeArgs {
    /// Returns the options of a lake in a folder.
    pub(crate) fn lake(&self, dir: &Path) -> LakeOptions {
        let storage = &self.storage;
        LakeOptions {
            roll_bytes: bytes(storage.roll_bytes),
            roll_age: storage.roll_age,
            dedupe_memory: bytes(storage.dedupe_memory),
            journal_capacity: storage.journal_size.as_u64(),
            ..LakeOptions::new(dir)
        }
    }

    pub(crate) fn rules(&self) -> EventRules {
        EventRules {
            types: self.event_types.clone(),
            currency: self.currency,
            public_days: NonZero::new(self.accounts.public_event_days),
        }
    }

    pub(crate) fn bodies(&self) -> BodyLimits {
        let bounds = &self.bounds;
        BodyLimits {
            single: bytes(bounds.max_body),
            batch: bytes(bounds.max_batch_body.max(bounds.max_body)),
            in_flight: bytes(bounds.max_bodies),
            idle: bounds.body_idle_timeout,
            total: bounds.body_timeout,
            rate: bounds.min_body_rate.as_u64(),
        }
    }
}

/// Converts a size to bytes in memory.
pub(crate) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

pub(crate) fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=u64::from(u32::MAX))
}

/// Parses the size of the queue. The largest event must fit.
fn queue_bytes(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < ByteSize::kib(256) { Err("at least 256KiB, so that every event fits".to_owned()) } else { Ok(size) }
}

/// Parses the size of a body. A small event must fit.
fn body_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < ByteSize::kib(1) { Err("at least 1KiB".to_owned()) } else { Ok(size) }
}

/// Parses a session time. One minute is short enough to watch a session end.
fn session_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_secs(60) { Err("at least 1m".to_owned()) } else { Ok(time) }
}

/// Parses the memory of a password hash. Each lane needs 8 KiB, and several passwords are hashed at once.
fn password_memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    let fits = (ByteSize::kib(512)..=ByteSize::gib(1)).contains(&size);
    if fits { Ok(size) } else { Err("512KiB to 1GiB".to_owned()) }
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|_| "a time such as 500ms, 30s or 5m".to_owned())?;
    let duration = Duration::try_from(duration).map_err(|_| "a time cannot be negative".to_owned())?;
    // More than a year is a mistake, and much longer times would overflow sums.
    if duration > Duration::from_secs(366 * 86_400) { Err("at most a year".to_owned()) } else { Ok(duration) }
}

/// Parses an address, or resolves the name of a host. If a host has several addresses, returns the first IPv4 address,
/// which most clients try.
pub(crate) fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let expected = || "a host and a port, such as 127.0.0.1:3000, localhost:3000 or [::1]:3000".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    if host.is_empty() || host.contains([':', '/']) || port.parse::<u16>().is_err() {
        return Err(expected());
    }
    let unknown = |reason: &dyn std::fmt::Display| format!("the host {host:?} has no address: {reason}");
    let found: Vec<SocketAddr> = text.to_socket_addrs().map_err(|error| unknown(&error))?.collect();
    let best = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    best.copied().ok_or_else(|| unknown(&"none was found"))
}

pub(crate) fn parse_zone(name: &str) -> Result<TimeZone, String> {
    martech_core::query::parse_time_zone(name).map_err(|error| error.message)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::secret_files;

    fn serve(args: &[&str]) -> Result<Box<ServeArgs>, clap::Error> {
        let cli = Cli::try_parse_from(["martech-server"].iter().chain(args))?;
        match cli.into_command() {
            Command::Serve(args) => Ok(args),
            _ => panic!("these arguments ask for the server"),
        }
    }

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serves_without_a_command() {
        let bare = serve(&["--addr", "127.0.0.1:0", "--roll-bytes", "1MiB"]).unwrap();
        let named = serve(&["serve", "--addr", "127.0.0.1:0", "--roll-bytes", "1MiB"]).unwrap();
        assert_eq!(bare.addr.port(), 0);
        assert_eq!(bare.lake(Path::new("data")).roll_bytes, 1 << 20);
        assert_eq!(named.lake(Path::new("data")).roll_bytes, 1 << 20);
    }

    #[test]
    fn rejects_invalid_values() {
        for args in [
            ["--admin-token", "short"],
            ["--currency", "$"],
            ["--currency", "Euro"],
            ["--time-zone", "Mars/Olympus"],
            ["--time-zone", "Etc/Unknown"],
            ["--time-zone", "Factory"],
            ["--roll-age", "soon"],
            ["--roll-age", "1000000h"],
            ["--queue-events", "0"],
            ["--queue-bytes", "1KiB"],
            ["--event-types", "9lives"],
        ] {
            assert!(serve(&args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn resolves_host_names_of_addresses() {
        let localhost = serve(&["--addr", "localhost:3000", "--metrics-addr", "localhost:9464"]).unwrap();
        assert!(localhost.addr.ip().is_loopback() && localhost.addr.port() == 3000, "{}", localhost.addr);
        assert!(matches!(localhost.metrics_addr, Some(MetricsAddr::At(addr)) if addr.ip().is_loopback()));
        assert_eq!(serve(&["--addr", "[::1]:7"]).unwrap().addr.to_string(), "[::1]:7");
        for wrong in
            ["3000", ":3000", "localhost", "localhost:", "localhost:70000", "http://localhost:3000", "::1:3000x"]
        {
            let error = parse_addr(wrong).unwrap_err();
            assert!(error.contains("such as 127.0.0.1:3000, localhost:3000"), "{wrong}: {error}");
        }
    }

    /// Returns each setting of the server: flag, variable, and default if there is one.
    fn settings() -> Vec<(String, String, Option<String>)> {
        let mut command = Cli::command();
        command.build();
        let serve = command.find_subcommand("serve").unwrap();
        let setting = |arg: &clap::Arg| {
            let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
            let default = Some(defaults.join(",")).filter(|default| !default.is_empty());
            Some((format!("--{}", arg.get_long()?), arg.get_env()?.to_str()?.to_owned(), default))
        };
        let found: Vec<_> = serve.get_arguments().filter_map(setting).collect();
        assert!(found.len() > 40, "{found:?}");
        found
    }

    #[test]
    fn example_file_lists_all_settings_with_defaults() {
        let example = include_str!("../../.env.example");
        for (_, variable, default) in settings() {
            let value = |line: &'static str| line.strip_prefix(&*variable)?.strip_prefix('=');
            let set: Vec<&str> = example.lines().filter_map(value).collect();
            let shown = example.lines().filter_map(|line| line.strip_prefix('#')).filter_map(value).count();
            assert_eq!(set.len() + shown, 1, "{variable} stands in .env.example once");
            // Lines that are commented out are examples.
            assert!(
                set.iter().all(|set| Some(*set) == default.as_deref()),
                "{variable} in .env.example: {set:?}, {default:?}"
            );
        }
    }

    #[test]
    fn documentation_lists_all_settings_with_defaults() {
        let documentation = include_str!("../../docs/configuration.md");
        let cells =
            |line: &'static str| line.split('|').skip(1).map(|cell| cell.trim().split(", ").collect()).collect();
        let rows: Vec<Vec<Vec<&str>>> =
            documentation.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
        for (flag, variable, default) in settings() {
            let name = format!("`{variable}`");
            let row = rows.iter().find_map(|row| Some((row, row.get(1)?.iter().position(|cell| *cell == name)?)));
            let (row, at) = row.unwrap_or_else(|| panic!("{variable} is not in docs/configuration.md"));
            // The row of a secret may have no flag.
            assert!(
                row[0] == [""] || row[0][at].trim_matches('`') == flag,
                "of {variable} in docs/configuration.md: {:?}",
                row[0]
            );
            // Words describe a default that is long or computed.
            let told = row[2].get(at).and_then(|value| value.strip_prefix('`')?.strip_suffix('`'));
            assert!(
                told.is_none() || default.is_none() || told == default.as_deref(),
                "{variable} in docs/configuration.md: {told:?}, {default:?}"
            );
        }
    }

    #[test]
    fn reads_secrets_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let (token, store) = (dir.path().join("token"), dir.path().join("store"));
        std::fs::write(&token, "sixteen-chars-ok\n").unwrap();
        std::fs::write(&store, "mongodb://u:p@h/shop\r\n").unwrap();
        let parse = |variables: &[(&str, &std::path::Path)], args: &[&str]| {
            let find = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| value.into());
            let (command, errors) = secret_files::read(Cli::command(), find);
            if let Some(error) = errors.first() {
                return Err(error.to_string());
            }
            let matches = command.try_get_matches_from(["martech-server"].iter().chain(args)).unwrap();
            match Cli::from_arg_matches(&matches).unwrap().into_command() {
                Command::Serve(args) => Ok((args.admin_token.is_some(), args.store.store.to_string())),
                _ => panic!("these arguments ask for the server"),
            }
        };
        let files = [("MARTECH_ADMIN_TOKEN_FILE", token.as_path()), ("MARTECH_STORE_FILE", &store)];
        let found = Ok::<_, String>((true, "mongodb://h/shop".to_owned()));
        assert_eq!(parse(&files, &[]), found);
        assert_eq!(parse(&files, &["serve"]), found);
        assert_eq!(parse(&files, &["--store", "lake"]), Ok((true, "lake".to_owned())));
        let both = [("MARTECH_STORE", store.as_path()), ("MARTECH_STORE_FILE", &store)];
        assert!(parse(&both, &[]).unwrap_err().contains("MARTECH_STORE and MARTECH_STORE_FILE are both set"));
        let nowhere = dir.path().join("nowhere");
        std::fs::write(&token, "short").unwrap();
        let error = parse(&files, &[]).unwrap_err();
        assert!(error.contains("MARTECH_ADMIN_TOKEN_FILE") && !error.contains("short\""), "{error}");
        let error = parse(&[("MARTECH_STORE_FILE", &nowhere)], &[]).unwrap_err();
        assert!(error.contains("MARTECH_STORE_FILE") && error.contains("nowhere"), "{error}");
    }

    #[test]
    fn help_shows_no_secret() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("MARTECH_ADMIN_TOKEN]"), "the variable is named without its value:\n{help}");
    }
}
