//! Bounds the memory of responses that clients have not read yet.
//!
//! A response stays in memory until its client has read it. Many clients may read slowly, or not at all. Each response
//! of more than [`FREE`] bytes is therefore charged to a shared budget until hyper has taken its last piece. When the
//! budget has no room for another response, the server drops the response whose last progress is oldest. A client that
//! reads therefore does not wait for one that does not. HTTP/1 then closes the connection, and HTTP/2 resets the
//! stream.
//!
//! hyper gets responses in pieces, which shows the server whether the client keeps reading. The last piece is small:
//! over HTTP/2, it stays in memory after hyper is done with the response and before the client has read it.
//!
//! A response whose length is not known is not charged: hyper takes its pieces one by one. A stream of events bounds what
//! waits, and a download reads a piece of its file when hyper has taken the one before.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{body::Body, http::Response};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use prometheus::{IntCounter, IntGauge};
use tokio::time::Instant;

use super::{
    state::{ConnectionState, InFlight},
    stream::Stream,
};

/// Capacity for all responses together, in bytes.
pub(super) const CAPACITY: usize = 64 << 20;
/// Responses of up to this many bytes are not charged: most of them are sent with the next write.
const FREE: usize = 1 << 10;
/// Maximum number of bytes given to hyper at once.
const PIECE: usize = 16 << 10;

/// Marks a response whose bytes are in memory in any case, such as a file in the binary. Such a response is not
/// charged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InMemoryAnyway;

/// Budget of all responses.
#[derive(Debug)]
pub(super) struct ResponseMemory {
    capacity: usize,
    state: Mutex<Responses>,
    bytes: IntGauge,
    given_up: IntCounter,
}

#[derive(Debug, Default)]
struct Responses {
    held: usize,
    next: u64,
    /// Sorted by last progress, oldest first.
    answers: BTreeMap<Age, (usize, Writer)>,
}

/// Time of the last progress of a response, and its number.
type Age = (Instant, u64);

/// The connection or stream that writes a response and can drop it.
#[derive(Debug, Clone)]
pub(super) enum Writer {
    /// HTTP/1: one response at a time.
    Connection(Arc<ConnectionState>),
    /// HTTP/2.
    Stream(Arc<Stream>),
}

impl Writer {
    fn abandon(&self) {
        match self {
            Self::Connection(connection) => connection.close(),
            Self::Stream(stream) => stream.abandon(),
        }
    }
}

impl ResponseMemory {
    pub(super) fn new(capacity: usize, bytes: IntGauge, given_up: IntCounter) -> Arc<Self> {
        Arc::new(Self { capacity, state: Mutex::default(), bytes, given_up })
    }

    /// Charges a response to the budget. If there is no room, drops the responses whose last progress is oldest.
    fn charge(self: &Arc<Self>, bytes: usize, writer: &Writer) -> Charge {
        let mut state = self.state();
        while state.held > 0 && state.held + bytes > self.capacity {
            let Some((_, (freed, writer))) = state.answers.pop_first() else { break };
            state.held -= freed;
            writer.abandon();
            self.given_up.inc();
        }
        let age = (Instant::now(), state.next);
        state.next += 1;
        state.held += bytes;
        state.answers.insert(age, (bytes, writer.clone()));
        self.tell(&state);
        Charge { memory: self.clone(), age }
    }

    fn state(&self) -> MutexGuard<'_, Responses> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &Responses) {
        self.bytes.set(i64::try_from(state.held).unwrap_or(i64::MAX));
    }
}

/// Share of the budget that one response holds until it is dropped.
#[derive(Debug)]
struct Charge {
    memory: Arc<ResponseMemory>,
    age: Age,
}

impl Charge {
    /// Records that the client has read more.
    fn progressed(&mut self) {
        let mut state = self.memory.state();
        // A response that was given up is no longer in the map.
        if let Some(answer) = state.answers.remove(&self.age) {
            self.age.0 = Instant::now();
            state.answers.insert(self.age, answer);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        if let Some((bytes, _)) = state.answers.remove(&self.age) {
            state.held -= bytes;
            self.memory.tell(&state);
        }
    }
}

/// Body of a response, charged until hyper has taken all of it.
#[derive(Debug)]
pub(super) struct ChargedBody {
    body: Body,
    /// Bytes that the body has produced and hyper has not taken.
    rest: Bytes,
    charge: Option<Charge>,
    stream: Option<Arc<Stream>>,
    _in_flight: InFlight,
}

impl ChargedBody {
    /// Charges a response that its connection, or the current [`Stream`], writes, and wraps its body.
    pub(super) fn of(
        response: Response<Body>,
        memory: &Arc<ResponseMemory>,
        connection: &Arc<ConnectionState>,
        in_flight: InFlight,
    ) -> Response<Self> {
        let stream = Stream::current();
        let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
        let is_free = bytes <= FREE || response.extensions().get::<InMemoryAnyway>().is_some();
        let charge = (!is_free).then(|| {
            let writer = stream.clone().map_or_else(|| Writer::Connection(connection.clone()), Writer::Stream);
            memory.charge(bytes, &writer)
        });
        if let Some(stream) = &stream {
            stream.begin();
        }
        response.map(|body| Self { body, rest: Bytes::new(), charge, stream, _in_flight: in_flight })
    }

    fn next_piece(&mut self) -> Bytes {
        let len = match self.rest.len() {
            len if len <= FREE => len,
            len => PIECE.min(len - FREE),
        };
        if let Some(charge) = &mut self.charge {
            charge.progressed();
        }
        if let Some(stream) = &self.stream {
            stream.progressed(len);
        }
        self.rest.split_to(len)
    }
}

impl hyper::body::Body for ChargedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            if polled.is_pending()
                && let Some(stream) = &self.stream
            {
                stream.idle();
            }
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut all = SizeHint::new();
        if let Some(upper) = hint.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all.set_lower(hint.lower().saturating_add(rest));
        all
    }
}

#[cfg(test)]
mod tests;
