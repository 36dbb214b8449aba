//! Spans of requests, with child spans for what each request waited for.
//!
//! The parent of a request span comes from `traceparent` (W3C Trace Context). The events of many requests go to the
//! store in one batch, by tasks that know none of these requests. These tasks therefore create no spans. Instead, a
//! batch records when it was taken, synced and settled, and its receipts carry these times. The request that waited
//! creates spans from them afterwards. Each trace is complete in itself, and events carry no trace context.
//!
//! Without tracing, each of these operations only checks [`TRACER`].

use std::{
    future::Future,
    sync::OnceLock,
    time::{Instant, SystemTime},
};

use axum::http::{Request, StatusCode};
use martech_core::{sink::BatchTiming, store::Step};
use opentelemetry::{
    Context, ContextGuard, KeyValue,
    propagation::TextMapPropagator,
    trace::{SpanKind, Status, TraceContextExt, TraceId, Tracer},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracer};

use super::RequestId;
use crate::observability::metrics::known_method;

/// Tracer of this process, as global as its logs. Not set without tracing.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Enables tracing of requests.
pub(super) fn begin(tracer: SdkTracer) {
    // The first tracer stays, as with the logs.
    let _ = TRACER.set(tracer);
}

/// Routes that clients poll all the time, with nothing of interest in the response.
const UNTRACED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Maximum part of a path in a span, in bytes. Thousands of spans may wait, and a path may have 8 KiB.
const PATH_BYTES: usize = 512;

/// Span of a request; `None` if it is not traced.
#[derive(Debug)]
pub(crate) struct RequestSpan(Option<Context>);

impl RequestSpan {
    /// Begins the span of a request. `route` is the template of its path.
    pub(crate) fn begin<B>(request: &Request<B>, route: Option<&str>, id: &RequestId) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        if route.is_some_and(|route| UNTRACED.contains(&route)) {
            return Self(None);
        }
        let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
        // Named as in the OpenTelemetry semantic conventions for HTTP spans.
        let method = known_method(request.method()).unwrap_or("_OTHER");
        let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let builder = tracer.span_builder(name).with_kind(SpanKind::Server);
        let context = caller.with_span(builder.start_with_context(tracer, &caller));
        // Most spans are not recorded if a sampler takes one of a hundred.
        if context.span().is_recording() {
            let path = request.uri().path();
            let path = &path[..path.floor_char_boundary(PATH_BYTES)];
            context.span().set_attributes([
                KeyValue::new("http.request.method", method),
                // Never the query: it may contain a key.
                KeyValue::new("url.path", path.to_owned()),
                KeyValue::new("martech.request.id", id.to_string()),
            ]);
            if let Some(route) = route {
                context.span().set_attribute(KeyValue::new("http.route", route.to_owned()));
            }
        }
        Self(Some(context))
    }

    /// Returns the trace id, for the log.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id())
    }

    /// Makes the span the current one of this thread, until the guard is dropped.
    pub(crate) fn attach(&self) -> Option<ContextGuard> {
        self.0.as_ref().map(|context| context.clone().attach())
    }

    /// Ends the span with the status of the response. `code` is the code of the error.
    pub(crate) fn answered(&self, status: StatusCode, code: Option<&str>) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if let Some(code) = code {
            span.set_attribute(KeyValue::new("martech.error.code", code.to_owned()));
        }
        // Client errors are not errors of the server.
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Consecutive steps of a request, recorded as children of its span. Does nothing if the span is not recorded.
#[derive(Debug)]
pub(crate) struct Timeline(Option<Recording>);

#[derive(Debug)]
struct Recording {
    tracer: &'static SdkTracer,
    request: Context,
    /// Spans have wall-clock times, but steps are measured with the monotonic clock. The two values of `origin` are the
    /// same moment.
    origin: (Instant, SystemTime),
}

impl Timeline {
    /// Returns the timeline of the current request.
    pub(crate) fn current() -> Self {
        let record = |tracer| {
            let request = Context::current();
            let is_recorded = request.span().is_recording();
            is_recorded.then(|| Recording { tracer, request, origin: (Instant::now(), SystemTime::now()) })
        };
        Self(TRACER.get().and_then(record))
    }

    /// Returns the time, or `None` if nothing is recorded, which saves reading the clock.
    pub(crate) fn now(&self) -> Option<Instant> {
        self.0.as_ref().map(|_| Instant::now())
    }

    /// Records a step that takes as long as the future.
    pub(crate) async fn step<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        let from = self.now();
        let result = work.await;
        if let (Some(recording), Some(from)) = (&self.0, from) {
            recording.child(&recording.request, name, SpanKind::Internal, Step { from, to: Instant::now() }, []);
        }
        result
    }

    /// Records the steps of the batch that had the events of this request.
    pub(crate) fn batch(&self, handed_over: Option<Instant>, timing: Option<BatchTiming>) {
        let (Some(recording), Some(handed_over), Some(timing)) = (&self.0, handed_over, timing) else { return };
        let BatchTiming { taken, settled, events, steps, .. } = timing;
        let request = &recording.request;
        recording.child(request, "wait in queue", SpanKind::Internal, Step { from: handed_over, to: taken }, []);
        let of_batch = [KeyValue::new("martech.batch.events", i64::try_from(events).unwrap_or(i64::MAX))];
        let append = Step { from: taken, to: settled };
        let append = recording.child(request, "append batch", SpanKind::Internal, append, of_batch);
        if let Some(synced) = steps.synced {
            recording.child(&append, "fsync journal", SpanKind::Internal, synced, []);
        }
        if let Some(forwarded) = steps.forwarded {
            let database = [KeyValue::new("db.system.name", "mongodb")];
            recording.child(&append, "write to store", SpanKind::Client, forwarded, database);
        }
    }
}

impl Recording {
    fn child<const N: usize>(
        &self,
        parent: &Context,
        name: &'static str,
        kind: SpanKind,
        step: Step,
        attributes: [KeyValue; N],
    ) -> Context {
        let builder = self.tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        let span = builder.with_start_time(self.wall(step.from)).start_with_context(self.tracer, parent);
        let context = parent.with_span(span);
        context.span().end_with_timestamp(self.wall(step.to));
        context
    }

    fn wall(&self, at: Instant) -> SystemTime {
        let (origin, wall) = self.origin;
        match at.checked_duration_since(origin) {
            Some(later) => wall + later,
            None => wall - origin.duration_since(at),
        }
    }
}
