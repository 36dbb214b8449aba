//! Request bodies. For any split into chunks and any compression, the plain bytes equal those of the reference
//! decompressors and never exceed the limit, and the memory budget that was charged is returned.

use std::io::{Read, Write};

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use martech_server::testing::{PlainBody, plain_body};

const LIMIT: usize = 64 * 1024;
/// Largest window that an HTTP sender may request.
const WINDOW_LOG: u32 = 23;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

pub fn run(data: &[u8]) {
    let _ = with(&mut Unstructured::new(data));
}

fn with(u: &mut Unstructured<'_>) -> Result<()> {
    let packing = *u.choose(&[Packing::Gzip, Packing::Zstd, Packing::None])?;
    let piece = u.int_in_range(1..=5000)?;
    let mut packed = if u.arbitrary()? { u.bytes(u.len())?.to_vec() } else { members(packing, u)? };
    if u.ratio(1, 4)? {
        let at = u.choose_index(packed.len().max(1))?;
        if u.arbitrary()? {
            packed.truncate(at);
        } else if let Some(byte) = packed.get_mut(at) {
            *byte ^= u.arbitrary::<u8>()?;
        }
    }

    let name = match packing {
        Packing::None => "identity",
        Packing::Gzip => "gzip",
        Packing::Zstd => "zstd",
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    let pieces = packed.chunks(piece).map(Bytes::copy_from_slice).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let PlainBody { plain, held } = runtime.block_on(plain_body(&headers, pieces, LIMIT));

    assert_eq!(held[1], 0, "the whole charge is given back");
    match (plain, unpack(packing, &packed)) {
        (Ok(plain), Ok(expected)) => {
            assert!(plain == expected, "{} bytes came out, not these {}", plain.len(), expected.len());
            assert!(plain.len() <= LIMIT);
            let packed = if packing == Packing::None { 0 } else { packed.len() };
            assert_eq!(held[0], plain.len() + packed, "what is held is what was charged");
        }
        (Err(StatusCode::PAYLOAD_TOO_LARGE), expected) => {
            assert!(packed.len() > LIMIT || expected.map_or_else(|so_far| so_far, |plain| plain.len()) > LIMIT);
        }
        (Err(status), expected) => {
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(expected.is_err(), "it can be unpacked and was refused");
        }
        (Ok(_), Err(_)) => panic!("it cannot be unpacked and was taken"),
    }
    Ok(())
}

/// Builds a few members (frames), each from a text that may be repeated many times.
fn members(packing: Packing, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let length = u.int_in_range(0..=u.len().min(300))?;
        let text = u.bytes(length)?;
        let plain = text.repeat(u.int_in_range(0..=400)?);
        match packing {
            Packing::None => packed.extend_from_slice(&plain),
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(&mut packed, Compression::fast());
                encoder.write_all(&plain).and_then(|()| encoder.finish().map(drop)).expect("a vector takes it");
            }
            Packing::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(&mut packed, 1).expect("1 is a level");
                encoder.include_checksum(u.arbitrary()?).expect("it is a known parameter");
                encoder.write_all(&plain).and_then(|()| encoder.finish().map(drop)).expect("a vector takes it");
            }
        }
    }
    Ok(packed)
}

/// Decompresses with the reference decoder, up to twice the limit. On failure returns the number of bytes before it.
fn unpack(packing: Packing, packed: &[u8]) -> Result<Vec<u8>, usize> {
    let mut plain = Vec::new();
    let mut drain = |reader: &mut dyn Read| reader.take(2 * LIMIT as u64).read_to_end(&mut plain).is_ok();
    let sound = match packing {
        Packing::None => drain(&mut &*packed),
        Packing::Gzip => drain(&mut MultiGzDecoder::new(packed)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(packed).expect("a decoder");
            decoder.window_log_max(WINDOW_LOG).expect("it is a known parameter");
            drain(&mut decoder)
        }
    };
    if sound { Ok(plain) } else { Err(plain.len()) }
}
