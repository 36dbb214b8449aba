//! Answers on their way to clients: how much memory all of them hold, and which one is given up when that is too much.
//!
//! An answer lies in memory until its client has read it. Clients may read slowly, or not at all, and there may be many. So
//! each answer of more than [`FREE`] bytes is charged to one budget until hyper has taken its last piece. Where there is no room
//! for a further answer, the one that has got on least recently is given up: a client that reads is not kept waiting by one that
//! does not. HTTP/1 then closes the connection, HTTP/2 resets the stream.
//!
//! hyper gets answers in pieces, so that the server sees whether a client reads on. The last piece is small: over HTTP/2 it is what
//! stays in memory when hyper is done with an answer and the client is not.

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

/// Most bytes of all answers together.
pub(super) const CAPACITY: usize = 64 << 20;
/// Answers up to this many bytes are not charged: most of them are sent with the next write.
const FREE: usize = 1 << 10;
/// Most bytes that hyper is given at once.
const PIECE: usize = 16 << 10;

/// Marks a response whose bytes are in memory anyway, as those of files in the binary are. It is not charged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InMemoryAnyway;

/// The budget of all answers.
#[derive(Debug)]
pub(super) struct Owed {
    capacity: usize,
    state: Mutex<State>,
    bytes: IntGauge,
    given_up: IntCounter,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    next: u64,
    /// By when they last got on.
    answers: BTreeMap<Age, (usize, Writer)>,
}

/// When an answer last got on, and its number.
type Age = (Instant, u64);

/// What writes an answer out, and can be made to give it up.
#[derive(Debug, Clone)]
pub(super) enum Writer {
    /// HTTP/1: one answer at a time.
    Connection(Arc<ConnectionState>),
    /// HTTP/2.
    Stream(Arc<Stream>),
}

impl Writer {
    fn give_up(&self) {
        match self {
            Self::Connection(connection) => connection.close(),
            Self::Stream(stream) => stream.give_up(),
        }
    }
}

impl Owed {
    pub(super) fn new(capacity: usize, bytes: IntGauge, given_up: IntCounter) -> Arc<Self> {
        Arc::new(Self { capacity, state: Mutex::default(), bytes, given_up })
    }

    /// Charges an answer, and makes room for it where there is none.
    fn charge(self: &Arc<Self>, bytes: usize, writer: &Writer) -> Debt {
        let mut state = self.state();
        while state.held > 0 && state.held + bytes > self.capacity {
            let Some((_, (freed, writer))) = state.answers.pop_first() else { break };
            state.held -= freed;
            writer.give_up();
            self.given_up.inc();
        }
        let age = (Instant::now(), state.next);
        state.next += 1;
        state.held += bytes;
        state.answers.insert(age, (bytes, writer.clone()));
        self.tell(&state);
        Debt { owed: self.clone(), age }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &State) {
        self.bytes.set(i64::try_from(state.held).unwrap_or(i64::MAX));
    }
}

/// What one answer holds of the budget, until it is dropped.
#[derive(Debug)]
struct Debt {
    owed: Arc<Owed>,
    age: Age,
}

impl Debt {
    /// The client has read on.
    fn got_on(&mut self) {
        let mut state = self.owed.state();
        // Not there any more when it was given up.
        if let Some(answer) = state.answers.remove(&self.age) {
            self.age.0 = Instant::now();
            state.answers.insert(self.age, answer);
        }
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        let mut state = self.owed.state();
        if let Some((bytes, _)) = state.answers.remove(&self.age) {
            state.held -= bytes;
            self.owed.tell(&state);
        }
    }
}

/// The body of an answer. Its connection owes it until hyper has taken all of it.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    /// What the body has given and hyper has not taken.
    rest: Bytes,
    debt: Option<Debt>,
    stream: Option<Arc<Stream>>,
    _in_flight: InFlight,
}

impl Answer {
    /// The body of a response that its connection, or the current [`Stream`], writes out.
    pub(super) fn of(
        response: Response<Body>,
        owed: &Arc<Owed>,
        connection: &Arc<ConnectionState>,
        in_flight: InFlight,
    ) -> Response<Self> {
        let stream = Stream::current();
        let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
        let is_free = bytes <= FREE || response.extensions().get::<InMemoryAnyway>().is_some();
        let debt = (!is_free).then(|| {
            let writer = stream.clone().map_or_else(|| Writer::Connection(connection.clone()), Writer::Stream);
            owed.charge(bytes, &writer)
        });
        if let Some(stream) = &stream {
            stream.begin();
        }
        response.map(|body| Self { body, rest: Bytes::new(), debt, stream, _in_flight: in_flight })
    }

    fn next_piece(&mut self) -> Bytes {
        let len = match self.rest.len() {
            len if len <= FREE => len,
            len => PIECE.min(len - FREE),
        };
        if let Some(debt) = &mut self.debt {
            debt.got_on();
        }
        if let Some(stream) = &self.stream {
            stream.got_on(len);
        }
        self.rest.split_to(len)
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
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
