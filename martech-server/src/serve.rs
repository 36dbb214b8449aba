//! Connections: accepting them, bounding them, bringing them to an end.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};

use crate::{App, CloseError, auth::Peer, metrics::OpenConnection, routes};

/// Out of file descriptors, say: some will come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Given to the sink even when the connections used up the whole drain time: events that were accepted come first.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Serves until `shutdown` completes; then stops accepting, answers what is in flight, stores what waits, and closes.
///
/// All of that takes no longer than the drain timeout of the settings, but for the store's own closing.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), CloseError> {
    if let Ok(address) = listener.local_addr() {
        tokio::spawn(app.clone().tell_set_up_link(address));
    }
    let connections = GracefulShutdown::new();
    let accepted = accept(&listener, &app, &connections, shutdown).await;
    app.begin_drain();
    drop(listener);

    let deadline = Instant::now() + app.drain_timeout();
    tracing::info!(connections = connections.count(), "draining");
    if timeout(app.drain_timeout(), connections.shutdown()).await.is_err() {
        tracing::warn!("some requests were not answered in time");
    }
    let patience = deadline.saturating_duration_since(Instant::now()).max(LEAST_PATIENCE);
    app.close(patience).await?;
    accepted?;
    tracing::info!("stopped");
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    app: &App,
    connections: &GracefulShutdown,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = routes::router(app.clone());
    let limits = app.connections();
    let places = Arc::new(Semaphore::new(limits.count.min(Semaphore::MAX_PERMITS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.idle);

    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok((place, listener.accept().await?))
        };
        let accepted: io::Result<(OwnedSemaphorePermit, (TcpStream, SocketAddr))> = tokio::select! {
            () = &mut shutdown => return Ok(()),
            accepted = next => accepted,
        };
        match accepted {
            Ok((place, (stream, peer))) => {
                let held = (place, app.metrics().http.connection());
                spawn(&http, stream, Peer(peer.ip()), router.clone(), connections, held);
            }
            // Of that connection only: the next one may be fine.
            Err(error) if is_of_connection(&error) => tracing::debug!(%error, "a connection was lost early"),
            Err(error) => {
                tracing::error!(%error, "a connection cannot be accepted");
                tokio::select! {
                    () = &mut shutdown => return Ok(()),
                    () = sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

fn spawn(
    http: &http1::Builder,
    stream: TcpStream,
    peer: Peer,
    router: Router,
    connections: &GracefulShutdown,
    held: (OwnedSemaphorePermit, OpenConnection),
) {
    // Answers are small and awaited: holding them back to fill a packet only adds delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        let _held = held;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
