//! Receives an uploaded file piece by piece, without holding it in memory.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;

use super::{Bodies, BodyLimits, BodyTimer, DISCARDING, RequestBody, encoding, next_chunk, promised};
use crate::{
    http::error::{ApiError, catalogue},
    uploads::MAX_BYTES,
};

/// Maximum time for a whole file. The idle timeout and the minimum rate are those of other bodies.
const TOTAL: Duration = Duration::from_secs(6 * 3600);

/// A body that is received piece by piece. The client waits while no piece is asked for.
pub(crate) struct Pieces<'a, B> {
    bodies: &'a Bodies,
    headers: &'a HeaderMap,
    body: B,
    timer: BodyTimer,
}

impl Bodies {
    /// Returns the pieces of a body. A piece is what the connection has read at once.
    pub(crate) fn pieces<'a, B: RequestBody>(&'a self, headers: &'a HeaderMap, body: B) -> Pieces<'a, B> {
        let timer = BodyTimer::new(&BodyLimits { total: TOTAL, ..self.limits });
        Pieces { bodies: self, headers, body, timer }
    }
}

impl<B: RequestBody> Pieces<'_, B> {
    /// Checks the head of the request.
    ///
    /// # Errors
    ///
    /// Fails if the body is too large, or if its encoding is neither gzip nor zstd, which the importer detects itself.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        encoding(self.headers)?;
        match promised(self.headers) {
            Some(promised) if promised as u64 > MAX_BYTES => Err(catalogue::file_too_large()),
            _ => Ok(()),
        }
    }

    /// Returns the next piece, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Fails if the body ends early, stalls, or is too slow.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        next_chunk(&mut self.body, &mut self.timer).await
    }

    /// Gives up the body because of an error. Reads a little more of it, so that the client reads the response.
    pub(crate) async fn give_up(self, error: &ApiError) {
        let Self { bodies, headers, body, .. } = self;
        // A client that pauses may be waiting for the response.
        if error.status != StatusCode::REQUEST_TIMEOUT {
            let timer = BodyTimer::new(&BodyLimits { total: DISCARDING, ..bodies.limits });
            bodies.linger(headers, body, bodies.limits.batch, timer).await;
        }
    }
}
