//! Handling of SIGTERM and SIGINT.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit status that a shell reports for a process ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Completes at the first signal, for commands that need no shutdown. If signals cannot be caught, it never completes.
pub(crate) async fn interrupted() {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else { return std::future::pending().await };
    either(&mut terminate, &mut interrupt).await;
}

/// Returns a future that completes at the first signal. A second signal ends the process at once.
///
/// Signals are caught from this call on. Must be called in a Tokio runtime.
///
/// # Errors
///
/// Returns the error of the system if the handlers cannot be installed.
pub(super) fn shutdown() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        tokio::spawn(async move {
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "stopped at once");
            process::exit(INTERRUPTED);
        });
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
