//! The body of a request. Over HTTP/2, a body that the handler drops is read to its end.
//!
//! hyper resets the stream of a body that is dropped before its end. The response is complete by then, but some clients,
//! such as curl 7, then report the reset in place of the response. Reading the rest of a short body avoids the reset.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{runtime::Handle, time::timeout};

/// Maximum number of bytes that are read of a dropped body.
const MAX_REST: usize = 64 << 10;
/// Maximum time for reading the rest of a dropped body.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    /// `None` while it is dropped.
    body: Option<Incoming>,
    is_http2: bool,
}

impl ReceivedBody {
    pub(super) fn new(body: Incoming, is_http2: bool) -> Self {
        Self { body: Some(body), is_http2 }
    }
}

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Incoming::size_hint).unwrap_or_default()
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        if !self.is_http2 || self.is_end_stream() {
            return;
        }
        // Without a runtime, the connection has ended.
        if let (Some(body), Ok(runtime)) = (self.body.take(), Handle::try_current()) {
            runtime.spawn(timeout(TIMEOUT, read_to_end(body)));
        }
    }
}

async fn read_to_end(mut body: Incoming) {
    let mut read = 0;
    while read <= MAX_REST
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}
