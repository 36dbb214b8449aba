//! HTTP server around [`martech_core`]: ingests events, and answers queries for journeys, users and statistics.
//!
//! [`serve`] takes a listener, an [`App`] and a future that completes when the server should stop. A test or another
//! program can therefore run the real server in-process:
//!
//! ```no_run
//! use clap::Parser;
//! use martech_server::{App, Cli, Command, serve};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let Command::Serve(args) = Cli::parse_from(["martech-server", "--data-dir", "/tmp/shop"]).into_command() else {
//!     unreachable!("no other command was given")
//! };
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let app = App::open(&args).await?;
//! serve(listener, app, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

#![warn(clippy::print_stdout)] // `println!` panics on a closed pipe: see `say`

mod accounts;
mod app;
mod auth;
mod backend;
mod body;
pub mod care;
mod client;
mod config;
mod dead_letters;
mod error;
pub mod import;
mod limits;
mod metrics;
pub mod migrate;
mod openapi;
mod params;
mod periodic;
mod permissions;
mod projects;
mod queries;
mod records;
mod routes;
mod say;
mod secret_files;
mod serve;
mod settings;
pub mod signals;
mod space;
mod telemetry;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
pub mod users;

pub use accounts::{Role, SignUpPolicy};
pub use app::{App, CloseError, StartError};
pub use auth::{AdminToken, AllowedOrigins, Networks, TokenError, TrustedProxies, WebOrigin};
pub use backend::{BackendError, SpoolArgs, StoreArgs, StoreChoice, Switch};
pub use config::{AccountArgs, BoundArgs, Cli, Command, PasswordArgs, ServeArgs, StorageArgs};
pub use limits::{ByteRate, Rate, RateArgs};
pub use metrics::{MetricsAddr, bind as bind_metrics, serve_metrics};
pub use permissions::keep_to_oneself;
pub use records::RecordsError;
pub use serve::{ConnectionArgs, TlsArgs, TlsError, serve};
pub use settings::{Mistakes, SettingsError, run_check};
pub use telemetry::{InvalidLogFilter, LogFormat, Telemetry, TelemetryError};
