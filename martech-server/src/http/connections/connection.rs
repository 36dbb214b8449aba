//! Serves one connection, from its first byte to its last.

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{
    BoxError,
    body::Body,
    http::{HeaderValue, Request, Response, Version, header},
    response::IntoResponse,
};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};

use super::{
    ConnectionLimits, MAX_HEAD, MAX_URI,
    limit::ConnectionPermit,
    received_body::ReceivedBody,
    response_memory::{self, ChargedBody, ResponseMemory},
    state::ConnectionState,
    stream::StreamExecutor,
    tls::{Tls, speaks_http2},
    write_timer::WriteTimer,
};
use crate::{
    http::{
        error::{self, catalogue},
        headers,
        peer::Peer,
    },
    observability::{RequestId, metrics::HttpMetrics},
};

/// Maximum buffer of hyper for a connection, in each direction, in bytes.
const MAX_BUFFER: usize = 64 << 10;
/// Maximum number of concurrent requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// HTTP/2 flow-control windows: bytes that a client may send on one stream, and on the whole connection, before the
/// server reads them.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// Maximum number of streams that the client opened incorrectly, or reset before the server accepted them. Above it,
/// the connection is closed.
const MAX_RESETS: usize = 50;
/// Interval between pings to a silent HTTP/2 client, and the timeout of each ping.
const PING: Duration = Duration::from_secs(20);
/// Browsers that connected over TLS must not fall back to plain HTTP, for one year.
const HSTS: &str = "max-age=31536000";

/// Protocol settings and services that all connections share.
#[derive(Debug)]
pub(super) struct Protocols<R> {
    limits: ConnectionLimits,
    routes: R,
    metrics: Arc<HttpMetrics>,
    tls: Option<Tls>,
    http1: http1::Builder,
    http2: http2::Builder<StreamExecutor>,
    memory: Arc<ResponseMemory>,
}

impl<R: Respond> Protocols<R> {
    pub(super) fn new(routes: R, limits: ConnectionLimits, tls: Option<Tls>, metrics: Arc<HttpMetrics>) -> Self {
        let mut http1 = http1::Builder::new();
        // hyper's timers stay off: `ConnectionLimit` closes idle connections at no cost to requests.
        http1.max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFER);
        let (answer_bytes, given_up) = metrics.answers();
        let mut http2 = http2::Builder::new(StreamExecutor::new(limits.write, given_up.clone()));
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD as u32)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(MAX_BUFFER)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_RESETS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Self {
            limits,
            routes,
            metrics,
            tls,
            http1,
            http2,
            memory: ResponseMemory::new(response_memory::CAPACITY, answer_bytes, given_up),
        }
    }

    pub(super) async fn serve(&self, stream: TcpStream, address: IpAddr, permit: ConnectionPermit, drain: Drain) {
        // Responses are small and clients wait for them: delaying them to fill a packet only adds latency.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let state = permit.state();
        let stream = WriteTimer::new(stream, state.clone(), self.limits.write);
        let ended = match &self.tls {
            None => self.serve_http1(stream, Peer { address, tls: false }, state, drain).await,
            // Boxed so that plain connections need no memory for it.
            Some(tls) => Box::pin(self.serve_tls(tls, stream, Peer { address, tls: true }, state, drain)).await,
        };
        if let Err(error) = ended {
            if let Some(reason) = error.downcast_ref().and_then(refusal) {
                self.metrics.refused(reason);
            }
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn serve_tls<S: Stream>(
        &self,
        tls: &Tls,
        stream: S,
        peer: Peer,
        state: &Arc<ConnectionState>,
        drain: Drain,
    ) -> Result<(), BoxError> {
        let stream = tls.accept(stream).await?;
        if !speaks_http2(&stream) {
            return self.serve_http1(stream, peer, state, drain).await;
        }
        let connection = self.http2.serve_connection(TokioIo::new(stream), self.answering(peer, state.clone()));
        run_to_end(pin!(connection), drain).await
    }

    async fn serve_http1<S: Stream>(
        &self,
        stream: S,
        peer: Peer,
        state: &Arc<ConnectionState>,
        drain: Drain,
    ) -> Result<(), BoxError> {
        let connection = self.http1.serve_connection(TokioIo::new(stream), self.answering(peer, state.clone()));
        run_to_end(pin!(connection), drain).await
    }

    /// Returns the routes as a service for one connection.
    fn answering(
        &self,
        peer: Peer,
        state: Arc<ConnectionState>,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<ChargedBody>,
        Error = Infallible,
        Future: Future<Output = Result<Response<ChargedBody>, Infallible>> + Send + 'static,
    > + Send
    + use<R> {
        let (routes, metrics) = (self.routes.clone(), self.metrics.clone());
        let memory = self.memory.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let (in_flight, state, memory) = (state.begin(), state.clone(), memory.clone());
            let answer = if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > MAX_URI) {
                metrics.refused(catalogue::URI_TOO_LONG);
                Err(long_uri(&request))
            } else {
                request.extensions_mut().insert(peer);
                let is_http2 = request.version() == Version::HTTP_2;
                Ok(routes.clone().respond(request.map(|body| ReceivedBody::new(body, is_http2))))
            };
            async move {
                let mut response = match answer {
                    Ok(answer) => answer.await,
                    Err(refused) => refused,
                };
                if peer.tls {
                    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
                }
                Ok(ChargedBody::of(response, &memory, &state, in_flight))
            }
        })
    }
}

/// Serves a connection until it ends. When the server drains, the connection ends after the requests in flight.
async fn run_to_end(
    mut connection: Pin<&mut impl GracefulConnection<Error = hyper::Error>>,
    mut drain: Drain,
) -> Result<(), BoxError> {
    tokio::select! {
        // The connection is polled first, so that hyper reads a head that arrived before the shutdown.
        biased;
        ended = connection.as_mut() => return Ok(ended?),
        _ = drain.changed() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

/// Answers the requests of all connections.
pub(crate) trait Respond: Clone + Send + Sync + 'static {
    /// Returns the response to a request. Its extensions have the [`Peer`].
    fn respond(self, request: Request<ReceivedBody>) -> impl Future<Output = Response<Body>> + Send + 'static;
}

/// Receiver that is notified when the server stops. The server waits until all receivers are dropped.
pub(super) type Drain = watch::Receiver<()>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Returns the metrics reason for a request that hyper refused.
fn refusal(error: &hyper::Error) -> Option<&'static str> {
    if error.is_parse_too_large() { Some("head_too_large") } else { error.is_parse().then_some("malformed_request") }
}

fn long_uri(request: &Request<Incoming>) -> Response<Body> {
    let id = RequestId::of(request.headers());
    let mut response = error::render(catalogue::uri_too_long(MAX_URI).into_response(), &id);
    id.name(&mut response);
    headers::add_defaults(response.headers_mut());
    response
}
