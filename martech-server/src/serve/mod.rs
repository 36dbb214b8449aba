//! Connections: accepting them, bounding them, bringing them to an end.
//!
//! Whoever can reach the port can open connections and say nothing, or say it slowly. So a client that keeps the server
//! waiting has little time (`head` and `http_io`: heads and idleness; `write_timer` and `stream`: answers; `body/`: bodies), one
//! address has so many places and not more, and where all places are taken, the connection that has waited longest for its
//! client has to go (`places`): a flood makes room for honest clients by itself. So it is with the memory of answers that
//! clients are still reading (`owed`).

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{App, CloseError};

mod args;
mod connection;
mod descriptors;
mod head;
mod http_io;
mod owed;
mod places;
mod pulse;
mod refusal;
mod stream;
mod tls;
mod write_timer;

pub use args::ConnectionArgs;
pub(crate) use args::ConnectionLimits;
use connection::Protocols;
pub(crate) use owed::InMemoryAnyway;
use places::{Place, Places};
pub(crate) use tls::Tls;
pub use tls::{TlsArgs, TlsError};

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// Most headers of a request: hyper takes so many where it is not told otherwise.
const MAX_HEADERS: usize = 100;
/// Longest path and query, in bytes.
const MAX_URI: usize = 8 << 10;
/// Out of file descriptors, say: some will come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
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
    let accepted = accept(&listener, &app, &connections, stop).await;
    app.begin_drain();
    drop(listener);

    let deadline = deadline.unwrap_or_else(|| Instant::now() + app.drain_timeout());
    let left = || deadline.saturating_duration_since(Instant::now());
    tracing::info!(connections = connections.receiver_count(), "draining");
    connections.send_replace(());
    if timeout(left().saturating_sub(LEAST_PATIENCE), connections.closed()).await.is_err() {
        tracing::warn!("some requests were not answered in time");
    }
    app.close(left().max(LEAST_PATIENCE)).await?;
    accepted?;
    tracing::info!("stopped");
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    app: &App,
    connections: &watch::Sender<()>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let limits = app.connections();
    let places = Places::new(descriptors::room_for(limits.count), limits.per_address);
    let protocols = Arc::new(Protocols::new(app));

    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = next(listener, app, &places) => accepted,
        };
        match accepted {
            Ok(Some((stream, peer, place))) => {
                let (protocols, drain) = (protocols.clone(), connections.subscribe());
                let open = app.metrics().http.connection();
                tokio::spawn(async move {
                    let _open = open;
                    protocols.serve(stream, peer.ip(), place, drain).await;
                });
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

/// The next connection and its place, or nothing where it was refused.
async fn next(
    listener: &TcpListener,
    app: &App,
    places: &Arc<Places>,
) -> io::Result<Option<(TcpStream, SocketAddr, Place)>> {
    let (stream, peer) = listener.accept().await?;
    match places.admit(peer.ip(), app.access().proxies.contains(peer.ip())) {
        Some(admitted) => Ok(Some((stream, peer, admitted.place().await))),
        None => {
            app.metrics().http.refused(refusal::TOO_MANY_CONNECTIONS);
            tracing::debug!(%peer, "refused: this address has all the connections that it may");
            if app.tls().is_none() {
                // Says why, as far as the socket takes it at once.
                let _ = stream.try_write(&refusal::too_many_connections(app.connections().per_address));
            }
            Ok(None)
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
