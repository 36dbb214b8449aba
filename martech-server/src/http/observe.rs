//! The outermost layer of the routes.

use std::{future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::{Instrument, field::Empty};

use super::{
    error::{self},
    peer::TrustedProxies,
    request_log::{self, RequestLog},
};
use crate::{
    http::error::catalogue,
    observability::{RequestId, RequestSpan, metrics::HttpMetrics},
};

/// Parts of a server that the outermost layer needs.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) proxies: Arc<TrustedProxies>,
}

/// Outermost layer: assigns the request id, counts and logs the request, turns a panic into a response, and renders
/// errors.
pub(crate) async fn observe(State(observer): State<Arc<Observer>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let exchange = observer.metrics.begin(&request);
    let id = RequestId::of(request.headers());
    let (method, path) = (request.method(), request_log::excerpt(request.uri().path()));
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
    let response = handled.unwrap_or_else(|panic| catalogue::internal(&panic_message(&*panic)).into_response());
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
