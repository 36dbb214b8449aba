//! SIGTERM and SIGINT.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports for a process that was ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Completes at the first signal, for commands that have nothing more to do then. Where signals cannot be caught, never.
pub(crate) async fn interrupted() {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else { return std::future::pending().await };
    either(&mut terminate, &mut interrupt).await;
}

/// Completes at the first signal. A second one ends the process at once: whoever sends it does not want to wait.
///
/// The signals are caught from the moment of the call on. Must be called inside a tokio runtime.
pub fn shutdown() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; send it again to stop at once");
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
