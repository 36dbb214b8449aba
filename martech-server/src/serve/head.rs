//! The head of a request, as long as hyper could do nothing with it.
//!
//! hyper keeps two buffers of 8 KiB for each connection. Whoever sends a head byte by byte should not have them: their bytes are
//! collected here, in a small one, until the head is there, or wrong, or not small.

use std::{io, time::Duration};

use httparse::{EMPTY_HEADER, Request, Status};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until},
};

use super::{MAX_HEADERS, connection::Drain, http_io::ReadLimits, pulse::Pulse, refusal};

/// A longer head is hyper's affair from here on.
const SMALL: usize = 1024;
/// When the server stops, what is left of a head has so much time.
const HURRY: Duration = Duration::from_secs(1);

/// What has come of a head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    /// What the time that it may take is counted from: the first byte, or the opening of the connection.
    pub(super) since: Instant,
}

impl Head {
    /// Waits for a client to ask something; in vain where it takes too long, or has to go.
    pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(
        stream: &mut S,
        limits: ReadLimits,
        pulse: &Pulse,
        drain: &mut Drain,
    ) -> io::Result<Option<Self>> {
        let is_first = pulse.begun() == 0;
        let opened = pulse.waits_since().unwrap_or_else(Instant::now);
        let Some(first) =
            first_byte(stream, opened + if is_first { limits.head } else { limits.idle }, pulse, drain).await?
        else {
            return Ok(None);
        };
        let since = if is_first { opened } else { Instant::now() };
        let mut head = Self { bytes: Vec::with_capacity(SMALL), since };
        head.bytes.push(first);
        let (mut deadline, mut is_draining) = (since + limits.head, false);
        loop {
            tokio::select! {
                biased;
                read = stream.read_buf(&mut head.bytes) => if read? == 0 { return Ok(None) },
                () = sleep_until(deadline) => {
                    stream.write_all(&refusal::late_head(pulse)).await?;
                    stream.flush().await?;
                    return Ok(None);
                }
                () = pulse.wanted() => return Ok(None),
                _ = drain.changed(), if !is_draining => {
                    deadline = deadline.min(Instant::now() + HURRY);
                    is_draining = true;
                }
            }
            if head.is_small_part() {
                continue;
            }
            if is_draining {
                // For whoever is given the head.
                drain.mark_changed();
            }
            return Ok(Some(head));
        }
    }

    /// Whether more is to come, and what is there is fine and small.
    fn is_small_part(&self) -> bool {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        self.bytes.len() < SMALL && matches!(Request::new(&mut headers).parse(&self.bytes), Ok(Status::Partial))
    }
}

async fn first_byte<S: AsyncRead + Unpin>(
    stream: &mut S,
    deadline: Instant,
    pulse: &Pulse,
    drain: &mut Drain,
) -> io::Result<Option<u8>> {
    let mut byte = [0];
    tokio::select! {
        read = stream.read(&mut byte) => Ok((read? > 0).then_some(byte[0])),
        () = sleep_until(deadline) => Ok(None),
        () = pulse.wanted() => Ok(None),
        _ = drain.changed() => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{DuplexStream, duplex},
        sync::watch,
    };

    use super::*;

    const LIMITS: ReadLimits = ReadLimits { head: Duration::from_secs(10), idle: Duration::from_secs(60), rate: 0 };

    struct Client {
        stream: DuplexStream,
        stop: watch::Sender<()>,
        reading: tokio::task::JoinHandle<(Option<Head>, bool)>,
    }

    impl Client {
        fn of(pulse: std::sync::Arc<Pulse>) -> Self {
            let (stream, mut server) = duplex(4096);
            let (stop, mut drain) = watch::channel(());
            let reading = tokio::spawn(async move {
                let head = Head::read(&mut server, LIMITS, &pulse, &mut drain).await.unwrap();
                (head, drain.has_changed().unwrap_or(false))
            });
            Self { stream, stop, reading }
        }

        async fn send(&mut self, bytes: &[u8]) {
            self.stream.write_all(bytes).await.unwrap();
            tokio::task::yield_now().await;
        }

        async fn head(self) -> Option<Vec<u8>> {
            self.reading.await.unwrap().0.map(|head| head.bytes)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_read_until_it_is_there_or_wrong_or_not_small() {
        for (all, most) in [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 27),
            (b"GET / HTTP/1.1\nHost: x\n\nbody".to_vec(), 24),
            (b"G\x01T / HTTP/1.1\r\n".to_vec(), 2),
            (b"\x16\x03\x01\x02\x00".to_vec(), 2),
            ([b"GET / HTTP/1.1\r\nX: ", [b'x'; 2000].as_slice()].concat(), SMALL),
        ] {
            let mut client = Client::of(Pulse::new());
            let mut sent = 0;
            while !client.reading.is_finished() {
                client.send(&all[sent..=sent]).await;
                sent += 1;
            }
            let head = client.head().await.unwrap();
            assert_eq!(head, all[..head.len()]);
            assert!(head.len() <= most && sent - head.len() <= 2, "{} of {sent}", head.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_has_a_time_from_its_first_byte_on_and_the_first_one_from_the_opening() {
        for (is_first, taken) in [(true, 10), (false, 15)] {
            let pulse = Pulse::new();
            if !is_first {
                drop(pulse.begin());
            }
            let started = Instant::now();
            let mut client = Client::of(pulse);
            tokio::time::sleep(Duration::from_secs(5)).await;
            client.send(b"GET ").await;
            let mut told = String::new();
            client.stream.read_to_string(&mut told).await.unwrap();
            assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
            assert_eq!(started.elapsed().as_secs(), taken);
            assert_eq!(client.head().await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_server_stops_a_head_is_waited_for_and_not_for_long() {
        let begun = async || {
            let mut client = Client::of(Pulse::new());
            client.send(b"GET / HTTP/1.1\r\n").await;
            client.stop.send_replace(());
            client
        };
        let mut client = begun().await;
        client.send(b"\r\n").await;
        let (head, is_told) = client.reading.await.unwrap();
        assert!(head.is_some() && is_told, "whoever answers it knows that the server stops");

        let started = Instant::now();
        assert_eq!(begun().await.head().await, None);
        assert_eq!(started.elapsed(), HURRY);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_way_where_its_place_is_wanted() {
        let pulse = Pulse::new();
        let mut client = Client::of(pulse.clone());
        client.send(b"GET / HTTP/1.1\r\n").await;
        pulse.want();
        assert_eq!(client.head().await, None);
    }
}
