//! Receives request bodies within bounds, from the socket to plain bytes.
//!
//! No client can make the server hold more memory than the limits allow:
//! - Each body has a size limit before and after decompression.
//! - All bodies share a memory budget. Bytes are charged as they arrive, not as `Content-Length` promises them.
//!   [`memory`] decides which body is displaced when memory is short.
//! - As many workers decompress and parse bodies as there are cores, but at least two.
//! - A body that stalls or arrives too slowly is rejected.

use std::{sync::Arc, time::Duration};

use axum::{
    BoxError,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    http::error::{ApiError, catalogue},
    util::worker_count,
};

mod decode;
mod media;
mod memory;
mod pieces;
mod timer;

pub(crate) use self::pieces::Pieces;
use media::{Encoding, encoding};
pub(crate) use media::{Format, essence, format};
use memory::BodyMemory;
pub(crate) use memory::{Charge, Holder};
use timer::BodyTimer;

/// The body of a request, as hyper or the router has it.
pub(crate) trait RequestBody: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send {}

impl<B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send> RequestBody for B {}

/// Limits on the size and duration of bodies.
#[derive(Debug, Clone)]
pub(crate) struct BodyLimits {
    /// Maximum size of a body with a single event, in bytes.
    pub(crate) single: usize,
    /// Maximum size of a batch, before and after decompression, in bytes.
    pub(crate) batch: usize,
    /// Memory for all bodies that are being received and processed, in bytes.
    pub(crate) in_flight: usize,
    /// Maximum time without data.
    pub(crate) idle: Duration,
    /// Maximum time for a whole body.
    pub(crate) total: Duration,
    /// Minimum bytes per second of a body that takes longer than `idle`; zero for no minimum.
    pub(crate) rate: u64,
}

/// Larger bodies are parsed on blocking threads: a millisecond on a thread that serves connections delays all of them.
const INLINE_BYTES: usize = 64 * 1024;
/// Capacity that is reserved before any data arrives, whatever `Content-Length` promises: thousands of clients may
/// promise bodies at the same time.
const FIRST_ROOM: usize = 1024;
/// Bytes that are still read of a rejected body, and for how long.
const DISCARDED: usize = 64 * 1024;
const DISCARDING: Duration = Duration::from_secs(1);

/// Receives bodies within one memory budget.
#[derive(Debug)]
pub(crate) struct Bodies {
    limits: BodyLimits,
    memory: Arc<BodyMemory>,
    workers: Arc<Semaphore>,
}

/// A body as received, possibly compressed, and the format that its `Content-Type` names.
#[derive(Debug)]
pub(crate) struct Received<F> {
    format: F,
    encoding: Encoding,
    bytes: Bytes,
    charge: Charge,
}

impl<F> Received<F> {
    /// Returns whether a worker must decompress and parse the body.
    pub(crate) fn needs_worker(&self) -> bool {
        self.encoding != Encoding::Identity || self.bytes.len() > INLINE_BYTES
    }
}

impl Bodies {
    pub(crate) fn new(limits: BodyLimits) -> Self {
        Self {
            memory: BodyMemory::new(limits.in_flight.max(limits.batch), limits.batch),
            limits,
            workers: Arc::new(Semaphore::new(worker_count())),
        }
    }

    pub(crate) fn limits(&self) -> &BodyLimits {
        &self.limits
    }

    /// Returns the memory that all bodies hold now, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.memory.held()
    }

    /// Returns the memory budget of all bodies, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.memory.size()
    }

    /// Receives the whole body of a holder, if its headers name an accepted format.
    pub(crate) async fn read<F>(
        &self,
        holder: Holder,
        headers: &HeaderMap,
        mut body: impl RequestBody,
        format: impl FnOnce(&HeaderMap) -> Result<F, ApiError>,
    ) -> Result<Received<F>, ApiError> {
        let mut timer = BodyTimer::new(&self.limits);
        let received = match format(headers) {
            Ok(format) => self.receive(holder, headers, &mut body, &mut timer, format).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &received
            && error.status != StatusCode::REQUEST_TIMEOUT
        {
            // A client that pauses may be waiting for the response.
            timer.hurry(DISCARDING);
            self.linger(headers, body, self.limits.batch, timer).await;
        }
        received
    }

    /// Rejects a body. Reads only a small part of it that arrives at once.
    pub(crate) async fn discard(&self, headers: &HeaderMap, body: impl RequestBody) {
        let timer = BodyTimer::new(&BodyLimits { total: DISCARDING, ..self.limits });
        self.linger(headers, body, DISCARDED, timer).await;
    }

    /// Rejects a body for now. The client should retry, and needs to read the response for that, so this reads more of
    /// the body than [`discard`](Self::discard).
    pub(crate) async fn turn_away(&self, headers: &HeaderMap, body: impl RequestBody) {
        let timer = BodyTimer::new(&BodyLimits { total: DISCARDING, ..self.limits });
        self.linger(headers, body, self.limits.single, timer).await;
    }

    async fn receive<F>(
        &self,
        holder: Holder,
        headers: &HeaderMap,
        body: &mut impl RequestBody,
        timer: &mut BodyTimer,
        format: F,
    ) -> Result<Received<F>, ApiError> {
        let encoding = encoding(headers)?;
        let promised = promised(headers);
        let limit = self.limits.batch;
        if promised.is_some_and(|promised| promised > limit) {
            return Err(catalogue::body_too_large("the body", limit));
        }
        let mut charge = self.memory.charge(holder);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = charge.while_held(next_chunk(body, timer)).await? {
            if bytes.len() + chunk.len() > limit {
                return Err(catalogue::body_too_large("the body", limit));
            }
            charge.add(chunk.len()).await?;
            if bytes.is_empty() && promised == Some(chunk.len()) {
                // The whole body in one piece, as most are, needs no copy.
                charge.complete();
                return Ok(Received { format, encoding, bytes: chunk, charge });
            }
            if bytes.is_empty() {
                bytes.reserve(promised.unwrap_or(0).min(FIRST_ROOM));
            }
            bytes.extend_from_slice(&chunk);
        }
        let bytes = bytes.freeze();
        charge.complete();
        Ok(Received { format, encoding, bytes, charge })
    }

    /// Decompresses a body and passes it to `parse`. A large or compressed body is processed on a blocking thread.
    pub(crate) async fn parse<F: Send + 'static, T: Send + 'static>(
        &self,
        received: Received<F>,
        parse: impl FnOnce(F, &[u8]) -> T + Send + 'static,
    ) -> Result<(T, Charge), ApiError> {
        if !received.needs_worker() {
            return Ok((parse(received.format, &received.bytes), received.charge));
        }
        let Received { format, encoding, bytes, mut charge } = received;
        let worker = self.workers.clone().acquire_owned().await.map_err(|closed| catalogue::internal(&closed))?;
        let limit = self.limits.batch;
        let work = move || {
            let _worker = worker;
            let plain = decode::decode(encoding, bytes, limit, &mut charge)?;
            Ok((parse(format, &plain), charge))
        };
        tokio::task::spawn_blocking(work).await.map_err(|panic| catalogue::internal(&panic))?
    }

    /// Reads and discards more of the body for a while: a client that is still sending when the connection closes gets
    /// a reset and never reads the response. A client that waits for `100 Continue` reads the response at once.
    async fn linger(&self, headers: &HeaderMap, mut body: impl RequestBody, most: usize, mut timer: BodyTimer) {
        let waits = headers.get(header::EXPECT).is_some_and(|value| *value == HeaderValue::from_static("100-continue"));
        let mut left = if waits { 0 } else { most };
        while left > 0 {
            match next_chunk(&mut body, &mut timer).await {
                Ok(Some(chunk)) => left = left.saturating_sub(chunk.len()),
                Ok(None) | Err(_) => break,
            }
        }
    }
}

async fn next_chunk(body: &mut impl RequestBody, timer: &mut BodyTimer) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = match timeout(timer.remaining(), body.frame()).await {
            Err(_) => return Err(timer.error()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(cut_short(&error.into())),
            Ok(Some(Ok(frame))) => frame,
        };
        // Any other frame is a trailer, which is ignored.
        if let Ok(data) = frame.into_data() {
            timer.received(data.len());
            return Ok(Some(data));
        }
    }
}

/// Returns whether the request head promises a body that needs no worker.
pub(crate) fn is_small(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_ENCODING) && promised(headers).is_some_and(|length| length <= INLINE_BYTES)
}

/// Returns the length that the request head promises, in bytes.
pub(crate) fn promised(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn cut_short(error: &BoxError) -> ApiError {
    tracing::debug!(%error, "cannot receive a body");
    catalogue::incomplete_body()
}
