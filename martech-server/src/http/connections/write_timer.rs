//! Closes connections whose client reads a response too slowly, or not at all.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::state::ConnectionState;

/// Limits on how slowly a client may read a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteLimits {
    /// Maximum time without progress.
    pub(crate) stall: Duration,
    /// Minimum bytes per second once the client delays the server for longer than `stall`; zero for no minimum.
    pub(crate) rate: u64,
}

impl WriteLimits {
    /// Returns the time after which the client is too slow: `stall` after `last`, when it last took bytes, or `stall`
    /// plus `written / rate` seconds after `since`, when the server first waited, whichever is earlier. `written`
    /// counts the bytes that the client took since `since`.
    pub(super) fn deadline(self, since: Instant, last: Instant, written: u64) -> Instant {
        let stalled = last + self.stall;
        match written.checked_div(self.rate) {
            // Capped at a century, which is practically never and does not overflow the sum.
            Some(earned) => stalled.min(since + self.stall + Duration::from_secs(earned.min(100 * 366 * 86_400))),
            None => stalled,
        }
    }
}

/// Bounds the time that writes may wait. The timer wraps the socket directly, below TLS, where it sees all progress.
#[derive(Debug)]
pub(super) struct WriteTimer<S> {
    inner: S,
    connection: Arc<ConnectionState>,
    limits: WriteLimits,
    waiting: Option<Waiting>,
}

/// State of writes that wait for the client.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    progress: Instant,
    written: u64,
    sleep: Pin<Box<Sleep>>,
}

impl<S> WriteTimer<S> {
    pub(super) fn new(inner: S, connection: Arc<ConnectionState>, limits: WriteLimits) -> Self {
        Self { inner, connection, limits, waiting: None }
    }

    /// Waits for the client. Fails with `TimedOut` if the client takes too long.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let limits = self.limits;
        let waiting = self.waiting.get_or_insert_with(|| {
            self.connection.set_blocked(true);
            let now = Instant::now();
            Waiting { since: now, progress: now, written: 0, sleep: Box::pin(sleep_until(now + limits.stall)) }
        });
        loop {
            ready!(waiting.sleep.as_mut().poll(cx));
            let deadline = limits.deadline(waiting.since, waiting.progress, waiting.written);
            if deadline <= Instant::now() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not read its answer",
                )));
            }
            waiting.sleep.as_mut().reset(deadline);
        }
    }

    fn wrote(&mut self, bytes: usize) {
        if let Some(waiting) = &mut self.waiting {
            waiting.progress = Instant::now();
            waiting.written += bytes as u64;
        }
    }

    fn caught_up(&mut self) {
        if self.waiting.take().is_some() {
            self.connection.set_blocked(false);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimer<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimer<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.settle(polled, buf.len(), cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.settle(polled, bufs.iter().map(|buf| buf.len()).sum(), cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncWrite + Unpin> WriteTimer<S> {
    /// Records the result of a write. A write that takes all its bytes shows that the client keeps up. Flushes are not
    /// timed, because a socket has nothing to flush.
    fn settle(
        &mut self,
        polled: Poll<io::Result<usize>>,
        wanted: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => self.wait(cx),
            Poll::Ready(Ok(written)) => {
                if written == wanted {
                    self.caught_up();
                } else {
                    self.wrote(written);
                }
                Poll::Ready(Ok(written))
            }
            failed => failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMITS: WriteLimits = WriteLimits { stall: Duration::from_secs(30), rate: 1024 };

    #[tokio::test(start_paused = true)]
    async fn closes_a_connection_whose_client_stops_reading() {
        let (server, _client) = duplex(1024);
        let started = Instant::now();
        let mut server = WriteTimer::new(server, ConnectionState::new(), LIMITS);
        let error = server.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    /// Reads `rate` bytes per second, and returns whether the server could write everything.
    async fn read_at(rate: usize, seconds: u64) -> bool {
        let (server, mut client) = duplex(64);
        let mut server = WriteTimer::new(server, ConnectionState::new(), LIMITS);
        let write =
            tokio::spawn(async move { server.write_all(&vec![0; rate * usize::try_from(seconds).unwrap()]).await });
        let mut second = vec![0; rate];
        while client.read_exact(&mut second).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        write.await.unwrap().is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn closes_a_connection_whose_client_reads_too_slowly() {
        assert!(read_at(1100, 600).await);
        assert!(!read_at(500, 600).await);
    }
}
