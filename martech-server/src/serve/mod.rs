//! Connections: accepting, limiting and ending them.
//!
//! Anybody who can reach the port can open connections and send nothing, or send slowly. [`limit`] bounds the connections of all
//! clients and of one address, and closes connections that are idle or take too long to send a head. [`write_timer`] and [`stream`]
//! close those whose client does not read, and [`owed`] bounds the memory of responses that clients are still reading. Bodies have
//! their own timers (`body`).

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

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// Longest path and query, in bytes.
const MAX_URI: usize = 8 << 10;
/// Out of file descriptors, say: some will come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// While the server drains, a connection may be idle, or take to send a head, for so long.
const DRAIN_IDLE: Duration = Duration::from_secs(1);
/// Of the drain time the sink's, however long connections take: events that were accepted come first.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Serves until `shutdown` completes; then stops accepting, answers what is in flight, stores what waits, and closes.
///
/// All of that takes no longer than the drain timeout of the settings, but for the store's own closing. For the drain
/// delay of the settings requests are still taken, while `/readyz` says no.
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
    let accepted = tokio::select! {
        accepted = accept(&listener, &app, &limit, &connections, stop) => accepted,
        never = limit.close_idle(limits.idle) => match never {},
    };
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
    accepted?;
    tracing::info!("stopped");
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    app: &App,
    limit: &Arc<ConnectionLimit>,
    connections: &watch::Sender<()>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let protocols = Arc::new(Protocols::new(app));

    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return Ok(()),
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
            // Of that connection only: the next one may be fine.
            Err(error) if is_of_connection(&error) => tracing::debug!(%error, "a connection was lost early"),
            Err(error) => {
                tracing::error!(%error, "a connection cannot be accepted");
                tokio::select! {
                    () = &mut stop => return Ok(()),
                    () = sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

/// The next connection and its permit, or nothing where it was refused.
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
                // As far as the socket takes it at once.
                let _ = stream.try_write(&too_many_connections(app.connections().per_address));
            }
            Ok(None)
        }
    }
}

const TOO_MANY_CONNECTIONS: &str = "too_many_connections";

/// A whole response for a client that has as many connections as it may.
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
