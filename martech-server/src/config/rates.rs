//! Settings of the rate limits.

use clap::Args;

use crate::{
    http::rate_limits::{ByteRate, Rate, RateLimits},
    util::Networks,
};

/// The networks that are exempt by default: those of the server's own machine and of private networks. Behind a proxy
/// that the settings do not name, all clients appear to be there.
const OWN_NETWORK: &str = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10";

/// Rate limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rates")]
pub struct RateArgs {
    /// Maximum rate of requests to POST /events from one address (for IPv6, from one /64); 5000/10s allows 5,000 at
    /// once, and permits as many again in the course of 10 s; `off` for no limit
    #[arg(long, env = "MARTECH_RATE_PER_ADDRESS", default_value = "5000/10s", value_name = "COUNT/TIME")]
    pub rate_per_address: Rate,

    /// Maximum rate of requests to POST /events with one key
    #[arg(
        long,
        hide_short_help = true,
        env = "MARTECH_RATE_PER_KEY",
        default_value = "100000/10s",
        value_name = "COUNT/TIME"
    )]
    pub rate_per_key: Rate,

    /// Maximum rate of bytes of events from one address (for IPv6, from one /64), after decompression
    #[arg(
        long,
        hide_short_help = true,
        env = "MARTECH_RATE_BYTES_PER_ADDRESS",
        default_value = "128MiB/10s",
        value_name = "SIZE/TIME"
    )]
    pub rate_bytes_per_address: ByteRate,

    /// Maximum rate of requests to all routes that read or administer, from one address, and with one key
    #[arg(
        long,
        hide_short_help = true,
        env = "MARTECH_RATE_READS",
        default_value = "600/60s",
        value_name = "COUNT/TIME"
    )]
    pub rate_reads: Rate,

    /// Addresses and networks that are not rate limited, separated by commas; by default those of the own machine and
    /// of private networks
    #[arg(
        long, hide_short_help = true,
        env = "MARTECH_RATE_EXEMPT",
        default_value = OWN_NETWORK,
        hide_default_value = true,
        value_name = "LIST"
    )]
    pub rate_exempt: Networks,
}

impl RateArgs {
    pub(crate) fn limits(&self) -> RateLimits {
        RateLimits {
            per_address: self.rate_per_address,
            per_key: self.rate_per_key,
            bytes_per_address: self.rate_bytes_per_address,
            reads: self.rate_reads,
            exempt: self.rate_exempt.clone(),
        }
    }
}
