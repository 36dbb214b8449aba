//! Accepts, limits and closes connections.
//!
//! Anyone who can reach the port can open connections and send nothing, or send slowly. [`limit`] bounds the number of
//! connections, in total and per address, and closes connections that are idle or take too long to send a request head.
//! [`write_timer`] and [`stream`] close connections and streams whose client does not read. [`response_memory`] bounds the memory
//! of responses that clients are still reading. Request bodies have their own timers (`body`).

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::{error::catalogue, peer::TrustedProxies};
use crate::observability::{RequestId, metrics::HttpMetrics};

mod connection;
mod descriptors;
mod limit;
mod received_body;
mod response_memory;
mod state;
mod stream;
mod tls;
mod write_timer;

use connection::Protocols;
pub(crate) use connection::Respond;
use limit::{ConnectionLimit, ConnectionPermit};
pub(crate) use received_body::ReceivedBody;
pub(crate) use response_memory::InMemoryAnyway;
pub use tls::TlsError;
pub(crate) use tls::{Tls, TlsFiles};
pub(crate) use write_timer::WriteLimits;

/// Maximum size of a request head, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// Maximum length of path and query, in bytes.
const MAX_URI: usize = 8 << 10;
/// Delay after a failed `accept`. The process may be out of file descriptors, for example, until some are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Idle timeout of connections while the server drains, including the time to send a request head.
const DRAIN_IDLE: Duration = Duration::from_secs(1);

/// Connection limits, from the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) count: usize,
    pub(crate) per_address: u32,
    pub(crate) idle: Duration,
    pub(crate) write: WriteLimits,
    pub(crate) drain_delay: Duration,
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Connections<R> {
    protocols: Arc<Protocols<R>>,
    limits: ConnectionLimits,
    limit: Arc<ConnectionLimit>,
    proxies: Arc<TrustedProxies>,
    metrics: Arc<HttpMetrics>,
    has_tls: bool,
    /// Tells each connection to end. Each one has a receiver until it has ended.
    open: watch::Sender<()>,
}

impl<R: Respond> Connections<R> {
    pub(crate) fn new(
        routes: R,
        limits: ConnectionLimits,
        tls: Option<Tls>,
        metrics: Arc<HttpMetrics>,
        proxies: Arc<TrustedProxies>,
    ) -> Self {
        Self {
            has_tls: tls.is_some(),
            protocols: Arc::new(Protocols::new(routes, limits, tls, metrics.clone())),
            limits,
            limit: ConnectionLimit::new(descriptors::room_for(limits.count), limits.per_address),
            proxies,
            metrics,
            open: watch::Sender::new(()),
        }
    }

    /// Serves each connection in a task of its own, until `stop` completes.
    pub(crate) async fn accept(&self, listener: &TcpListener, stop: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = self.accept_until(listener, stop) => {}
            never = self.limit.close_idle(self.limits.idle) => match never {},
        }
    }

    /// Answers the requests in flight, and closes all connections. Waits for at most `timeout`.
    pub(crate) async fn drain(&self, timeout: Duration) {
        tracing::info!(connections = self.open.receiver_count(), "draining");
        self.open.send_replace(());
        tokio::select! {
            () = self.open.closed() => {}
            never = self.limit.close_idle(DRAIN_IDLE) => match never {},
            () = sleep(timeout) => tracing::warn!("the drain timeout ended before all requests were answered"),
        }
    }

    async fn accept_until(&self, listener: &TcpListener, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return,
                accepted = self.next(listener) => accepted,
            };
            match accepted {
                Ok(Some((stream, peer, permit))) => {
                    let (protocols, drain) = (self.protocols.clone(), self.open.subscribe());
                    let (open, state) = (self.metrics.connection(), permit.state().clone());
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
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::select! {
                        () = &mut stop => return,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Returns the next connection with its permit, or `None` if it was refused.
    async fn next(&self, listener: &TcpListener) -> io::Result<Option<(TcpStream, SocketAddr, ConnectionPermit)>> {
        let (stream, peer) = listener.accept().await?;
        match self.limit.admit(peer.ip(), self.proxies.contains(peer.ip())) {
            Some(admitted) => Ok(Some((stream, peer, admitted.permit().await))),
            None => {
                self.metrics.refused(catalogue::TOO_MANY_CONNECTIONS);
                tracing::debug!(%peer, "refused a connection: the address has reached its limit");
                if !self.has_tls {
                    // Best effort: sends only what the socket accepts at once.
                    let _ = stream.try_write(&too_many_connections(self.limits.per_address));
                }
                Ok(None)
            }
        }
    }
}

/// Returns a complete response for a client that has reached its connection limit.
fn too_many_connections(most: u32) -> Vec<u8> {
    let id = RequestId::of(&HeaderMap::new());
    let body = catalogue::too_many_connections(most).body(&id).to_string();
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
