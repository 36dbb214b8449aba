//! Settings of accounts, keys and access.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::{Switch, values::one_of};
use crate::util::parse_duration;
use crate::{
    http::{
        auth::{AllowedOrigins, WebOrigin},
        peer::TrustedProxies,
    },
    identity::{AccountSettings, Cost, SessionTimes, SignUpPolicy},
};

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
    #[arg(long, hide_short_help = true, env = "MARTECH_PUBLIC_EVENT_DAYS", default_value = "30", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub public_event_days: u32,

    /// Origins whose pages may send events, such as `https://shop.example`, separated by commas, or `*` for all
    ///
    /// The origins of keys are allowed in addition.
    #[arg(long, env = "MARTECH_ALLOWED_ORIGINS", default_value = "", hide_default_value = true, value_name = "LIST")]
    pub allowed_origins: AllowedOrigins,

    /// Sign-up policy once there is an owner
    ///
    /// `invitation`: people with an invitation. `open`: everyone, as an analyst, until there are 1,000 accounts.
    /// `closed`: no one; `martech-server user add` still works.
    #[arg(long, env = "MARTECH_SIGN_UP", default_value = "invitation", value_name = "POLICY", value_parser = one_of(&SignUpPolicy::ALL))]
    pub sign_up: SignUpPolicy,

    /// A session ends after this time without use
    #[arg(long, hide_short_help = true, env = "MARTECH_SESSION_IDLE", default_value = "168h", value_name = "TIME", value_parser = session_time)]
    pub session_idle: Duration,

    /// A session ends this long after sign-in
    #[arg(long, hide_short_help = true, env = "MARTECH_SESSION_MAX", default_value = "2160h", value_name = "TIME", value_parser = session_time)]
    pub session_max: Duration,

    /// Sign-in attempts that one address may make at once; after that, one every two seconds
    ///
    /// At least 6. The other limits of sign-ins scale with it.
    #[arg(long, hide_short_help = true, env = "MARTECH_SIGN_IN_ATTEMPTS", default_value = "30", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(6..))]
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
    ///
    /// After a change, each hash is computed again at the next sign-in.
    #[arg(long, hide_short_help = true, env = "MARTECH_PASSWORD_MEMORY", default_value = "19MiB", value_name = "SIZE", value_parser = password_memory)]
    pub password_memory: ByteSize,

    /// Passes over that memory
    #[arg(long, hide_short_help = true, env = "MARTECH_PASSWORD_PASSES", default_value = "2", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub password_passes: u32,

    /// Lanes of that memory
    #[arg(long, hide_short_help = true, env = "MARTECH_PASSWORD_LANES", default_value = "1", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub password_lanes: u32,
}

impl PasswordArgs {
    pub(crate) fn cost(&self) -> Cost {
        let memory = u32::try_from(self.password_memory.as_u64() >> 10).unwrap_or(u32::MAX);
        Cost { memory, passes: self.password_passes, lanes: self.password_lanes }
    }
}

impl AccountArgs {
    pub(crate) fn settings(&self) -> AccountSettings {
        let times = SessionTimes { idle: self.session_idle, most: self.session_max };
        AccountSettings { policy: self.sign_up, times, attempts: self.sign_in_attempts }
    }
}

/// Parses a session time. One minute is short enough to watch a session end.
fn session_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_secs(60) { Err("must be at least 1m".to_owned()) } else { Ok(time) }
}

/// Parses the memory of a password hash. Each lane needs 8 KiB, and several passwords are hashed at once.
fn password_memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    let fits = (ByteSize::kib(512)..=ByteSize::gib(1)).contains(&size);
    if fits { Ok(size) } else { Err("must be 512KiB to 1GiB".to_owned()) }
}
