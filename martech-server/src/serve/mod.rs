//! Accepts, limits and closes connections.
//!
//! Anyone who can reach the port can open connections and send nothing, or send slowly. [`limit`] bounds the number of
//! connections, in total and per address, and closes connections that are idle or take too long to send a request head.
//! [`write_timer`] and [`stream`] close connections and streams whose client does not read. [`owed`] bounds the memory
//! of responses that clients are still reading. Request bodies have their own timers (`body`).

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{App, CloseError};

mod args;
mod connection;
mod descriptors;
mod limit;
mod owed;
mod state;
mod stream;
mod tls;
mod write_timer;

pub use args::ConnectionArgs;
pub(crate) use args::ConnectionLimits;
use connection::Protocols;
use limit::{ConnectionLimit, ConnectionPermit};
pub(crate) use owed::InMemoryAnyway;
pub(crate) use tls::Tls;
pub use tls::{TlsArgs, TlsError};

/// Maximum size of a request head, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// Maximum length of path and query, in bytes.
const MAX_URI: usize = 8 << 10;
/// Delay after a failed `accept`. The process may be out of file descriptors, for example, until some are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Idle timeout of connections while the server drains, including the time to send a request head.
const DRAIN_IDLE: Duration = Duration::from_secs(1);
/// Minimum time that the sink gets, however long connections take. Storing accepted events comes first.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Serves requests until `shutdown` completes, then drains and closes the server.
///
/// During the drain delay of the settings, the server still accepts requests while `/readyz` fails. Then it stops
/// accepting connections, answers requests in flight, stores waiting events, and closes the store. All of this takes at
/// most the drain timeout of the settings, except for closing the store itself. The sink always gets at least one
/// second.
///
/// # Errors
/// Fails if accepted events were not stored in time, or if the store did not close cleanly.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), CloseError> {
    if let Ok(address) = listener.local_addr() {
        tokio::spawn(app.clone().tell_set_up_link(address));
    }
    let connections = watch::Sender::new(());
    let mut deadline = None;
    let stop = async {
        shutdown.await;
        app.begin_drain();
        deadline = Some(Instant::now() + app.drain_timeout());
        sleep(app.connections().drain_delay.min(app.drain_timeout())).await;
    };
    let limits = app.connections();
    let limit = ConnectionLimit::new(descriptors::room_for(limits.count), limits.per_address);
    tokio::select! {
        () = accept(&listener, &app, &limit, &connections, stop) => {}
        never = limit.close_idle(limits.idle) => match never {},
    }
    app.begin_drain();
    drop(listener);

    let deadline = deadline.unwrap_or_else(|| Instant::now() + app.drain_timeout());
    let left = || deadline.saturating_duration_since(Instant::now());
    tracing::info!(connections = connections.receiver_count(), "draining");
    connections.send_replace(());
    tokio::select! {
        () = connections.closed() => {}
        never = limit.close_idle(DRAIN_IDLE) => match never {},
        () = sleep(left().saturating_sub(LEAST_PATIENCE)) => tracing::warn!("some requests were not answered in time"),
    }
    app.close(left().max(LEAST_PATIENCE)).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves each connection in a task of its own, until `stop` completes.
async fn accept(
    listener: &TcpListener,
    app: &App,
    limit: &Arc<ConnectionLimit>,
    connections: &watch::Sender<()>,
    stop: impl Future<Output = ()> + Send,
) {
    let protocols = Arc::new(Protocols::new(app));

    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = next(listener, app, limit) => accepted,
        };
        match accepted {
            Ok(Some((stream, peer, permit))) => {
                let (protocols, drain) = (protocols.clone(), connections.subscribe());
                let (open, state) = (app.metrics().http.connection(), permit.state().clone());
                let task = tokio::spawn(async move {
                    let _open = open;
                    protocols.serve(stream, peer.ip(), permit, drain).await;
                });
                state.set_task(task.abort_handle());
            }
            Ok(None) => {}
            // Only this connection failed; the next one may succeed.
            Err(error) if is_of_connection(&error) => tracing::debug!(%error, "a connection was lost early"),
            Err(error) => {
                tracing::error!(%error, "a connection cannot be accepted");
                tokio::select! {
                    () = &mut stop => return,
                    () = sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

/// Returns the next connection with its permit, or `None` if it was refused.
async fn next(
    listener: &TcpListener,
    app: &App,
    limit: &Arc<ConnectionLimit>,
) -> io::Result<Option<(TcpStream, SocketAddr, ConnectionPermit)>> {
    let (stream, peer) = listener.accept().await?;
    match limit.admit(peer.ip(), app.access().proxies.contains(peer.ip())) {
        Some(admitted) => Ok(Some((stream, peer, admitted.permit().await))),
        None => {
            app.metrics().http.refused(TOO_MANY_CONNECTIONS);
            tracing::debug!(%peer, "refused: this address has all the connections that it may");
            if app.tls().is_none() {
                // Best effort: sends only what the socket accepts at once.
                let _ = stream.try_write(&too_many_connections(app.connections().per_address));
            }
            Ok(None)
        }
    }
}

const TOO_MANY_CONNECTIONS: &str = "too_many_connections";

/// Returns a complete response for a client that has reached its connection limit.
fn too_many_connections(most: u32) -> Vec<u8> {
    let id = Uuid::now_v7().simple().to_string();
    let message = format!("this address has {most} connections, which is the limit; use them for more requests");
    let body = serde_json::json!({ "code": TOO_MANY_CONNECTIONS, "message": message, "requestId": id }).to_string();
    format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n\
         x-request-id: {id}\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
