//! Request bodies, from socket to plain bytes, within bounds.
//!
//! Nothing a client sends makes this server hold more than it may: each body has a limit before and after
//! decompression, all bodies together share a budget of bytes that is charged as bytes arrive (not as they are
//! promised; [`room`] says who goes where it is short), only as many bodies are unpacked and parsed at once as there are
//! cores, and a body that stalls or trickles is given up.

use std::{sync::Arc, thread, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::{sync::Semaphore, time::timeout};

use crate::error::ApiError;

mod decode;
mod given;
mod media;
mod pace;
mod room;

pub(crate) use given::given;
use media::{Encoding, encoding};
pub(crate) use media::{Format, essence, format};
use pace::Pace;
use room::Room;
pub(crate) use room::{Charge, Holder};

/// How large bodies may be and how long they may take.
#[derive(Debug, Clone)]
pub(crate) struct BodyLimits {
    /// Bytes of one event that comes alone.
    pub(crate) single: usize,
    /// Bytes of a batch, before and after decompression.
    pub(crate) batch: usize,
    /// Bytes of all bodies that are being received and worked on.
    pub(crate) in_flight: usize,
    /// How long nothing may arrive.
    pub(crate) idle: Duration,
    /// How long a whole body may take.
    pub(crate) total: Duration,
    /// Bytes per second that must arrive of a body that has taken longer than `idle`; zero for any.
    pub(crate) rate: u64,
}

/// Above this a body is parsed away from the threads that serve connections: a millisecond there delays them all.
const INLINE_BYTES: usize = 64 * 1024;
/// Room that is made before anything has arrived, whatever `Content-Length` promises: thousands may promise at once.
const FIRST_ROOM: usize = 1024;
/// What is still read of a body that nobody wants, and for how long.
const DISCARDED: usize = 64 * 1024;
const DISCARDING: Duration = Duration::from_secs(1);

/// Receives bodies, all within one budget.
#[derive(Debug)]
pub(crate) struct Bodies {
    limits: BodyLimits,
    room: Arc<Room>,
    workers: Arc<Semaphore>,
}

/// A body as it came, perhaps compressed, and what its `Content-Type` says that it is.
#[derive(Debug)]
pub(crate) struct Received<F> {
    format: F,
    encoding: Encoding,
    bytes: Vec<u8>,
    charge: Charge,
}

impl<F> Received<F> {
    /// Whether a worker has to unpack and parse it.
    pub(crate) fn needs_worker(&self) -> bool {
        self.encoding != Encoding::Identity || self.bytes.len() > INLINE_BYTES
    }
}

impl Bodies {
    pub(crate) fn new(limits: BodyLimits) -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from).max(2);
        Self {
            room: Room::new(limits.in_flight.max(limits.batch), limits.batch),
            limits,
            workers: Arc::new(Semaphore::new(cores)),
        }
    }

    pub(crate) fn limits(&self) -> &BodyLimits {
        &self.limits
    }

    /// What all bodies hold now, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.room.held()
    }

    /// What all bodies may hold, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.room.size()
    }

    /// Receives the body of a holder whole, if its headers say that it has a format that is taken.
    pub(crate) async fn read<F>(
        &self,
        holder: Holder,
        headers: &HeaderMap,
        mut body: Body,
        format: impl FnOnce(&HeaderMap) -> Result<F, ApiError>,
    ) -> Result<Received<F>, ApiError> {
        let mut pace = Pace::new(&self.limits);
        let received = match format(headers) {
            Ok(format) => self.receive(holder, headers, &mut body, &mut pace, format).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &received
            && error.status != StatusCode::REQUEST_TIMEOUT
        {
            // Who pauses waits for the answer, perhaps.
            pace.hurry(DISCARDING);
            self.linger(headers, body, self.limits.batch, pace).await;
        }
        received
    }

    /// Does not want a body: reads no more of it than is small and comes at once.
    pub(crate) async fn discard(&self, headers: &HeaderMap, body: Body) {
        let pace = Pace::new(&BodyLimits { total: DISCARDING, ..self.limits });
        self.linger(headers, body, DISCARDED, pace).await;
    }

    /// Cannot take a body now. Whoever sends it is to come again, and so should get to read that: more of it is read.
    pub(crate) async fn turn_away(&self, headers: &HeaderMap, body: Body) {
        let pace = Pace::new(&BodyLimits { total: DISCARDING, ..self.limits });
        self.linger(headers, body, self.limits.single, pace).await;
    }

    async fn receive<F>(
        &self,
        holder: Holder,
        headers: &HeaderMap,
        body: &mut Body,
        pace: &mut Pace,
        format: F,
    ) -> Result<Received<F>, ApiError> {
        let encoding = encoding(headers)?;
        let promised = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let limit = self.limits.batch;
        if promised.is_some_and(|promised: usize| promised > limit) {
            return Err(too_large("the body", limit));
        }
        let mut charge = self.room.charge(holder);
        let mut bytes = Vec::with_capacity(promised.unwrap_or(0).min(FIRST_ROOM));
        while let Some(chunk) = charge.while_held(next_chunk(body, pace)).await? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large("the body", limit));
            }
            charge.add(chunk.len()).await?;
            bytes.extend_from_slice(&chunk);
        }
        charge.complete();
        Ok(Received { format, encoding, bytes, charge })
    }

    /// Unpacks a body and hands it to `parse`, on a thread where the work delays nobody.
    pub(crate) async fn parse<F: Send + 'static, T: Send + 'static>(
        &self,
        received: Received<F>,
        parse: impl FnOnce(F, &[u8]) -> T + Send + 'static,
    ) -> Result<(T, Charge), ApiError> {
        if !received.needs_worker() {
            return Ok((parse(received.format, &received.bytes), received.charge));
        }
        let Received { format, encoding, bytes, mut charge } = received;
        let worker = self.workers.clone().acquire_owned().await.map_err(|closed| ApiError::internal(&closed))?;
        let limit = self.limits.batch;
        let work = move || {
            let _worker = worker;
            let plain = decode::decode(encoding, bytes, limit, &mut charge)?;
            Ok((parse(format, &plain), charge))
        };
        tokio::task::spawn_blocking(work).await.map_err(|panic| ApiError::internal(&panic))?
    }

    /// Reads on for a while and throws it away: a client that is still sending when the connection closes
    /// sees a reset and never reads why. One that waits for `100 Continue` reads the answer at once.
    async fn linger(&self, headers: &HeaderMap, mut body: Body, most: usize, mut pace: Pace) {
        let waits = headers.get(header::EXPECT).is_some_and(|value| *value == HeaderValue::from_static("100-continue"));
        let mut patience = if waits { 0 } else { most };
        while patience > 0 {
            match next_chunk(&mut body, &mut pace).await {
                Ok(Some(chunk)) => patience = patience.saturating_sub(chunk.len()),
                Ok(None) | Err(_) => break,
            }
        }
    }
}

async fn next_chunk(body: &mut Body, pace: &mut Pace) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = match timeout(pace.patience(), body.frame()).await {
            Err(_) => return Err(pace.error()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(cut_short(&error)),
            Ok(Some(Ok(frame))) => frame,
        };
        // Anything else is a trailer, which says nothing here.
        if let Ok(data) = frame.into_data() {
            pace.received(data.len());
            return Ok(Some(data));
        }
    }
}

/// Whether the head of a request promises a body that needs no worker.
pub(crate) fn is_small(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    !headers.contains_key(header::CONTENT_ENCODING) && length.is_some_and(|length: usize| length <= INLINE_BYTES)
}

/// 413, naming the limit.
pub(crate) fn too_large(what: &str, limit: usize) -> ApiError {
    let message = format!("{what} is larger than {limit} bytes; send less at once");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).limit(limit)
}

fn cut_short(error: &dyn std::error::Error) -> ApiError {
    tracing::debug!(%error, "a body could not be received");
    ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", "the body ended early or was framed wrongly")
}
