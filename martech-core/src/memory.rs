//! A store that keeps events in memory, for tests and first steps.

mod reader;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    event::{Event, EventId, EventKey, Facts, Timestamp},
    store::{Appended, Rejection, Store, StoreError},
};

/// An in-memory store that keeps a clone of every event. Clones of the store are cheap and share its events. The store
/// grows without bound.
///
/// ```
/// use martech_core::{MemoryStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), martech_core::StoreError> {
/// let store = MemoryStore::keyed(|event: &(u32, &str)| event.0);
/// let appended = store.append(&[(1, "page view"), (2, "search"), (1, "page view")]).await?;
/// assert_eq!(appended.stored, 2);
/// assert_eq!(appended.duplicates, [2]);
/// assert_eq!(store.events(), [(1, "page view"), (2, "search")]);
/// # Ok(())
/// # }
/// ```
pub struct MemoryStore<E> {
    content: Arc<Mutex<Content<E>>>,
}

struct Content<E> {
    events: Vec<E>,
    /// Decides the outcome of an event and records it if it is new. Without this, every event is new.
    judge: Option<Judge<E>>,
}

type Judge<E> = Box<dyn FnMut(&E) -> Verdict + Send>;

/// The outcome of an event.
enum Verdict {
    New,
    Duplicate,
    /// The id belongs to another event.
    Conflict(EventId),
}

impl<E> MemoryStore<E> {
    /// Creates a store that keeps every event.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// Creates a store that deduplicates events by a key.
    pub fn keyed<K: Eq + Hash + Send + 'static>(key: impl Fn(&E) -> K + Send + 'static) -> Self {
        let mut keys = HashSet::new();
        let judge = move |event: &E| if keys.insert(key(event)) { Verdict::New } else { Verdict::Duplicate };
        Self::with(Some(Box::new(judge)))
    }

    fn with(judge: Option<Judge<E>>) -> Self {
        Self { content: Arc::new(Mutex::new(Content { events: Vec::new(), judge })) }
    }

    /// Returns the number of stored events.
    pub fn len(&self) -> usize {
        self.content().events.len()
    }

    /// Returns whether the store holds no events.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn content(&self) -> MutexGuard<'_, Content<E>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore<Event> {
    /// Creates a store that keeps one event per [key](crate::event::EventKey), as the contract of
    /// [`Reader`](crate::query::Reader) requires, and rejects other events with that key.
    ///
    /// ```
    /// use martech_core::{
    ///     Event, EventRules, EventType, MemoryStore, Store,
    ///     query::{JourneyQuery, Reader},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = MemoryStore::of_events();
    /// let event = Event::builder("u1", EventType::PAGE_VIEW).build(&EventRules::default())?;
    /// assert_eq!(store.append(&[event.clone(), event]).await?.duplicates, [1]);
    /// assert_eq!(store.journey(JourneyQuery::new("u1")).await?.events.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn of_events() -> Self {
        let mut known = HashMap::<EventKey, Event>::new();
        Self::with(Some(Box::new(move |event: &Event| {
            let is_resend = |stored: &Event| event.signature().is_resend(&stored.signature(), event.estimated_time);
            if event.candidates().filter_map(|key| known.get(&key)).any(is_resend) {
                return Verdict::Duplicate;
            }
            match known.entry(event.key()) {
                Entry::Occupied(_) => Verdict::Conflict(event.id),
                Entry::Vacant(entry) => {
                    entry.insert(Event { properties: None, facts: Facts::default(), ..event.clone() });
                    Verdict::New
                }
            }
        })))
    }
}

impl MemoryStore<Event> {
    /// Removes the events of all UTC days that had ended at a moment, and returns their number. The store still
    /// recognizes duplicates of the removed events.
    pub fn remove_before(&self, before: Timestamp) -> u64 {
        let events = &mut self.content().events;
        let (all, day) = (events.len(), before.day());
        events.retain(|event| event.occurred_at.day() >= day);
        (all - events.len()) as u64
    }
}

impl<E: Clone> MemoryStore<E> {
    /// Returns the stored events in insertion order.
    pub fn events(&self) -> Vec<E> {
        self.content().events.clone()
    }
}

impl<E: Clone + Send + Sync + 'static> Store<E> for MemoryStore<E> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        let Content { events, judge } = &mut *self.content();
        let mut appended = Appended::default();
        for (index, event) in batch.iter().enumerate() {
            match judge.as_mut().map_or(Verdict::New, |judge| judge(event)) {
                Verdict::New => {
                    events.push(event.clone());
                    appended.stored += 1;
                }
                Verdict::Duplicate => appended.duplicates.push(index),
                Verdict::Conflict(id) => appended.rejected.push(Rejection::id_conflict(index, id)),
            }
        }
        Ok(appended)
    }
}

impl<E> Default for MemoryStore<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Clone for MemoryStore<E> {
    fn clone(&self) -> Self {
        Self { content: self.content.clone() }
    }
}

impl<E> fmt::Debug for MemoryStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_all_events_without_a_key() {
        let store = MemoryStore::new();
        assert_eq!(store.append(&[1, 1]).await.unwrap(), Appended::all(2));
        assert_eq!(store.events(), [1, 1]);
    }

    #[tokio::test]
    async fn drops_duplicates_within_and_across_batches() {
        let store = MemoryStore::keyed(|(key, _): &(u8, char)| *key);
        let first = store.append(&[(1, 'a'), (1, 'b'), (2, 'c')]).await.unwrap();
        assert_eq!(first, Appended { stored: 2, duplicates: vec![1], ..Appended::default() });
        let second = store.append(&[(2, 'd'), (3, 'e')]).await.unwrap();
        assert_eq!(second, Appended { stored: 1, duplicates: vec![0], ..Appended::default() });
        assert_eq!(store.events(), [(1, 'a'), (2, 'c'), (3, 'e')]);
    }
}
