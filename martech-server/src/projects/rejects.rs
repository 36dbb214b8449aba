//! The last rejections of a project: which events did not arrive, why, and who sent them.
//!
//! The log is in memory, of this process, and bounded: [`MAX_ENTRIES`] entries and [`MAX_BYTES`] bytes. Anyone can cause
//! rejections, as many as the network carries, so the log is built to stay useful:
//!
//! - Rejections of one kind within [`PERIOD`] are one entry with a count. A kind is a code, field, key, origin and event
//!   type. The message and the other details are those of the last rejection.
//! - At a bound, the sender who uses most of the log loses their entry whose last rejection is oldest. A sender who makes
//!   up kinds therefore pushes out their own entries only. A sender is a secret key, or else a network: everyone can read
//!   the key of a page.
//! - Texts that a client chooses are cut.
//!
//! Entries are in the order of their last rejection. The number of that rejection identifies an entry, and a repetition
//! gives the entry a new number. A list that continues below a number therefore shows no entry twice.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use martech_core::event::{EventType, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    identity::ApiKey,
    util::{network, site},
};

/// Maximum number of entries of a project.
const MAX_ENTRIES: usize = 1_000;
/// Maximum memory of the entries of a project, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How long rejections of one kind are counted in one entry, after the first.
const PERIOD: Duration = Duration::from_secs(600);
/// Maximum length of a message, and of any other text that a client may have chosen, in bytes.
const MAX_MESSAGE: usize = 1024;
const MAX_TEXT: usize = 256;
/// Memory of an entry besides its texts: the entry, and its places in the maps.
const OVERHEAD: usize = size_of::<Kept>() + 128;

/// Events that were rejected for the same reason, or a body that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) field: Option<String>,
    pub(crate) index: Option<usize>,
    pub(crate) event_type: Option<EventType>,
    /// The number of events. A body that is rejected as a whole counts as one.
    pub(crate) count: u64,
}

/// The request that was rejected, or of which some events were. The default is that of events which were accepted at
/// first.
#[derive(Debug, Clone, Default)]
pub(crate) struct RejectedRequest<'a> {
    pub(crate) status: Option<u16>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) key: Option<&'a ApiKey>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) sender: RejectedSender,
}

/// The sender that an entry is charged to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) enum RejectedSender {
    /// A secret key, by its id.
    Key(String),
    Network(IpAddr),
    /// Events that were accepted at first, of any sender.
    #[default]
    Unknown,
}

impl RejectedSender {
    /// Returns the sender of a request. Everyone can read the key of a page, so it does not identify one. An IPv6 address
    /// counts as its /48.
    pub(crate) fn new(key: Option<&ApiKey>, address: IpAddr) -> Self {
        match key {
            Some(key) if key.origins.is_empty() => Self::Key(key.id.clone()),
            _ => Self::Network(site(address).unwrap_or_else(|| network(address))),
        }
    }
}

/// The key of a rejected request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RejectedKey {
    id: String,
    name: String,
    /// The last four characters of the secret.
    hint: String,
}

impl From<&ApiKey> for RejectedKey {
    fn from(key: &ApiKey) -> Self {
        Self { id: key.id.clone(), name: key.name.clone(), hint: key.hint.clone() }
    }
}

/// Rejections of one kind. `message`, `index`, `status`, `requestId` and `userAgent` are those of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Reject)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// When the first of them occurred.
    at: Timestamp,
    /// When the last of them occurred.
    last_at: Timestamp,
    /// The number of rejected events. A body that was rejected as a whole counts as one.
    count: u64,
    /// The error code.
    code: Cow<'static, str>,
    /// The error message, cut.
    message: Cow<'static, str>,
    /// The field, parameter or header that caused the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The index of the event in its body, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// The type of the event, if it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<EventType>,
    /// The status of the response: 202 if other events of the body were accepted. Absent if the event itself was
    /// accepted at first, and the store rejected it later.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The key of the request, if it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<RejectedKey>,
    /// The `Origin` of the request, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The `User-Agent` of the request, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl Entry {
    fn new(rejection: Rejection, request: &RejectedRequest<'_>, now: Timestamp) -> Self {
        let Rejection { code, message, field, index, event_type, count } = rejection;
        Self {
            at: now,
            last_at: now,
            count,
            code,
            message: shorten(message, MAX_MESSAGE),
            field: field.map(|field| shorten(field.into(), MAX_TEXT).into_owned()),
            index,
            event_type,
            status: request.status,
            request_id: request.request_id.map(str::to_owned),
            key: request.key.map(RejectedKey::from),
            origin: request.origin.map(|origin| cut(origin, MAX_TEXT).to_owned()),
            user_agent: request.user_agent.map(|agent| cut(agent, MAX_TEXT).to_owned()),
        }
    }

    /// Returns what rejections of one kind have in common.
    fn kind(&self) -> impl std::hash::Hash + use<'_> {
        let key = self.key.as_ref().map(|key| &key.id);
        (&self.code, &self.field, key, &self.origin, &self.event_type)
    }

    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let shared = |text: &Cow<'static, str>| if let Cow::Owned(text) = text { text.len() } else { 0 };
        let key = self.key.as_ref().map_or(0, |key| key.id.len() + key.name.len() + key.hint.len());
        let kind = self.event_type.as_ref().map_or(0, |kind| kind.as_str().len());
        let texts = text(&self.field) + text(&self.request_id) + text(&self.origin) + text(&self.user_agent);
        OVERHEAD + shared(&self.code) + shared(&self.message) + key + kind + texts
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn shorten(text: Cow<'static, str>, bytes: usize) -> Cow<'static, str> {
    if text.len() <= bytes { text } else { Cow::Owned(cut(&text, bytes).to_owned()) }
}

/// The log of one project.
#[derive(Debug, Default)]
pub(crate) struct Rejects {
    log: Mutex<Log>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Log {
    next: u64,
    /// By the number of the last rejection.
    entries: BTreeMap<u64, Kept>,
    /// The number of the entry that counts the rejections of a kind, by the hash of the kind.
    kinds: HashMap<u64, u64>,
    /// The memory that each sender uses, in bytes.
    senders: HashMap<RejectedSender, usize>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    kind: u64,
    sender: RejectedSender,
}

impl Rejects {
    /// Adds rejections that have one request in common.
    pub(crate) fn add(
        &self,
        request: &RejectedRequest<'_>,
        rejections: impl IntoIterator<Item = Rejection>,
        now: Timestamp,
    ) {
        let mut log = self.log();
        for rejection in rejections {
            let entry = Entry::new(rejection, request, now);
            let kind = self.hasher.hash_one(entry.kind());
            log.add(Kept { entry, kind, sender: request.sender.clone() });
        }
    }

    /// Returns up to `limit` entries with their numbers, newest first, that come after the entry with the number `after`.
    pub(crate) fn list(&self, after: Option<u64>, limit: usize) -> Vec<(u64, Entry)> {
        let log = self.log();
        let entries = log.entries.range(..after.unwrap_or(u64::MAX)).rev();
        entries.take(limit).map(|(number, kept)| (*number, kept.entry.clone())).collect()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Adds an entry, or counts it in an earlier one of its kind.
    fn add(&mut self, mut kept: Kept) {
        if let Some(earlier) = self.earlier(&kept) {
            kept.entry.at = earlier.entry.at;
            kept.entry.count += earlier.entry.count;
            kept.sender = earlier.sender;
        }
        let (number, bytes) = (self.next, kept.entry.bytes());
        self.next += 1;
        self.bytes += bytes;
        *self.senders.entry(kept.sender.clone()).or_default() += bytes;
        self.kinds.insert(kept.kind, number);
        self.entries.insert(number, kept);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let heaviest = self.senders.iter().max_by_key(|(_, bytes)| **bytes).map(|(sender, _)| sender);
            let oldest = self.entries.iter().find(|(_, kept)| Some(&kept.sender) == heaviest);
            let Some(number) = oldest.map(|(number, _)| *number) else { break };
            self.remove(number);
        }
    }

    /// Removes and returns the entry of the same kind, if it still counts.
    fn earlier(&mut self, kept: &Kept) -> Option<Kept> {
        let number = *self.kinds.get(&kept.kind)?;
        let since = self.entries.get(&number)?.entry.at;
        let age = kept.entry.at.millis().saturating_sub(since.millis());
        if age < PERIOD.as_millis() as i64 { self.remove(number) } else { None }
    }

    fn remove(&mut self, number: u64) -> Option<Kept> {
        let kept = self.entries.remove(&number)?;
        let bytes = kept.entry.bytes();
        self.bytes -= bytes;
        if let Some(used) = self.senders.get_mut(&kept.sender) {
            *used -= bytes;
            if *used == 0 {
                self.senders.remove(&kept.sender);
            }
        }
        if self.kinds.get(&kept.kind) == Some(&number) {
            self.kinds.remove(&kept.kind);
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests;
