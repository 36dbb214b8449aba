//! Connection settings.

use std::time::Duration;

use clap::Args;

use super::write_timer::WriteLimits;
use crate::config::{parse_duration, positive};

/// Limits on connections and on how long each one may delay the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionArgs {
    /// Idle timeout of a connection, including the time to send a request head
    #[arg(long, env = "MARTECH_IDLE_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = parse_duration)]
    pub idle_timeout: Duration,

    /// How long a client may read nothing of a response
    #[arg(long, env = "MARTECH_WRITE_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = parse_duration)]
    pub write_timeout: Duration,

    /// Maximum number of connections; for a further one, the server closes the connection that has been idle longest
    #[arg(long, env = "MARTECH_MAX_CONNECTIONS", default_value = "16384", value_name = "COUNT", value_parser = positive())]
    pub max_connections: u64,

    /// Maximum number of connections from one address (or one IPv6 /64) that is not a trusted proxy; further ones are
    /// refused
    #[arg(
        long,
        env = "MARTECH_MAX_CONNECTIONS_PER_ADDRESS",
        default_value = "1024",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_connections_per_address: u32,

    /// After SIGTERM or SIGINT: how long to keep serving requests while /readyz fails, so that load balancers notice;
    /// part of the drain timeout
    #[arg(long, env = "MARTECH_DRAIN_DELAY", default_value = "0s", value_name = "TIME", value_parser = parse_duration)]
    pub drain_delay: Duration,
}

/// Connection limits, from the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) count: usize,
    pub(super) per_address: u32,
    pub(super) idle: Duration,
    pub(super) write: WriteLimits,
    pub(super) drain_delay: Duration,
}

impl ConnectionArgs {
    /// Returns the limits. `rate` is the minimum number of bytes per second at which a client must read a response.
    pub(crate) fn limits(&self, rate: u64) -> ConnectionLimits {
        ConnectionLimits {
            count: usize::try_from(self.max_connections).unwrap_or(usize::MAX),
            per_address: self.max_connections_per_address,
            idle: self.idle_timeout,
            write: WriteLimits { stall: self.write_timeout, rate },
            drain_delay: self.drain_delay,
        }
    }
}
