//! Settings of connections: limits, timeouts and TLS.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::values::positive;
use crate::http::connections::{ConnectionLimits, TlsFiles, WriteLimits};
use crate::util::parse_duration;

/// Limits on connections and on how long each one may delay the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionArgs {
    /// Idle timeout of a connection, including the time to send a request head
    #[arg(long, hide_short_help = true, env = "MARTECH_IDLE_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = parse_duration)]
    pub idle_timeout: Duration,

    /// How long a client may read nothing of a response
    #[arg(long, hide_short_help = true, env = "MARTECH_WRITE_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = parse_duration)]
    pub write_timeout: Duration,

    /// Maximum number of connections; for a further one, the server closes the connection that has been idle longest
    #[arg(long, hide_short_help = true, env = "MARTECH_MAX_CONNECTIONS", default_value = "16384", value_name = "COUNT", value_parser = positive())]
    pub max_connections: u64,

    /// Maximum number of connections from one address (or one IPv6 /64) that is not a trusted proxy; further ones are
    /// refused
    ///
    /// An IPv6 /48 has eight times as many.
    #[arg(
        long, hide_short_help = true,
        env = "MARTECH_MAX_CONNECTIONS_PER_ADDRESS",
        default_value = "1024",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_connections_per_address: u32,

    /// After SIGTERM or SIGINT: how long to keep serving requests while /readyz fails, so that load balancers notice;
    /// part of the drain timeout
    #[arg(long, hide_short_help = true, env = "MARTECH_DRAIN_DELAY", default_value = "0s", value_name = "TIME", value_parser = parse_duration)]
    pub drain_delay: Duration,
}

/// Settings of TLS: the paths of the certificate and its key.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct TlsArgs {
    /// TLS certificate and its chain: a PEM file, read again when it changes; without it, the server does not use TLS
    #[arg(long, env = "MARTECH_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate: a PEM file, read again when it changes
    #[arg(long, env = "MARTECH_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
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

impl TlsArgs {
    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles { cert: self.tls_cert.clone(), key: self.tls_key.clone() }
    }
}
