//! Metrics of requests and connections.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    extract::MatchedPath,
    http::{Method, StatusCode},
};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, core::Collector};

/// Histogram buckets in seconds, from an fsync on a good disk to the time at which clients give up.
pub(super) const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Label for any name that is not known in advance.
const OTHER: &str = "other";
/// Status label of a request whose client disconnected before the response.
const CANCELLED: &str = "cancelled";

/// Counts requests and connections.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    events: EventRequests,
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
            "Time from the head of a request to the head of its response, by route and method.",
        );
        let seconds =
            HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &["route", "method"]).expect("the name is valid");
        let requests = counters(
            "martech_http_requests_total",
            "Requests by route, method and status; the status is cancelled if the client disconnected.",
            &["route", "method", "status"],
        );
        Self {
            events: EventRequests {
                accepted: requests.with_label_values(&[Route::EVENTS, "POST", StatusCode::ACCEPTED.as_str()]),
                seconds: seconds.with_label_values(&[Route::EVENTS, "POST"]),
            },
            requests,
            seconds,
            in_flight: gauge("martech_http_requests_in_flight", "Requests in progress."),
            refused: counters(
                "martech_http_refused_total",
                "Refused requests and connections, by error code.",
                &["reason"],
            ),
            connections: gauge("martech_http_connections", "Open connections."),
            accepted: counter("martech_http_connections_accepted_total", "Accepted connections."),
            answer_bytes: gauge(
                "martech_http_answer_bytes",
                "Memory of responses that clients are still reading, in bytes.",
            ),
            given_up: counter(
                "martech_http_answers_given_up_total",
                "Responses that were dropped because others needed the memory, or over HTTP/2 because the client stopped reading.",
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

    /// Counts a request as in flight until the exchange ends.
    pub(crate) fn begin(self: &Arc<Self>, route: Route, method: &Method) -> Exchange {
        self.in_flight.inc();
        Exchange { metrics: self.clone(), route, method: known_method(method).unwrap_or(OTHER), is_answered: false }
    }

    /// Counts a refused request or connection, by reason.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Returns the metrics of the memory of responses that clients are still reading, and of dropped responses.
    pub(crate) fn answers(&self) -> (IntGauge, IntCounter) {
        (self.answer_bytes.clone(), self.given_up.clone())
    }

    /// Counts an accepted connection, which is open until the guard is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.accepted.inc();
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }
}

/// The route of a request.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// `/events`.
    Events,
    /// The route that the router found, if there is one.
    Matched(Option<MatchedPath>),
}

impl Route {
    const EVENTS: &'static str = "/events";

    /// Returns the template of the path. The path itself is never a label, because clients can choose it freely.
    pub(crate) fn template(&self) -> Option<&str> {
        match self {
            Self::Events => Some(Self::EVENTS),
            Self::Matched(route) => route.as_ref().map(MatchedPath::as_str),
        }
    }
}

/// Metrics of accepted requests with events, which are too frequent to look up each time.
#[derive(Debug)]
struct EventRequests {
    /// With status 202.
    accepted: IntCounter,
    seconds: Histogram,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    metrics: Arc<HttpMetrics>,
    route: Route,
    method: &'static str,
    is_answered: bool,
}

impl Exchange {
    /// Counts the response, `elapsed` after the head of the request. `code` is the code of the error.
    pub(crate) fn answered(mut self, status: StatusCode, code: Option<&Cow<'static, str>>, elapsed: Duration) {
        self.is_answered = true;
        let elapsed = elapsed.as_secs_f64();
        if let (Route::Events, "POST", StatusCode::ACCEPTED) = (&self.route, self.method, status) {
            self.metrics.events.accepted.inc();
            self.metrics.events.seconds.observe(elapsed);
            return;
        }
        self.count(status.as_str());
        self.metrics.seconds.with_label_values(&[self.label(), self.method]).observe(elapsed);
        if is_refusal(status) {
            // Only codes that the program defines become labels.
            let reason = if let Some(Cow::Borrowed(code)) = code { *code } else { OTHER };
            self.metrics.refused(reason);
        }
    }

    fn count(&self, status: &str) {
        self.metrics.requests.with_label_values(&[self.label(), self.method, status]).inc();
    }

    fn label(&self) -> &str {
        self.route.template().unwrap_or(OTHER)
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

/// An open connection.
#[derive(Debug)]
pub(crate) struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Returns the name of a standard method. Clients can send any other name, which must not become a label.
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

/// Returns whether a status counts as a refusal. Plain mistakes do not, such as a route that does not exist or a body
/// that cannot be parsed.
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
