//! The outermost step of every request.

use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, Uri},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::{
    error,
    peer::TrustedProxies,
    request_log::{self, Answered, RequestLog},
};
use crate::{
    http::error::catalogue,
    observability::{
        RequestId, RequestSpan,
        metrics::{Exchange, HttpMetrics, Route},
    },
};

/// Parts of a server that the outermost layer needs.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) proxies: Arc<TrustedProxies>,
}

/// Outermost layer: observes the requests of a router. Handlers find the [`RequestId`] in the request's extensions.
pub(crate) async fn observe(State(observer): State<Arc<Observer>>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let observation = observer.begin(&request, Route::Matched(route));
    request.extensions_mut().insert(observation.id.clone());
    observation.answer(pin!(next.run(request))).await
}

impl Observer {
    /// Begins to observe a request.
    pub(crate) fn begin<B>(&self, request: &Request<B>, route: Route) -> Observation<'_> {
        let id = RequestId::of(request.headers());
        Observation {
            started: Instant::now(),
            span: RequestSpan::begin(request, route.template(), &id),
            exchange: self.metrics.begin(route, request.method()),
            address: self.proxies.client_of(request),
            method: request.method().clone(),
            uri: request.uri().clone(),
            log: &self.log,
            id,
        }
    }
}

/// A request that is being answered. Assigns the request id, counts and logs the request, turns a panic into a
/// response, and renders errors.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    started: Instant,
    id: RequestId,
    exchange: Exchange,
    span: RequestSpan,
    pub(crate) address: IpAddr,
    method: Method,
    uri: Uri,
    log: &'a RequestLog,
}

impl Observation<'_> {
    /// Waits for the response, and completes it.
    /// The handler is pinned, because its future is large and would be moved several times.
    pub(crate) async fn answer(self, handler: Pin<&mut impl Future<Output = Response>>) -> Response {
        // Lines of a handler name the request only where debugging is on: a span costs as much as parsing an event.
        let (id, method, path) = (&self.id, &self.method, request_log::excerpt(self.uri.path()));
        let log_span = tracing::debug_span!("request", %id, %method, path);
        let mut run = pin!(AssertUnwindSafe(handler.instrument(log_span)).catch_unwind());
        let handled = poll_fn(|context| {
            let _attached = self.span.attach();
            run.as_mut().poll(context)
        });
        let handled = handled.await;
        let _attached = self.span.attach();
        let response = handled.unwrap_or_else(|panic| catalogue::internal(&panic_message(&*panic)).into_response());
        let details = error::details(&response);
        let mut response = error::render(response, &self.id);
        self.id.name(&mut response);
        self.span.answered(response.status(), details.code.as_deref());
        let (status, elapsed) = (response.status(), self.started.elapsed());
        self.exchange.answered(status, details.code.as_ref(), elapsed);
        let (address, trace_id) = (self.address, self.span.trace_id());
        self.log.answered(&Answered { id, method, path, status, address, trace_id, elapsed }, details);
        response
    }
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
        assert!(!body.to_string().contains("boom"), "only the log has the cause");
    }
}
