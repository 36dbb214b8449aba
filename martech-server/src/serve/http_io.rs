//! What hyper reads and writes: its timers for heads and idleness, and words for the answers that hyper gives by itself.
//!
//! hyper has one timer, for heads, and starts it when the answer before was written: as short as heads need it, it would
//! close connections that are kept for the next request. So it is left off, and the times are kept here: a head may
//! take [`ReadLimits::head`] from its first byte on (the first head of a connection: from its opening), and between
//! requests there may be [`ReadLimits::idle`].
//!
//! hyper keeps two buffers of 8 KiB for each connection. So when an HTTP/1 connection has been idle for [`PARK`], hyper is told
//! that it has ended, and lets go of it; whoever gave it to hyper waits for the next head (`head`).

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    head::Head,
    pulse::Pulse,
    refusal::{self, Refusal},
};

/// How long a client may keep the server waiting for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadLimits {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// Bytes a second that an answer must get on by, where the protocol keeps it from the socket (HTTP/2); zero for any.
    pub(super) rate: u64,
}

/// Behind an answer hyper stays for so long, for clients that go on at once.
const PARK: Duration = Duration::from_secs(2);
/// After a refusal, what the client is still sending is thrown away for a while: it would see a reset otherwise, and
/// never read why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    /// What comes may be of other things than heads.
    Http2,
}

/// What becomes of a connection on which nothing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    On,
    Parked,
    Over,
}

/// A connection as hyper sees it.
#[derive(Debug)]
pub(super) struct HttpIo<S> {
    inner: S,
    pulse: Arc<Pulse>,
    limits: ReadLimits,
    protocol: Protocol,
    opened: Instant,
    /// How many requests had come when the first byte of a head did, and when that was.
    head: Option<(u64, Instant)>,
    /// Bytes written since the last request: an answer in HTTP/2 may be on its way for long after it was handed over.
    written: (u64, u64),
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Behind how many requests hyper was made to ask for more.
    woken: u64,
    /// What was read before hyper was given the connection.
    before: Vec<u8>,
    refusal: Option<Refusal>,
    linger: Option<usize>,
}

impl<S> HttpIo<S> {
    pub(super) fn new(
        inner: S,
        protocol: Protocol,
        begun: Option<Head>,
        pulse: Arc<Pulse>,
        limits: ReadLimits,
    ) -> Self {
        let opened = Instant::now();
        let head = begun.as_ref().map(|head| (pulse.begun(), head.since));
        Self {
            inner,
            pulse,
            limits,
            protocol,
            opened,
            head,
            written: (0, 0),
            alarm: None,
            woken: 0,
            before: begun.map_or_else(Vec::new, |head| head.bytes),
            refusal: None,
            linger: None,
        }
    }

    /// Bytes have come: of a head, where no answer is owed.
    fn heard(&mut self) {
        let begun = self.pulse.begun();
        if self.protocol == Protocol::Http1
            && self.pulse.waits_since().is_some()
            && self.head.is_none_or(|(of, _)| of != begun)
        {
            self.head = Some((begun, Instant::now()));
        }
    }

    fn head_begun(&self) -> Option<Instant> {
        self.head.filter(|(of, _)| *of == self.pulse.begun()).map(|(_, at)| at)
    }

    /// When the client has kept the server waiting for too long; `None` while an answer is owed.
    fn deadline(&self) -> Option<Instant> {
        let since = self.pulse.waits_since()?;
        let begun = self.pulse.begun();
        Some(match self.head_begun() {
            Some(at) => at + self.limits.head,
            None if begun == 0 => self.opened + self.limits.head,
            None => {
                let written = if self.written.0 == begun { self.written.1 } else { 0 };
                let earned = written.checked_div(self.limits.rate).unwrap_or(0);
                since + self.limits.idle + Duration::from_secs(earned)
            }
        })
    }

    /// When hyper should let go of an idle connection.
    fn park_at(&self) -> Option<Instant> {
        let may = self.protocol == Protocol::Http1 && self.pulse.begun() > 0 && self.head_begun().is_none();
        self.pulse.waits_since().filter(|_| may).map(|since| since + PARK)
    }

    /// Nothing has come. What becomes of it.
    ///
    /// The alarm is set rarely: one that rings early finds out when it should have. One that would ring late is set anew.
    fn wait(&mut self, cx: &mut Context<'_>) -> Wait {
        self.pulse.listen(cx);
        loop {
            let now = Instant::now();
            let deadline = match (self.deadline(), self.park_at()) {
                (Some(deadline), _) if deadline <= now || self.pulse.is_wanted() => return Wait::Over,
                (_, Some(park)) if park <= now => return Wait::Parked,
                (Some(deadline), park) => park.map_or(deadline, |park| park.min(deadline)),
                (None, _) => now + self.limits.idle.max(self.limits.head),
            };
            let (at, alarm) = self.alarm.get_or_insert_with(|| (deadline, Box::pin(sleep_until(deadline))));
            if deadline < *at || *at <= now {
                *at = deadline;
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Wait::On;
            }
        }
    }

    /// An answer is out, and hyper need not ask for more before it is woken: it is, once, where no alarm rings in time.
    fn see_to_alarm(&mut self, cx: &Context<'_>) {
        let Some(deadline) = self.deadline().into_iter().chain(self.park_at()).min() else { return };
        let begun = self.pulse.begun();
        if self.woken < begun && self.alarm.as_ref().is_none_or(|(at, _)| deadline < *at) {
            self.woken = begun;
            cx.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for HttpIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let len = buf.remaining().min(self.before.len());
            let rest = self.before.split_off(len);
            buf.put_slice(&mem::replace(&mut self.before, rest));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => match self.wait(cx) {
                Wait::On => Poll::Pending,
                Wait::Parked => {
                    self.pulse.park();
                    Poll::Ready(Ok(()))
                }
                Wait::Over => {
                    if self.head_begun().is_some() && !self.pulse.is_wanted() {
                        // The client may be there: told as far as the socket takes it at once.
                        let bytes = refusal::late_head(&self.pulse);
                        let _ = Pin::new(&mut self.inner).poll_write(cx, &bytes);
                        let _ = Pin::new(&mut self.inner).poll_flush(cx);
                    }
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
            },
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before {
                    self.heard();
                }
                Poll::Ready(Ok(()))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HttpIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, buf, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.first().map_or(&[][..], |buf| buf);
        self.write(cx, first, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        if polled.is_ready() {
            self.pulse.set_unflushed(false);
            self.see_to_alarm(cx);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pulse.is_parked() {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
        self.poll_linger(cx).map(Ok)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> HttpIo<S> {
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // Whatever is written while nothing else is on its way is the beginning of an answer.
        if !self.pulse.is_unflushed() && self.refusal.is_none() {
            self.refusal = Refusal::instead_of(first, &self.pulse);
        }
        self.pulse.set_unflushed(true);
        let written = match &mut self.refusal {
            Some(refusal) => {
                let len = ready!(refusal.poll_write(Pin::new(&mut self.inner), cx))?;
                self.linger = Some(LINGER_BYTES);
                self.refusal = None;
                len
            }
            None => ready!(write(Pin::new(&mut self.inner), cx))?,
        };
        let begun = self.pulse.begun();
        if self.written.0 != begun {
            self.written = (begun, 0);
        }
        self.written.1 += written as u64;
        Poll::Ready(Ok(written))
    }

    /// Throws away what comes after a refusal.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut patience) = self.linger else { return Poll::Ready(()) };
        let (_, alarm) = match &mut self.alarm {
            Some(alarm) if patience < LINGER_BYTES => alarm,
            alarm => {
                let until = Instant::now() + LINGER;
                alarm.insert((until, Box::pin(sleep_until(until))))
            }
        };
        let mut scratch = [0; 4096];
        while patience > 0 {
            // Less than at first, so that the alarm is set once.
            self.linger = Some(patience.min(LINGER_BYTES - 1));
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Pending => return alarm.as_mut().poll(cx),
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    patience = patience.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}
