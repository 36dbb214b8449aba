//! A stand-in for a MongoDB server, to measure clients without the cost of a server. The stand-in answers at once,
//! acknowledges and counts every insert, stores nothing, and finds nothing.
//!
//! The stand-in implements the part of the wire protocol that drivers need: `OP_MSG`, and `OP_QUERY`, which some
//! drivers use for the handshake.

use std::{
    hash::{DefaultHasher, Hasher},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

use mongodb::bson::{DateTime, Document, RawDocument, doc};

const OP_REPLY: u32 = 1;
const OP_QUERY: u32 = 2004;
const OP_MSG: u32 = 2013;
const HEAD: usize = 16;

#[derive(Default)]
struct State {
    /// Number of documents since the last drop.
    inserted: AtomicI64,
    /// Message of the last insert.
    last: Mutex<Vec<u8>>,
}

/// Serves connections forever. The custom command `lastInsert` returns `documents`, `bytes` and `hash` of the documents
/// of the last insert.
///
/// # Errors
/// When the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let state = State::default();
    thread::scope(|scope| {
        loop {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let state = &state;
            // Errors of single connections are ignored.
            scope.spawn(move || drop(connection(stream, state)));
        }
    })
}

fn connection(mut stream: TcpStream, state: &State) -> io::Result<()> {
    let (mut head, mut message, mut out) = ([0; HEAD], Vec::new(), Vec::new());
    loop {
        stream.read_exact(&mut head)?;
        message.resize(number(&head, 0)?.checked_sub(HEAD).ok_or_else(malformed)?, 0);
        stream.read_exact(&mut message)?;
        out.clear();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&head[4..8]);
        match number(&head, 12)? as u32 {
            OP_MSG => {
                let request = Request::read(&message)?;
                let response = respond(&request, state)?;
                let is_insert = request.name() == "insert";
                out.extend_from_slice(&OP_MSG.to_le_bytes());
                out.extend_from_slice(&[0; 5]);
                response.to_writer(&mut out).map_err(io::Error::other)?;
                if is_insert {
                    std::mem::swap(&mut *state.last.lock().unwrap_or_else(PoisonError::into_inner), &mut message);
                }
            }
            OP_QUERY => {
                out.extend_from_slice(&OP_REPLY.to_le_bytes());
                out.extend_from_slice(&[0; 16]);
                out.extend_from_slice(&1_u32.to_le_bytes());
                greeting().to_writer(&mut out).map_err(io::Error::other)?;
            }
            _ => return Err(malformed()),
        }
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_le_bytes());
        stream.write_all(&out)?;
    }
}

/// A command, and the document sequence that came with it.
struct Request<'a> {
    body: &'a RawDocument,
    sequence: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn read(message: &'a [u8]) -> io::Result<Self> {
        let (mut body, mut sequence) = (None, None);
        let mut rest = message.get(4..).ok_or_else(malformed)?;
        while let Some((kind, section)) = rest.split_first() {
            let length = number(section, 0)?;
            let part = section.get(..length).ok_or_else(malformed)?;
            match kind {
                0 => body = Some(RawDocument::from_bytes(part).map_err(io::Error::other)?),
                _ => {
                    let name = part[4..].iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
                    sequence = Some(&part[4 + name + 1..]);
                }
            }
            rest = &section[length..];
        }
        Ok(Self { body: body.ok_or_else(malformed)?, sequence })
    }

    fn name(&self) -> &str {
        self.body.iter().next().and_then(Result::ok).map_or("", |(name, _)| name.as_str())
    }

    /// Returns the bytes of each document of an insert.
    fn documents(&self) -> io::Result<Vec<&'a [u8]>> {
        let (mut rest, is_array) = match (self.sequence, self.body.get_array("documents")) {
            (Some(sequence), _) => (sequence, false),
            (None, Ok(array)) => (&array.as_bytes()[4..array.as_bytes().len() - 1], true),
            _ => return Err(malformed()),
        };
        let mut documents = Vec::new();
        while !rest.is_empty() {
            if is_array {
                // Skips the element's type, its name and the NUL.
                let name = rest.iter().skip(1).position(|byte| *byte == 0).ok_or_else(malformed)?;
                rest = &rest[name + 2..];
            }
            let (document, others) = rest.split_at_checked(number(rest, 0)?).ok_or_else(malformed)?;
            documents.push(document);
            rest = others;
        }
        Ok(documents)
    }
}

fn respond(request: &Request<'_>, state: &State) -> io::Result<Document> {
    let cursor =
        |found: Vec<Document>| doc! { "cursor": { "id": 0_i64, "ns": "shop.events", "firstBatch": found }, "ok": 1.0 };
    Ok(match request.name() {
        "hello" | "isMaster" | "ismaster" => greeting(),
        "insert" => {
            let documents = request.documents()?.len() as i64;
            state.inserted.fetch_add(documents, Ordering::Relaxed);
            doc! { "n": documents as i32, "ok": 1.0 }
        }
        "find" | "aggregate" => cursor(Vec::new()),
        "listIndexes" => cursor(vec![doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }]),
        "buildInfo" => {
            doc! { "version": "8.0.0", "versionArray": [8, 0, 0, 0], "maxBsonObjectSize": 16 << 20, "ok": 1.0 }
        }
        "count" => doc! { "n": state.inserted.load(Ordering::Relaxed), "ok": 1.0 },
        "drop" | "dropDatabase" => {
            state.inserted.store(0, Ordering::Relaxed);
            doc! { "ok": 1.0 }
        }
        "lastInsert" => last(state)?,
        _ => doc! { "ok": 1.0 },
    })
}

fn greeting() -> Document {
    doc! {
        "helloOk": true, "ismaster": true, "isWritablePrimary": true, "readOnly": false,
        "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
        "localTime": DateTime::now(), "logicalSessionTimeoutMinutes": 30, "connectionId": 1,
        "minWireVersion": 0, "maxWireVersion": 25, "ok": 1.0,
    }
}

fn last(state: &State) -> io::Result<Document> {
    let last = state.last.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut hash, mut bytes) = (DefaultHasher::new(), 0);
    let documents = Request::read(&last)?.documents()?;
    for document in &documents {
        hash.write(document);
        bytes += document.len();
    }
    let hash = hash.finish().cast_signed();
    Ok(doc! { "documents": documents.len() as i64, "bytes": bytes as i64, "hash": hash, "ok": 1.0 })
}

/// Reads a little-endian number of four bytes.
fn number(bytes: &[u8], at: usize) -> io::Result<usize> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(malformed)?;
    Ok(u32::from_le_bytes(*bytes) as usize)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed message of MongoDB's protocol")
}
