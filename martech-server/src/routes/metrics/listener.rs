//! HTTP listener for the metrics.

use std::{future::Future, io, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use axum::{Router, middleware, routing::get};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::metrics;
use crate::{
    http::{
        error,
        observe::{Observer, observe},
    },
    routes::ApiState,
    util::parse_addr,
};

/// Default address of the metrics: 9464 is the default port of OpenTelemetry's Prometheus exporters.
const DEFAULT: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9464));
/// Maximum number of connections; further ones wait. One Prometheus server needs one.
const CONNECTIONS: usize = 16;
/// Idle timeout of a connection, longer than usual scrape intervals.
const IDLE: Duration = Duration::from_secs(300);
/// Maximum lifetime of a connection, whatever it does, so that none holds a permit forever.
const LIFE: Duration = Duration::from_secs(3600);
/// Delay after a failed `accept`. The process may be out of file descriptors, for example, until some are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Address of the metrics listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsAddr {
    /// No listener.
    Off,
    /// This address; port 0 selects a free port.
    At(SocketAddr),
}

impl FromStr for MetricsAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            text => parse_addr(text).map(Self::At).map_err(|expected| format!("`off`, or {expected}")),
        }
    }
}

/// Binds the listener of the metrics. Returns `None` if metrics are off.
///
/// Without a `choice`, the address is 127.0.0.1:9464. If it cannot be bound, for example because another server uses
/// it, the function logs a warning and returns `None`.
///
/// # Errors
/// Fails if an address that was chosen cannot be bound.
pub async fn bind(choice: Option<MetricsAddr>) -> io::Result<Option<TcpListener>> {
    let addr = match choice {
        Some(MetricsAddr::Off) => return Ok(None),
        Some(MetricsAddr::At(addr)) => addr,
        None => DEFAULT,
    };
    match TcpListener::bind(addr).await {
        Ok(listener) => {
            tracing::info!(addr = %listener.local_addr()?, "serving /metrics");
            Ok(Some(listener))
        }
        Err(error) if choice.is_none() => {
            tracing::warn!(%addr, %error, "cannot serve metrics; set MARTECH_METRICS_ADDR to another address, or to off");
            Ok(None)
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("the address of the metrics, {addr}: {error}"))),
    }
}

/// Serves `GET /metrics` until `shutdown` completes. Metrics are meant to stay available while the server drains.
pub(crate) async fn serve(listener: TcpListener, state: ApiState, shutdown: impl Future<Output = ()> + Send) {
    let router = router(state);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let accepting = async {
        while let Ok(permit) = permits.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => spawn(&http, stream, router.clone(), permit),
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection for metrics");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown => {}
        () = accepting => {}
    }
}

fn spawn(http: &http1::Builder, stream: TcpStream, router: Router, permit: OwnedSemaphorePermit) {
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::spawn(async move {
        let _permit = permit;
        // The client connects again for its next scrape.
        let _ = timeout(LIFE, connection).await;
    });
}

fn router(state: ApiState) -> Router {
    // Scrapes are not counted in the metrics.
    let uncounted = Arc::new(Observer { log: state.observer.log.clone(), ..Observer::default() });
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn_with_state(uncounted, observe))
        .with_state(state)
}
