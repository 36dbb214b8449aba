//! HTTP server around [`martech_core`]: ingests events, and answers queries for journeys, users and statistics.
//!
//! [`serve`] takes a listener, an [`App`] and a future that completes when the server should stop. A test or another
//! program can therefore run the real server in-process:
//!
//! ```no_run
//! use martech_server::{App, ServeArgs, serve};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let args = ServeArgs::parse_from(["--data-dir", "/tmp/shop"]);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let app = App::open(&args).await?;
//! serve(listener, app, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

#![warn(clippy::print_stdout)] // `println!` panics on a closed pipe: see `commands::output`

mod app;
mod commands;
mod config;
mod http;
mod identity;
mod import;
mod observability;
mod projects;
mod records;
mod routes;
mod sample;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests {
    mod documentation;
}
mod uploads;
mod util;

pub use app::{App, CloseError, StartError, serve, serve_metrics};
pub use commands::{Cli, Command, import::ImportArgs, run};
pub use config::{
    AccountArgs, BoundArgs, ConnectionArgs, PasswordArgs, RateArgs, ServeArgs, SpoolArgs, StorageArgs, StoreArgs,
    Switch, TlsArgs,
};
pub use http::{
    auth::{AdminToken, AllowedOrigins, TokenError, WebOrigin},
    connections::TlsError,
    peer::TrustedProxies,
    rate_limits::{ByteRate, Rate},
};
pub use identity::SignUpPolicy;
pub use observability::{InvalidLogFilter, LogFormat, Telemetry, TelemetryError};
pub use projects::backend::{BackendError, StoreChoice};
pub use records::RecordsError;
pub use routes::metrics::{MetricsAddr, bind as bind_metrics};
pub use util::Networks;
