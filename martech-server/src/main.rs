//! Event ingestion and analytics for online shops, in one binary.

use std::{error::Error, process::ExitCode, sync::OnceLock, time::Instant};

use martech_server::{
    App, Cli, Command, ServeArgs, Telemetry, bind_metrics, care, import, keep_to_oneself, migrate, run_check, serve,
    serve_metrics, signals, users,
};
use tokio::{net::TcpListener, sync::oneshot};

/// jemalloc returns free memory to the system. glibc keeps much of it, because each thread allocates from its own
/// arena.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    keep_to_oneself();
    let cli = match Cli::from_process() {
        Ok(cli) => cli,
        Err(error) => return error.report(),
    };
    match cli.into_command() {
        Command::Serve(args) => run(&args).map_or_else(|error| fail(&*error), |()| ExitCode::SUCCESS),
        Command::Import(args) => import::run(*args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Verify(args) => care::verify(&args),
        Command::User(args) => users::run(&args),
        Command::Check(_) => run_check(),
        Command::Repair(args) => care::repair(&args),
    }
}

#[tokio::main]
async fn run(args: &ServeArgs) -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::start(args.log_format, &args.log)?;
    let stopping = OnceLock::new();
    let served = run_server(args, &stopping).await;
    let since = stopping.get().map_or_else(Instant::now, |since| *since).elapsed();
    telemetry.end(args.bounds.drain_timeout.saturating_sub(since)).await;
    served
}

/// Runs the server. Sets `stopping` to the time at which the shutdown began.
async fn run_server(args: &ServeArgs, stopping: &OnceLock<Instant>) -> Result<(), Box<dyn Error>> {
    for line in Cli::unknown_variables() {
        tracing::warn!("{line}");
    }
    let signal = signals::shutdown()?;
    let shutdown = async {
        signal.await;
        stopping.get_or_init(Instant::now);
    };
    // Before the data folder is opened, so that a port in use costs nothing.
    let listener = TcpListener::bind(args.addr).await.map_err(|error| format!("{}: {error}", args.addr))?;
    let metrics = bind_metrics(args.metrics_addr).await?;
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

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("martech-server: {error}");
    ExitCode::FAILURE
}
