//! Spans of requests, and what a request waited for as children of its span.
//!
//! A request's span has as its parent what `traceparent` names (W3C Trace Context). The events of many requests go to the
//! store in one batch, by tasks that know none of them. So nothing is traced there: a batch notes down when it was taken,
//! synced and settled, its receipts tell that, and whoever waited makes spans of it when it is over. Every trace is whole in
//! itself, and the way of the events carries nothing along.
//!
//! Where nothing is traced, all of this is one look at [`TRACER`].

use std::{
    future::Future,
    sync::OnceLock,
    time::{Instant, SystemTime},
};

use axum::{
    extract::{MatchedPath, Request},
    http::StatusCode,
};
use martech_core::{sink::Passage, store::Step};
use opentelemetry::{
    Context, ContextGuard, KeyValue,
    propagation::TextMapPropagator,
    trace::{SpanKind, Status, TraceContextExt, TraceId, Tracer},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracer};

use super::RequestId;
use crate::metrics::known_method;

/// Of this process, as its logs are. Not there where nothing is traced.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// From now on requests are traced.
pub(super) fn begin(tracer: SdkTracer) {
    // Whoever was first stays, as with the logs.
    let _ = TRACER.set(tracer);
}

/// Who asks for these asks again and again, and is told nothing of interest.
const UNTRACED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Of a path no more is told: thousands of spans may wait, and a path may be 8 KiB.
const PATH_BYTES: usize = 512;

/// The span of a request; nothing where that is not traced.
#[derive(Debug)]
pub(super) struct RequestSpan(Option<Context>);

impl RequestSpan {
    /// A request has come.
    pub(super) fn begin(request: &Request, id: &RequestId) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        if route.is_some_and(|route| UNTRACED.contains(&route)) {
            return Self(None);
        }
        let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
        // As the conventions for spans of HTTP have it.
        let method = known_method(request.method()).unwrap_or("_OTHER");
        let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let builder = tracer.span_builder(name).with_kind(SpanKind::Server);
        let context = caller.with_span(builder.start_with_context(tracer, &caller));
        // Most are not, where a sampler takes one of a hundred.
        if context.span().is_recording() {
            let path = request.uri().path();
            let path = &path[..path.floor_char_boundary(PATH_BYTES)];
            context.span().set_attributes([
                KeyValue::new("http.request.method", method),
                // Never the query: it may have a key in it.
                KeyValue::new("url.path", path.to_owned()),
                KeyValue::new("martech.request.id", id.to_string()),
            ]);
            if let Some(route) = route {
                context.span().set_attribute(KeyValue::new("http.route", route.to_owned()));
            }
        }
        Self(Some(context))
    }

    /// Of what trace it is a part, for the log.
    pub(super) fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id())
    }

    /// What happens in this thread until the guard is dropped belongs to the request.
    pub(super) fn attach(&self) -> Option<ContextGuard> {
        self.0.as_ref().map(|context| context.clone().attach())
    }

    /// It is answered so; `code` is that of the error.
    pub(super) fn answered(&self, status: StatusCode, code: Option<&str>) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if let Some(code) = code {
            span.set_attribute(KeyValue::new("martech.error.code", code.to_owned()));
        }
        // What is the client's mistake is no error of the server's.
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// What a request does one after the other, as children of its span. Does nothing where that is not recorded.
#[derive(Debug)]
pub(crate) struct Timeline(Option<Recording>);

#[derive(Debug)]
struct Recording {
    tracer: &'static SdkTracer,
    request: Context,
    /// Spans have times of the wall clock. Measured are those of the one that never jumps.
    origin: (Instant, SystemTime),
}

impl Timeline {
    /// Of the request that is being answered.
    pub(crate) fn current() -> Self {
        let record = |tracer| {
            let request = Context::current();
            let is_recorded = request.span().is_recording();
            is_recorded.then(|| Recording { tracer, request, origin: (Instant::now(), SystemTime::now()) })
        };
        Self(TRACER.get().and_then(record))
    }

    /// Nothing where nothing is recorded, so that nobody asks for the time in vain.
    pub(crate) fn now(&self) -> Option<Instant> {
        self.0.as_ref().map(|_| Instant::now())
    }

    /// A step that takes as long as the future.
    pub(crate) async fn step<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        let from = self.now();
        let result = work.await;
        if let (Some(recording), Some(from)) = (&self.0, from) {
            recording.child(&recording.request, name, SpanKind::Internal, Step { from, to: Instant::now() }, []);
        }
        result
    }

    /// The way of events that were handed to the sink.
    pub(crate) fn passage(&self, handed_over: Option<Instant>, passage: Option<Passage>) {
        let (Some(recording), Some(handed_over), Some(passage)) = (&self.0, handed_over, passage) else { return };
        let Passage { taken, settled, events, steps } = passage;
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
