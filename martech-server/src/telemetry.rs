//! Logs: one line per request, each with the id that the client was told.

use std::{
    fmt,
    io::{self, IsTerminal},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use clap::ValueEnum;
use futures_util::FutureExt;
use serde::Serialize;
use tracing::{Instrument, Level};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::{
    error::{self, ApiError},
    metrics::HttpMetrics,
    overload,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the log filter cannot be read: {0}")]
pub struct InvalidLogFilter(#[from] tracing_subscriber::filter::ParseError);

/// Sends the logs of this process to standard error. Does nothing when it was called before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), InvalidLogFilter> {
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(filter)?).with_writer(io::stderr);
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // The only error is that there is a subscriber already, and then that one stays.
    let _ = if human {
        builder.with_ansi(terminal).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    Ok(())
}

/// Names a request in the log, in the `X-Request-Id` header of its answer, and in its error.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RequestId(Box<str>);

impl RequestId {
    const HEADER: HeaderName = HeaderName::from_static("x-request-id");
    const MAX_CHARS: usize = 128;

    /// The id that the client (or a proxy before us) gave, if it is fit for a log; a new one otherwise.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(Self::HEADER).and_then(|value| value.to_str().ok()).filter(|id| Self::is_sane(id));
        match given {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().simple().to_string().into()),
        }
    }

    /// Tells it to the client.
    pub(crate) fn name(&self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(Self::HEADER, value);
        }
    }

    fn is_sane(id: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
        (1..=Self::MAX_CHARS).contains(&id.len()) && id.bytes().all(allowed)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The outermost layer: names the request, counts it, logs it, turns a panic into an answer, writes errors out.
pub(crate) async fn observe(State(metrics): State<Arc<HttpMetrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let exchange = metrics.begin(&request);
    let id = RequestId::of(request.headers());
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());

    let handled = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let _entered = span.enter();
    let response = handled.unwrap_or_else(|panic| ApiError::internal(&panic_message(&*panic)).into_response());
    let code = error::code(&response);
    let mut response = error::render(response, &id);
    id.name(&mut response);
    exchange.answered(response.status(), code.as_ref());
    // Of what is refused because there is too much, there would be too many lines.
    if code.as_deref() != Some(overload::CODE) {
        log(response.status(), started);
    }
    response
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("(no message)"))
}

/// What went well is many lines of little interest; what did not is worth a line by default.
fn log(status: StatusCode, started: Instant) {
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                status = status.as_u16(),
                elapsed_us = started.elapsed().as_micros() as u64,
                "answered"
            )
        };
    }
    if status.is_server_error() {
        line!(Level::WARN);
    } else if status.is_client_error() {
        line!(Level::INFO);
    } else {
        line!(Level::DEBUG);
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    fn id_for(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(RequestId::HEADER, HeaderValue::from_str(given).unwrap());
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_sane_request_id_is_kept_and_others_are_replaced() {
        assert_eq!(id_for("checkout-7:a.b"), "checkout-7:a.b");
        for bad in ["", "two words", "quote\"", &"x".repeat(129)] {
            let made = id_for(bad);
            assert_ne!(made, bad);
            assert!(RequestId::is_sane(&made));
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let router = Router::new()
            .route(
                "/",
                get(|| async {
                    if true {
                        panic!("boom")
                    }
                }),
            )
            .layer(middleware::from_fn_with_state(Arc::<HttpMetrics>::default(), observe));
        let request = Request::builder().uri("/").header(RequestId::HEADER, "r-1").body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["code"], &body["requestId"]), (&"internal".into(), &"r-1".into()));
        assert!(!body.to_string().contains("boom"), "what broke is for the log");
    }
}
