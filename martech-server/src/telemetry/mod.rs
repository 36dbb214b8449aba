//! Logs of the server, including a line for each failed request (`requests`) with the request id that the client got.
//! If a collector is configured (`otlp`), it receives request spans and the logs.

mod logs;
mod otlp;
mod request_id;
mod requests;
mod sampler;
mod trace;

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::{Instrument, field::Empty};

pub use self::logs::{InvalidLogFilter, LogFormat};
pub(crate) use self::{
    logs::LOCAL,
    otlp::Exporters as OtlpExporters,
    request_id::RequestId,
    requests::RequestLog,
    sampler::{PERIOD, Sampler},
    trace::Timeline,
};
use self::{otlp::Providers, trace::RequestSpan};
use crate::{
    TrustedProxies,
    error::{self, ApiError},
    metrics::HttpMetrics,
};

/// Logs and their export to a collector, from the start of a process to its end.
#[derive(Debug)]
pub struct Telemetry(Providers);

/// Reasons why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is invalid.
    #[error(transparent)]
    Filter(#[from] InvalidLogFilter),
    /// The endpoint of the collector is invalid. The message does not repeat it, because it may contain a password.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT, or that of traces or logs, is not a URL such as http://localhost:4318")]
    Endpoint,
}

/// Maximum wait for a collector at the end of a process.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Minimum wait for a collector, even if the drain has used up its time.
const LEAST_LAST_WORDS: Duration = Duration::from_secs(1);

impl Telemetry {
    /// Starts logging to standard error, and the export of traces and logs to the collector that `OTEL_*` variables
    /// name.
    ///
    /// # Errors
    /// Fails if the log filter or an endpoint is invalid.
    pub fn start(format: LogFormat, filter: &str) -> Result<Self, TelemetryError> {
        let exporters = OtlpExporters::from_environment()?;
        let signals = exporters.describe();
        let providers = exporters.start();
        logs::init(format, filter, providers.logs.as_ref())?;
        if let Some(signals) = signals {
            tracing::info!("OpenTelemetry sends {signals}");
        }
        Ok(Self(providers))
    }

    /// Sends the remaining records. Waits for at most `patience`, limited to between one and five seconds.
    pub async fn end(self, patience: Duration) {
        self.0.shut_down(patience.clamp(LEAST_LAST_WORDS, LAST_WORDS)).await;
    }
}

/// Parts of a server that the outermost layer needs.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) proxies: TrustedProxies,
}

/// Outermost layer: assigns the request id, counts and logs the request, turns a panic into a response, and renders
/// errors.
pub(crate) async fn observe(State(observer): State<Arc<Observer>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let exchange = observer.metrics.begin(&request);
    let id = RequestId::of(request.headers());
    let (method, path) = (request.method(), requests::excerpt(request.uri().path()));
    let span = tracing::info_span!("request", %id, %method, path, trace_id = Empty);
    let traced = RequestSpan::begin(&request, &id);
    if let Some(trace_id) = traced.trace_id() {
        span.record("trace_id", tracing::field::display(trace_id));
    }
    let address = observer.proxies.client_of(&request);

    let mut run = pin!(AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind());
    let handled = poll_fn(|context| {
        let _attached = traced.attach();
        run.as_mut().poll(context)
    });
    let handled = handled.await;
    let (_entered, _attached) = (span.enter(), traced.attach());
    let response = handled.unwrap_or_else(|panic| ApiError::internal(&panic_message(&*panic)).into_response());
    let blame = error::blame(&response);
    let mut response = error::render(response, &id);
    id.name(&mut response);
    exchange.answered(response.status(), blame.code.as_ref());
    traced.answered(response.status(), blame.code.as_deref());
    observer.log.answered(response.status(), blame, address, started);
    response
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("(no message)"))
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, http::StatusCode, middleware, routing::get};
    use http_body_util::BodyExt;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn responds_500_when_a_handler_panics() {
        let router = Router::new()
            .route(
                "/",
                get(|| async {
                    if true {
                        panic!("boom")
                    }
                }),
            )
            .layer(middleware::from_fn_with_state(Arc::<Observer>::default(), observe));
        let request = Request::builder().uri("/").header(RequestId::HEADER, "r-1").body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["code"], &body["requestId"]), (&"internal".into(), &"r-1".into()));
        assert!(!body.to_string().contains("boom"), "what broke is for the log");
    }
}
