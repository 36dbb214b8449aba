//! Decompression with a bound on the output.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::{Charge, Encoding};
use crate::http::error::{ApiError, catalogue};

/// Maximum window of zstd over HTTP: 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;
const STEP: usize = 128 * 1024;

/// Returns the decompressed bytes, at most `limit` of them. The charge grows with the actual output, not with a claimed
/// size.
pub(super) fn decode(encoding: Encoding, bytes: Bytes, limit: usize, charge: &mut Charge) -> Result<Bytes, ApiError> {
    match encoding {
        Encoding::Identity => Ok(bytes),
        Encoding::Gzip => drain(MultiGzDecoder::new(&*bytes), limit, charge),
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::with_buffer(&*bytes).map_err(malformed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(malformed)?;
            drain(decoder, limit, charge)
        }
    }
}

fn drain(mut decoder: impl Read, limit: usize, charge: &mut Charge) -> Result<Bytes, ApiError> {
    let mut plain = Vec::new();
    loop {
        let before = plain.len();
        decoder.by_ref().take(STEP as u64).read_to_end(&mut plain).map_err(malformed)?;
        if plain.len() > limit {
            return Err(catalogue::body_too_large("the unpacked body", limit));
        }
        charge.add_blocking(plain.len() - before)?;
        if plain.len() - before < STEP {
            return Ok(plain.into());
        }
    }
}

fn malformed(error: io::Error) -> ApiError {
    catalogue::malformed_encoding(&error)
}
