//! `martech-server serve`, the default command: runs the server until a signal stops it.

use std::{error::Error, process::ExitCode, sync::OnceLock, time::Instant};

use tokio::{net::TcpListener, sync::oneshot};

use super::{signals, unknown_variables};
use crate::{
    app::{App, serve, serve_metrics},
    config::ServeArgs,
    observability::Telemetry,
    routes::metrics,
};

/// Runs the command.
pub(super) fn run(args: &ServeArgs) -> ExitCode {
    match run_with_telemetry(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("martech-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run_with_telemetry(args: &ServeArgs) -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::start(args.log_format, &args.log)?;
    let stopping = OnceLock::new();
    let served = run_server(args, &stopping).await;
    let since = stopping.get().map_or_else(Instant::now, |since| *since).elapsed();
    telemetry.end(args.bounds.drain_timeout.saturating_sub(since)).await;
    served
}

/// Runs the server. Sets `stopping` to the time at which the shutdown began.
async fn run_server(args: &ServeArgs, stopping: &OnceLock<Instant>) -> Result<(), Box<dyn Error>> {
    for line in unknown_variables::lines() {
        tracing::warn!("{line}");
    }
    let signal = signals::shutdown()?;
    let shutdown = async {
        signal.await;
        stopping.get_or_init(Instant::now);
    };
    // Before the data folder is opened, so that a port in use costs nothing.
    let listener = TcpListener::bind(args.addr).await.map_err(|error| format!("{}: {error}", args.addr))?;
    let metrics = metrics::bind(args.metrics_addr).await?;
    let app = App::open(args).await?;
    // Metrics stay available until everything is closed, so that a drain can be observed.
    let (_until_the_end, ended) = oneshot::channel::<()>();
    if let Some(metrics) = metrics {
        tokio::spawn(serve_metrics(metrics, app.clone(), async { drop(ended.await) }));
    }
    tracing::info!(addr = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "listening");
    serve(listener, app, shutdown).await?;
    Ok(())
}
