//! A TCP proxy in front of the server that inspects messages, drops responses, stalls, or refuses connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::server::with_options;
use mongodb::bson::{Document, RawDocument};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Behavior of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Accepts connections and messages, and forwards nothing.
    Stall,
    /// Closes every connection.
    Away,
}

type OnMessage = Box<dyn FnMut(&[u8]) + Send>;

struct State {
    upstream: String,
    mode: watch::Sender<Mode>,
    /// Number of inserts that still lose their response and their connection.
    lost_answers: AtomicUsize,
    on_message: Mutex<Option<OnMessage>>,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of the first server of a connection string.
    pub(crate) async fn to(uri: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(State {
            upstream: host(uri).to_owned(),
            mode: watch::Sender::new(Mode::Pass),
            lost_answers: AtomicUsize::new(0),
            on_message: Mutex::new(None),
        });
        let (address, shared) = (listener.local_addr().unwrap(), state.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, shared.clone()));
            }
        });
        Self { address, state, accepting }
    }

    /// Returns the connection string with the proxy as the only server.
    pub(crate) fn uri(&self, uri: &str) -> String {
        let here = uri.replacen(host(uri), &self.address.to_string(), 1);
        with_options(&here, "directConnection=true&serverSelectionTimeoutMS=1000")
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    pub(crate) fn lose_answers(&self, inserts: usize) {
        self.state.lost_answers.store(inserts, Ordering::SeqCst);
    }

    /// Returns how many responses are still to be dropped.
    pub(crate) fn answers_to_lose(&self) -> usize {
        self.state.lost_answers.load(Ordering::SeqCst)
    }

    /// Sets a callback for each message from a client.
    pub(crate) fn on_message(&self, look: impl FnMut(&[u8]) + Send + 'static) {
        *self.state.on_message.lock().unwrap() = Some(Box::new(look));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Returns the `host:port` of a connection string.
pub(crate) fn host(uri: &str) -> &str {
    let place = uri.split_once("://").unwrap().1;
    let place = place.split(['/', '?']).next().unwrap();
    let hosts = place.rsplit_once('@').map_or(place, |(_, hosts)| hosts);
    hosts.split(',').next().unwrap()
}

async fn serve(client: TcpStream, state: Arc<State>) {
    if *state.mode.borrow() == Mode::Away {
        return;
    }
    let Ok(server) = TcpStream::connect(&state.upstream).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let loses = AtomicBool::new(false);
    // The end of either direction closes both connections.
    tokio::select! {
        () = forth(from_client, to_server, &state, &loses) => {}
        () = back(from_server, to_client, &state, &loses) => {}
        () = away(&state) => {}
    }
}

async fn away(state: &State) {
    let mut mode = state.mode.subscribe();
    if mode.wait_for(|mode| *mode == Mode::Away).await.is_err() {
        std::future::pending().await
    }
}

async fn unless_stalled(state: &State) -> bool {
    state.mode.subscribe().wait_for(|mode| *mode != Mode::Stall).await.is_ok()
}

async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, loses: &AtomicBool) {
    while let Some(message) = read(&mut from).await {
        if let Some(look) = &mut *state.on_message.lock().unwrap() {
            look(&message);
        }
        let is_insert = command(&message).is_some_and(|command| command.contains_key("insert"));
        let left = |left: usize| left.checked_sub(1);
        if is_insert && state.lost_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            loses.store(true, Ordering::SeqCst);
        }
        if !unless_stalled(state).await || to.write_all(&message).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, loses: &AtomicBool) {
    while let Some(message) = read(&mut from).await {
        if loses.load(Ordering::SeqCst) || !unless_stalled(state).await || to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// Reads a whole message, which starts with its length.
async fn read(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_le_bytes(message[..4].try_into().unwrap());
    message.resize(length as usize, 0);
    from.read_exact(&mut message[4..]).await.ok()?;
    Some(message)
}

/// Returns the command in an OP_MSG message. Its first section follows the header, the flags and the section kind.
pub(crate) fn command(message: &[u8]) -> Option<Document> {
    const OP_MSG: u32 = 2013;
    let opcode = u32::from_le_bytes(message.get(12..16)?.try_into().ok()?);
    let body = message.get(21..)?;
    if opcode != OP_MSG || message[20] != 0 {
        return None;
    }
    let length = u32::from_le_bytes(body.get(..4)?.try_into().ok()?);
    Document::try_from(RawDocument::from_bytes(body.get(..length as usize)?).ok()?).ok()
}
