//! What hyper answers by itself, before any route is asked: in the shape that all errors have.
//!
//! To a head that it cannot read hyper answers with a status and nothing else, and closes. Such an answer is known by
//! what it lacks (every other one names its request) and is replaced on its way out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use memchr::memmem;
use tokio::io::AsyncWrite;
use uuid::Uuid;

use super::{MAX_HEAD, MAX_HEADERS, pulse::Pulse};

/// An answer that goes out in place of one of hyper's.
#[derive(Debug)]
pub(super) struct Refusal {
    bytes: Vec<u8>,
    written: usize,
    /// The length of what hyper believes to have written.
    instead_of: usize,
}

impl Refusal {
    /// A better answer, where hyper's own begins here.
    pub(super) fn instead_of(first: &[u8], pulse: &Pulse) -> Option<Self> {
        let rest = first.strip_prefix(b"HTTP/1.1 4")?;
        if !rest.ends_with(b"\r\n\r\n") || memmem::find(rest, b"x-request-id").is_some() {
            return None;
        }
        let (status, code, message) = match rest.get(..2)? {
            b"31" => {
                let message = format!(
                    "the head of the request is larger than {MAX_HEAD} bytes, or has more than {MAX_HEADERS} headers, or \
                     promises a body beyond all bounds; send less"
                );
                ("431 Request Header Fields Too Large", "head_too_large", message)
            }
            b"14" => ("414 URI Too Long", "uri_too_long", "the URI is too long; send less in it".to_owned()),
            _ => {
                let message = "this is not a request of HTTP/1.1 that can be read";
                ("400 Bad Request", "malformed_request", message.to_owned())
            }
        };
        pulse.refuse(code);
        let bytes = answer(status, code, &message);
        Some(Self { bytes, written: 0, instead_of: first.len() })
    }

    /// Writes it whole; then tells the length of what it stands for.
    pub(super) fn poll_write(
        &mut self,
        mut to: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(to.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Poll::Ready(Ok(self.instead_of))
    }
}

/// For a client that takes too long with the head of a request.
pub(super) fn late_head(pulse: &Pulse) -> Vec<u8> {
    const CODE: &str = "head_timeout";
    pulse.refuse(CODE);
    let message = "the head of the request did not arrive in time; send it again";
    answer("408 Request Timeout", CODE, message)
}

pub(super) const TOO_MANY_CONNECTIONS: &str = "too_many_connections";

/// For a client that has as many connections as it may.
pub(super) fn too_many_connections(most: u32) -> Vec<u8> {
    let message = format!("this address has {most} connections, which is all that it may; use them for more requests");
    answer("429 Too Many Requests", TOO_MANY_CONNECTIONS, &message)
}

/// A whole answer, the last of its connection.
fn answer(status: &str, code: &str, message: &str) -> Vec<u8> {
    let id = Uuid::now_v7().simple();
    let body = serde_json::json!({ "code": code, "message": message, "requestId": id.to_string() }).to_string();
    let retry = if status.starts_with("429") { "retry-after: 1\r\n" } else { "" };
    tracing::debug!(%id, code, "refused before it was a request");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\nx-request-id: {id}\r\n\
         {retry}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hyper_says_by_itself_is_replaced() {
        let own = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let pulse = Pulse::new();
        let refusal = Refusal::instead_of(own, &pulse).unwrap();
        assert_eq!(pulse.refused(), Some("head_too_large"));
        assert_eq!(refusal.instead_of, own.len());
        assert!(refusal.bytes.starts_with(b"HTTP/1.1 431 ") && refusal.bytes.ends_with(b"}"));
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\nx-request-id: r\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 4",
            b"",
        ] {
            assert!(Refusal::instead_of(other, &pulse).is_none(), "{}", String::from_utf8_lossy(other));
        }
    }
}
