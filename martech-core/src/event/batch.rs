use std::str;

use super::{
    ErrorCode, EventError, MAX_DEPTH, Timestamp,
    error::excerpt,
    json::{BLANKS, Scanned, Scanner, Value},
    parse::{timestamp, wrong_type},
};

/// A request body split into events that are not yet parsed; see
/// [`EventRules::parse_batch`](super::EventRules::parse_batch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Time of sending by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// The JSON text of each event, or the reason that it has none.
    pub items: Vec<Result<&'a str, EventError>>,
    /// Whether the body was a single event object rather than a list.
    pub single: bool,
}

impl<'a> Batch<'a> {
    /// The default limit on events per body.
    pub const MAX_EVENTS: usize = 100_000;

    /// Splits a JSON body: an event object, an array of them, or `{"events": [...], "sentAt": ...}`.
    ///
    /// # Errors
    /// Fails if the body as a whole is not well-formed, holds no event, or holds more events than the limit.
    pub fn from_json(body: &'a [u8]) -> Result<Self, EventError> {
        Self::from_json_limited(body, Self::MAX_EVENTS)
    }

    /// Same as [`from_json`](Self::from_json), with a limit other than [`MAX_EVENTS`](Self::MAX_EVENTS).
    pub fn from_json_limited(body: &'a [u8], max_events: usize) -> Result<Self, EventError> {
        let text = str::from_utf8(without_mark(body)).map_err(|error| invalid_utf8(error, "the body"))?;
        let mut splitter = Splitter { scanner: Scanner::lenient(text, LEVELS), items: Vec::new(), max_events };
        let batch = splitter.body().map_err(|error| *error)?;
        if batch.items.is_empty() { Err(empty("the list of events is empty")) } else { Ok(batch) }
    }

    /// Splits a body of lines, each an event object (NDJSON). Blank lines are skipped. An unreadable line becomes an
    /// error item and does not affect other lines.
    ///
    /// # Errors
    /// Fails if the body holds no event or more events than the limit.
    pub fn from_ndjson(body: &'a [u8]) -> Result<Self, EventError> {
        Self::from_ndjson_limited(body, Self::MAX_EVENTS)
    }

    /// Same as [`from_ndjson`](Self::from_ndjson), with a limit other than [`MAX_EVENTS`](Self::MAX_EVENTS).
    pub fn from_ndjson_limited(body: &'a [u8], max_events: usize) -> Result<Self, EventError> {
        let mut items = Vec::new();
        for (index, line) in without_mark(body).split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(|byte| BLANKS.contains(&char::from(*byte))) {
                continue;
            }
            admit(items.len(), max_events)?;
            let item = str::from_utf8(line).map(|line| line.trim_matches(BLANKS));
            items.push(item.map_err(|error| invalid_utf8(error, &format!("line {}", index + 1))));
        }
        if items.is_empty() {
            return Err(empty("the body has no line with an event"));
        }
        Ok(Self { sent_at: None, items, single: false })
    }
}

/// The depth of an event, plus one level each for the array and the envelope around it.
const LEVELS: usize = MAX_DEPTH + 2;

/// Splits a body into events.
struct Splitter<'a> {
    scanner: Scanner<'a>,
    items: Vec<Result<&'a str, EventError>>,
    max_events: usize,
}

impl<'a> Splitter<'a> {
    fn body(&mut self) -> Scanned<Batch<'a>> {
        if self.scanner.peek().is_none() {
            return Err(Box::new(empty("the body is empty")));
        }
        let batch = if let Some(start) = self.scanner.enter(b'{')? {
            self.object(start)?
        } else if self.scanner.enter(b'[')?.is_some() {
            self.events()?;
            Batch { sent_at: None, items: std::mem::take(&mut self.items), single: false }
        } else {
            let value = self.scanner.value()?;
            self.scanner.end()?;
            let kind = value.kind();
            let message = format!("the body must be an event, an array of events or {{\"events\": [...]}}, not {kind}");
            return Err(Box::new(EventError::new(ErrorCode::WrongType, message)));
        };
        if let Some((b'{', _)) = self.scanner.peek() {
            let message =
                "unexpected content after the first event; to send one event per line, use application/x-ndjson";
            return Err(Box::new(EventError::new(ErrorCode::MalformedJson, message)));
        }
        self.scanner.end()?;
        Ok(batch)
    }

    /// Reads a single event that begins at an offset or, if it has the key `events`, an envelope.
    fn object(&mut self, start: usize) -> Scanned<Batch<'a>> {
        let (mut envelope, mut sent_at, mut repeated, mut unknown) = (false, None, None, None);
        while let Some(name) = self.scanner.next_key()? {
            match &*name.text() {
                "events" if !envelope => {
                    envelope = true;
                    if self.scanner.enter(b'[')?.is_some() {
                        self.events()?;
                    } else {
                        let value = self.scanner.value()?;
                        return Err(Box::new(wrong_type("events", "an array", value)));
                    }
                }
                "sentAt" if sent_at.is_none() => sent_at = Some(self.scanner.value()?),
                "events" => {
                    repeated = Some("events");
                    self.scanner.value()?;
                }
                "sentAt" => {
                    repeated = Some("sentAt");
                    self.scanner.value()?;
                }
                _ => {
                    unknown.get_or_insert(name);
                    self.scanner.value()?;
                }
            }
        }
        if !envelope {
            return Ok(Batch { sent_at: None, items: vec![Ok(self.scanner.since(start))], single: true });
        }
        if let Some(name) = repeated {
            let message = format!("the key {name} occurs more than once; send it once");
            return Err(Box::new(EventError::new(ErrorCode::DuplicateKey, message).at(name)));
        }
        if let Some(name) = unknown {
            let name = excerpt(&name.text());
            let message = format!("unknown field {name:?} beside events; the fields of a batch are events, sentAt");
            return Err(Box::new(EventError::new(ErrorCode::UnknownField, message).at(name)));
        }
        let sent_at = timestamp("sentAt", sent_at.unwrap_or(Value::Null))?;
        Ok(Batch { sent_at, items: std::mem::take(&mut self.items), single: false })
    }

    /// Reads the elements of an array of events.
    fn events(&mut self) -> Scanned<()> {
        while let Some(start) = self.scanner.next_element()? {
            admit(self.items.len(), self.max_events)?;
            self.scanner.value().map_err(|mut error| {
                error.message += &format!(" (in the event with index {})", self.items.len());
                error
            })?;
            self.items.push(Ok(self.scanner.since(start)));
        }
        Ok(())
    }
}

/// Strips the byte order mark that some editors put before UTF-8.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn admit(count: usize, max_events: usize) -> Result<(), EventError> {
    if count < max_events {
        return Ok(());
    }
    let message = format!("a body has at most {max_events} events; send the rest in another request");
    Err(EventError::new(ErrorCode::TooManyEvents, message))
}

fn empty(what: &str) -> EventError {
    EventError::new(ErrorCode::EmptyBatch, format!("{what}; send at least one event"))
}

fn invalid_utf8(error: str::Utf8Error, place: &str) -> EventError {
    let message = format!("{place} is not valid UTF-8: invalid byte at offset {}", error.valid_up_to());
    EventError::new(ErrorCode::InvalidUtf8, message)
}

#[cfg(test)]
mod tests;
