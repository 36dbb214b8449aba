//! Sends a file in pieces.

use std::{
    fs::File,
    io::{self, Read},
};

use axum::body::Body;
use bytes::Bytes;
use tokio::task::spawn_blocking;

/// Size of a piece, in bytes.
const PIECE: usize = 64 * 1024;

/// Returns the rest of a file as the body of a response. A piece is read when the connection has sent the one before.
pub(super) fn body_of(file: File) -> Body {
    let pieces = futures_util::stream::try_unfold(file, |mut file| async move {
        let read = move || {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
            Ok((Bytes::from(piece), file))
        };
        let (piece, file) = spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, file)))
    });
    Body::from_stream(pieces)
}
