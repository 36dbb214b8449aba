//! Appends: the commands sent, and what the responses mean for each event.
//!
//! 1. Each event is encoded as BSON straight into the buffer of the `insert` command. If a batch repeats an id, only
//!    its first event is sent.
//! 2. A command is sent when the next document would exceed the server's limits.
//! 3. Documents that the server reports as duplicate keys are read back and compared.

use std::collections::HashMap;

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use super::{
    document::{self, ARRAY, Content, DOCUMENT, Form, begin, boolean, end, field, name, position, string},
    error::{self, MongoError},
    event_collection::EventCollection,
    monitor::MongoCommand,
    options::Limits,
    query,
    server_info::ServerInfo,
};
use crate::{
    event::{Event, EventId},
    store::{Appended, Rejection, StoreError},
};

impl EventCollection {
    pub(super) async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        if batch.is_empty() {
            return Ok(Appended::default());
        }
        let server = self.server_info().await?;
        Batch::new(self, &server, batch).run().await
    }
}

/// State of one event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum EventState {
    /// Not sent yet.
    Open,
    Stored,
    Duplicate,
    /// Another event has the same id.
    Conflict,
    Rejected(String),
    /// The server has a document with the same id.
    Known,
    /// An earlier event of the batch, at this position, has the same id.
    Follows(usize),
    /// The server refused the document, and the document contains something that some servers refuse.
    Incompatible(String),
}

/// A batch that is being inserted.
struct Batch<'a> {
    target: &'a EventCollection,
    limits: Limits,
    /// Whether the server has Decimal128.
    decimals: bool,
    events: &'a [Event],
    states: Vec<EventState>,
}

/// Number of events to encode before yielding to other tasks.
const STRIDE: usize = 128;

impl<'a> Batch<'a> {
    fn new(target: &'a EventCollection, server: &ServerInfo, events: &'a [Event]) -> Self {
        Self {
            target,
            limits: server.limits,
            decimals: server.capabilities.decimals,
            events,
            states: vec![EventState::Open; events.len()],
        }
    }

    async fn run(mut self) -> Result<Appended, StoreError> {
        let mut firsts = HashMap::with_capacity_and_hasher(self.events.len(), foldhash::fast::RandomState::default());
        for (index, event) in self.events.iter().enumerate() {
            let first = *firsts.entry(event.id).or_insert(index);
            if first != index {
                self.states[index] = EventState::Follows(first);
            }
        }
        drop(firsts);
        self.send_all(Form::Document, |fate| *fate == EventState::Open).await?;
        if self.states.iter().any(|fate| matches!(fate, EventState::Incompatible(_))) {
            self.send_all(Form::Text, |fate| matches!(fate, EventState::Incompatible(_))).await?;
        }
        self.settle_followers();
        self.look_up().await?;
        Ok(self.finish())
    }

    /// Sends the events for which `is_due` holds.
    async fn send_all(&mut self, form: Form, is_due: fn(&EventState) -> bool) -> Result<(), StoreError> {
        let mut command = Command::new(&self.target.options.collection);
        let events = self.events;
        for (index, event) in events.iter().enumerate() {
            if index % STRIDE == STRIDE - 1 {
                tokio::task::yield_now().await;
            }
            if !is_due(&self.states[index]) {
                continue;
            }
            match command.push(index, event, form, self.decimals, self.limits) {
                Pushed::Taken => {}
                Pushed::Unfit(why) => self.states[index] = EventState::Rejected(why),
                Pushed::NoRoom(document, content) => {
                    let full = std::mem::replace(&mut command, Command::new(&self.target.options.collection));
                    self.send(full).await?;
                    command.push_document(index, document, content);
                }
            }
        }
        if command.indices.is_empty() { Ok(()) } else { self.send(command).await }
    }

    async fn send(&mut self, command: Command) -> Result<(), StoreError> {
        let (bytes, indices, incompatible) = command.finish(&self.target.acknowledgement.bytes);
        let command = RawDocumentBuf::from_bytes(bytes).map_err(|error| MongoError::Other(error.to_string()))?;
        let insert = self.target.database.run_raw_command(command);
        let answer = self.target.ask(MongoCommand::Insert, self.target.options.answer_timeout, insert).await?;
        let answer = Answer::read(&answer, indices.len())?;
        for index in &indices {
            self.states[*index] = EventState::Stored;
        }
        for WriteError { position, is_known, reason } in answer.errors {
            let index = indices[position];
            self.states[index] = match is_known {
                true => EventState::Known,
                false if incompatible.contains(&index) => EventState::Incompatible(reason),
                false => EventState::Rejected(format!("MongoDB rejected the document: {reason}")),
            };
        }
        Ok(())
    }

    /// Decides each event that repeats an id by the outcome of the first event with that id.
    fn settle_followers(&mut self) {
        for index in 0..self.events.len() {
            let EventState::Follows(first) = self.states[index] else { continue };
            self.states[index] = match &self.states[first] {
                EventState::Stored => {
                    let event = &self.events[index];
                    verdict(event.signature().is_resend(&self.events[first].signature(), event.estimated_time))
                }
                EventState::Known => EventState::Known,
                EventState::Rejected(why) => EventState::Rejected(format!(
                    "an earlier event in the batch has the same id and was rejected: {why}"
                )),
                other => other.clone(),
            };
        }
    }

    /// Compares events with the stored documents that have the same ids.
    async fn look_up(&mut self) -> Result<(), StoreError> {
        let mut known = HashMap::<EventId, Vec<usize>>::new();
        for (index, fate) in self.states.iter().enumerate() {
            if *fate == EventState::Known {
                known.entry(self.events[index].id).or_default().push(index);
            }
        }
        if known.is_empty() {
            return Ok(());
        }
        let ids: Vec<Bson> = known.keys().map(|id| query::uuid(*id).into()).collect();
        for ids in ids.chunks(ASKED) {
            let mut found = self.target.by_ids(ids).await?;
            while let Some(document) = found.next().await? {
                let id = document.get(field::ID).ok().flatten().and_then(document::id_of);
                for index in id.and_then(|id| known.remove(&id)).unwrap_or_default() {
                    self.states[index] = verdict(document::is_resend(&self.events[index], document));
                }
            }
        }
        match known.keys().next() {
            None => Ok(()),
            // The document was deleted in between, or a failover rolled it back.
            Some(id) => Err(StoreError::retry(format!(
                "MongoDB reported the event {id} as a duplicate, but the event was not found"
            ))),
        }
    }

    fn finish(self) -> Appended {
        let mut appended = Appended::default();
        for (index, fate) in self.states.into_iter().enumerate() {
            match fate {
                EventState::Stored => appended.stored += 1,
                EventState::Duplicate => appended.duplicates.push(index),
                EventState::Conflict => appended.rejected.push(Rejection::id_conflict(index, self.events[index].id)),
                EventState::Rejected(reason) => appended.rejected.push(Rejection::unfit(index, reason)),
                EventState::Incompatible(reason) => {
                    appended.rejected.push(Rejection::unfit(index, format!("MongoDB rejected the document: {reason}")));
                }
                other => unreachable!("every event has a final outcome, not {other:?}"),
            }
        }
        appended
    }
}

/// Number of ids per lookup. Some servers take time quadratic in that number.
const ASKED: usize = 250;

fn verdict(is_resend: bool) -> EventState {
    if is_resend { EventState::Duplicate } else { EventState::Conflict }
}

impl EventCollection {
    /// Reads the documents with these ids from the primary.
    async fn by_ids(&self, ids: &[Bson]) -> Result<query::Documents, MongoError> {
        let collection = self.primary();
        let find = collection.find(doc! { field::ID: { "$in": ids } });
        let timeout = self.options.answer_timeout;
        Ok(query::Documents::new(self.ask(MongoCommand::Find, timeout, find).await?, timeout))
    }
}

/// A partly built `insert` command.
struct Command {
    bytes: Vec<u8>,
    /// Offsets at which the command and its `documents` array begin.
    whole: usize,
    documents: usize,
    /// Batch positions of the documents in this command.
    indices: Vec<usize>,
    /// The subset of `indices` whose documents contain something that some servers refuse.
    incompatible: Vec<usize>,
}

/// Result of adding an event to a command.
enum Pushed {
    Taken,
    Unfit(String),
    /// The command is full. Holds the encoded document, for the next command.
    NoRoom(Vec<u8>, Content),
}

/// Bytes reserved in a message for array keys, the rest of the command, and fields that the driver adds.
const OVERHEAD: usize = 16 << 10;

impl Command {
    fn new(collection: &str) -> Self {
        let mut bytes = Vec::new();
        let whole = begin(&mut bytes);
        string(&mut bytes, "insert", collection);
        boolean(&mut bytes, "ordered", false);
        name(&mut bytes, ARRAY, "documents");
        let documents = begin(&mut bytes);
        Self { bytes, whole, documents, indices: Vec::new(), incompatible: Vec::new() }
    }

    fn push(&mut self, index: usize, event: &Event, form: Form, decimals: bool, limits: Limits) -> Pushed {
        let before = self.bytes.len();
        position(&mut self.bytes, DOCUMENT, self.indices.len());
        let start = self.bytes.len();
        let content = match document::write(event, form, decimals, &mut self.bytes) {
            Ok(content) => content,
            Err(document::Unfit(why)) => {
                self.bytes.truncate(before);
                return Pushed::Unfit(why);
            }
        };
        let size = self.bytes.len() - start;
        if size > limits.document_bytes {
            self.bytes.truncate(before);
            let most = limits.document_bytes;
            return Pushed::Unfit(format!("the document has {size} bytes; MongoDB accepts at most {most}"));
        }
        // The documents of a command must fit into one BSON document. The server allows the command itself some bytes
        // more.
        let most = limits.document_bytes.min(limits.message_bytes.saturating_sub(OVERHEAD));
        let is_full = self.indices.len() == limits.documents || self.bytes.len() - self.documents > most;
        if is_full && !self.indices.is_empty() {
            let document = self.bytes.split_off(start);
            self.bytes.truncate(before);
            return Pushed::NoRoom(document, content);
        }
        self.note(index, content);
        Pushed::Taken
    }

    /// Adds a document for which the previous command had no room.
    fn push_document(&mut self, index: usize, document: Vec<u8>, content: Content) {
        position(&mut self.bytes, DOCUMENT, self.indices.len());
        self.bytes.extend_from_slice(&document);
        self.note(index, content);
    }

    fn note(&mut self, index: usize, content: Content) {
        self.indices.push(index);
        if content != Content::Plain {
            self.incompatible.push(index);
        }
    }

    fn finish(mut self, concern: &[u8]) -> (Vec<u8>, Vec<usize>, Vec<usize>) {
        end(&mut self.bytes, self.documents);
        name(&mut self.bytes, DOCUMENT, "writeConcern");
        self.bytes.extend_from_slice(concern);
        end(&mut self.bytes, self.whole);
        (self.bytes, self.indices, self.incompatible)
    }
}

/// The server's response to an insert.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    errors: Vec<WriteError>,
}

/// The response for one document.
#[derive(Debug, PartialEq, Eq)]
struct WriteError {
    position: usize,
    /// Whether a document with this `_id` exists.
    is_known: bool,
    reason: String,
}

impl Answer {
    /// Parses the response to an insert of `sent` documents. Returns an error if the whole command must be sent again.
    fn read(answer: &Document, sent: usize) -> Result<Self, StoreError> {
        if let Ok(error) = answer.get_document("writeConcernError") {
            let (code, words) = (code(error), words(error));
            // Stored documents may still be rolled back, so the batch is sent again and waits for a majority again. A
            // write concern that cannot be satisfied (UnsatisfiableWriteConcern, UnknownReplWriteConcern) needs an
            // operator.
            return Err(match code {
                100 | 79 => MongoError::Options(format!("the write concern cannot be met: {words}")).into(),
                _ => StoreError::retry(format!("MongoDB could not make the events durable: {words} (code {code})")),
            });
        }
        let mut errors = Vec::new();
        for error in answer.get_array("writeErrors").into_iter().flatten() {
            let error = error.as_document().ok_or_else(|| strange("a write error is not a document"))?;
            errors.push(WriteError::read(error, sent)?);
        }
        // If the server stored fewer documents than it accounts for, events would be lost silently.
        let stored = query::whole(answer, "n").ok_or_else(|| strange("the number of stored documents is missing"))?;
        if usize::try_from(stored).ok().and_then(|stored| stored.checked_add(errors.len())) != Some(sent) {
            return Err(strange(&format!("{sent} documents sent, {stored} stored, {} rejected", errors.len())));
        }
        Ok(Self { errors })
    }
}

impl WriteError {
    fn read(error: &Document, sent: usize) -> Result<Self, StoreError> {
        let position =
            query::whole(error, "index").and_then(|index| usize::try_from(index).ok()).filter(|index| *index < sent);
        let position = position.ok_or_else(|| strange("a write error refers to a document that was not sent"))?;
        let (code, words) = (code(error), words(error));
        if let Some(error) = error::of_server(code, &words) {
            return Err(error.into());
        }
        Ok(Self {
            position,
            is_known: is_duplicate(code) && is_about_id(error, &words),
            reason: format!("{words} (code {code})"),
        })
    }
}

fn is_duplicate(code: i32) -> bool {
    matches!(code, 11000 | 11001 | 12582)
}

/// Whether a duplicate key error concerns `_id` rather than another unique index.
fn is_about_id(error: &Document, words: &str) -> bool {
    match error.get_document("keyPattern") {
        Ok(pattern) => pattern.keys().map(String::as_str).eq(["_id"]),
        // Older servers report the index only by name, in the message.
        Err(_) => !words.contains(" index: ") || words.contains(" index: _id_"),
    }
}

fn code(error: &Document) -> i32 {
    query::whole(error, "code").and_then(|code| i32::try_from(code).ok()).unwrap_or_default()
}

fn words(error: &Document) -> String {
    error.get_str("errmsg").unwrap_or("no reason given").to_owned()
}

fn strange(what: &str) -> StoreError {
    StoreError::from(MongoError::Other(format!("invalid answer from the server: {what}")))
}

#[cfg(test)]
mod tests;
