//! Requests and connections.

use std::{borrow::Cow, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
};
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, core::Collector};

/// From what a sync takes on a good disk to what somebody gives up on, in seconds.
pub(super) const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// For whatever is none of the names that are known beforehand.
const OTHER: &str = "other";
/// In the place of a status, of a request that nobody waited for to its end.
const CANCELLED: &str = "cancelled";

/// Counts requests and connections.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    refused: IntCounterVec,
    connections: IntGauge,
    accepted: IntCounter,
    answer_bytes: IntGauge,
    given_up: IntCounter,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("the name is valid")
        };
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("the name is valid");
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect("the name is valid");
        let seconds = HistogramOpts::new(
            "martech_http_request_duration_seconds",
            "Time from the head of a request to the head of its answer, by route and method.",
        );
        Self {
            requests: counters(
                "martech_http_requests_total",
                "Requests, by route, method and status; cancelled are those whose clients went away.",
                &["route", "method", "status"],
            ),
            seconds: HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &["route", "method"])
                .expect("the name is valid"),
            in_flight: gauge("martech_http_requests_in_flight", "Requests that are being answered."),
            refused: counters(
                "martech_http_refused_total",
                "Requests and connections that were turned away for what they may not or what is too much, by the code of the error.",
                &["reason"],
            ),
            connections: gauge("martech_http_connections", "Open connections."),
            accepted: counter("martech_http_connections_accepted_total", "Connections that were accepted."),
            answer_bytes: gauge("martech_http_answer_bytes", "Memory of answers that clients are still reading."),
            given_up: counter(
                "martech_http_answers_given_up_total",
                "Answers that were given up because others needed the memory, or over HTTP/2 because the client stopped reading.",
            ),
        }
    }
}

impl HttpMetrics {
    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.accepted.clone()),
            Box::new(self.answer_bytes.clone()),
            Box::new(self.given_up.clone()),
        ]
    }

    /// A request has come.
    pub(crate) fn begin(self: &Arc<Self>, request: &Request) -> Exchange {
        self.in_flight.inc();
        Exchange {
            metrics: self.clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            method: known_method(request.method()).unwrap_or(OTHER),
            begun: Instant::now(),
            is_answered: false,
        }
    }

    /// Somebody was turned away before there was a request, for this reason.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// The memory of answers that clients are still reading, and how many answers were given up.
    pub(crate) fn answers(&self) -> (IntGauge, IntCounter) {
        (self.answer_bytes.clone(), self.given_up.clone())
    }

    /// A connection was accepted; it counts as open until this is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.accepted.inc();
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    metrics: Arc<HttpMetrics>,
    route: Option<MatchedPath>,
    method: &'static str,
    begun: Instant,
    is_answered: bool,
}

impl Exchange {
    /// It is answered so; `code` is that of the error.
    pub(crate) fn answered(mut self, status: StatusCode, code: Option<&Cow<'static, str>>) {
        self.is_answered = true;
        self.count(status.as_str());
        self.metrics
            .seconds
            .with_label_values(&[self.route(), self.method])
            .observe(self.begun.elapsed().as_secs_f64());
        if is_refusal(status) {
            // Only codes that stand in the program are labels.
            let reason = if let Some(Cow::Borrowed(code)) = code { *code } else { OTHER };
            self.metrics.refused(reason);
        }
    }

    fn count(&self, status: &str) {
        self.metrics.requests.with_label_values(&[self.route(), self.method, status]).inc();
    }

    /// The template, never the path: a path is whatever somebody asked for.
    fn route(&self) -> &str {
        self.route.as_ref().map_or(OTHER, MatchedPath::as_str)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if !self.is_answered {
            self.count(CANCELLED);
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The name of a method that servers have; anybody can make up others.
pub(crate) fn known_method(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => return None,
    })
}

/// Not what is only mistaken: a route that does not exist, a body that cannot be read.
fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
    )
}
