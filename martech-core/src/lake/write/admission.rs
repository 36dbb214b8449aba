//! Admission of a batch: drops duplicates, submits the rest to the journal, adds it to the hot table, and answers.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use tokio::sync::oneshot;

use crate::{
    event::{Event, EventKey, Fingerprint, Timestamp},
    lake::{
        engine::{Engine, state::State, throttle::Room},
        error::LakeError,
        files::dedupe::is_in_no_file,
        rows::{
            hot::{Encoded, EncodedKey, Known},
            row::is_on_calendar,
        },
    },
    store::{Appended, Rejection, Step, Steps, StoreError},
};

/// The retry delay to report when files cannot be read.
const UNREADABLE: Duration = Duration::from_secs(1);

type Answer = Result<Appended, StoreError>;

pub(crate) async fn append(engine: &Arc<Engine>, batch: &[Event]) -> Answer {
    if batch.is_empty() {
        return Ok(Appended::default());
    }
    let rejected = rejections(batch);
    if !rejected.is_empty() {
        return append_others(engine, batch, rejected).await;
    }
    let admitted = match admit_now(engine, Encoded::new(batch)) {
        Ok(admitted) => admitted?,
        Err(encoded) => {
            let engine = engine.clone();
            // If the future is dropped, the task still runs to its end.
            let admitted = tokio::task::spawn_blocking(move || admit(&engine, encoded)).await;
            admitted.map_err(|panic| StoreError::fatal("the append task failed").with_source(panic))??
        }
    };
    match admitted {
        Admitted::Known(appended) => Ok(appended),
        Admitted::Pending(answer) => {
            let (appended, synced) = answer.await.map_err(|_| StoreError::fatal("the journal stopped"))??;
            Steps { synced: Some(synced), forwarded: None }.report();
            Ok(appended)
        }
    }
}

/// Rejects events with times that no file can hold. Only events that callers construct by hand can have such times:
/// events from the parser and the builder are always within this range.
fn rejections(batch: &[Event]) -> Vec<Rejection> {
    let times = |event: &Event| [event.occurred_at, event.received_at].map(Timestamp::millis);
    let bad = batch.iter().enumerate().filter(|(_, event)| !times(event).into_iter().all(is_on_calendar));
    bad.map(|(index, _)| Rejection::unfit(index, "occurredAt and receivedAt must be in the years -9999 to 9999"))
        .collect()
}

/// Appends the events that are not rejected as a batch of their own. The indexes in the result refer to `batch`.
async fn append_others(engine: &Arc<Engine>, batch: &[Event], rejected: Vec<Rejection>) -> Answer {
    let is_rejected = |index: &usize| rejected.binary_search_by_key(index, |rejection| rejection.index).is_ok();
    let positions: Vec<usize> = (0..batch.len()).filter(|index| !is_rejected(index)).collect();
    let others: Vec<Event> = positions.iter().map(|&index| batch[index].clone()).collect();
    let mut appended = Box::pin(append(engine, &others)).await?;
    appended.duplicates.iter_mut().for_each(|index| *index = positions[*index]);
    appended.rejected.iter_mut().for_each(|rejection| rejection.index = positions[rejection.index]);
    appended.rejected.extend(rejected);
    appended.rejected.sort_unstable_by_key(|rejection| rejection.index);
    Ok(appended)
}

enum Admitted {
    /// Every event of the batch is already durable.
    Known(Appended),
    /// The batch is on its way to the journal.
    Pending(oneshot::Receiver<Result<(Appended, Step), StoreError>>),
}

/// Batches with more events are not admitted on a thread that serves other tasks.
const SMALL_BATCH: usize = 256;

/// Admits a batch if that takes neither a wait nor a file: small batches of new events mostly need neither, and a
/// blocking thread would cost more than the admission itself. Otherwise gives the batch back.
fn admit_now(engine: &Arc<Engine>, encoded: Encoded) -> Result<Result<Admitted, StoreError>, Encoded> {
    if encoded.keys.len() > SMALL_BATCH {
        return Err(encoded);
    }
    let Ok(_admission) = engine.admission.try_lock() else { return Err(encoded) };
    match known_now(engine, &encoded.keys) {
        Some(known) => Ok(submit(engine, encoded, &known)),
        None => Err(encoded),
    }
}

/// Returns what is known about each event, if memory tells.
fn known_now(engine: &Engine, keys: &[EncodedKey]) -> Option<Vec<Option<Known>>> {
    let (known, version) = {
        let state = engine.try_state()?;
        check(&state).ok()?;
        match state.room(Instant::now()) {
            Room::Now => (state.lookup(keys)?, state.version.clone()),
            Room::In(_) | Room::Rolled => return None,
        }
    };
    is_in_no_file(&version, keys, &known).then_some(known)
}

/// Admits a batch. Waits for room and for batches with the same events, and reads files.
fn admit(engine: &Arc<Engine>, encoded: Encoded) -> Result<Admitted, StoreError> {
    let _admission = engine.admission.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut known, version) = {
        let mut state = engine.state();
        loop {
            check(&state)?;
            match state.room(Instant::now()) {
                Room::Now => match state.lookup(&encoded.keys) {
                    Some(known) => break (known, state.version.clone()),
                    None => state = engine.wait(state),
                },
                Room::In(time) => state = engine.wait_for(state, time),
                Room::Rolled => state = engine.wait(state),
            }
        }
    };
    engine.dedupe.find(&version, &encoded.keys, &mut known).map_err(unreadable)?;
    submit(engine, encoded, &known)
}

/// Submits the new events of a batch to the journal. The caller holds the admission lock, so no other batch comes
/// between the lookup and the submission.
fn submit(engine: &Arc<Engine>, encoded: Encoded, known: &[Option<Known>]) -> Result<Admitted, StoreError> {
    let Classified { dropped, new, appended } = classify(&encoded.keys, known);
    if new.is_empty() {
        return Ok(Admitted::Known(appended));
    }
    let chunk = Arc::new(encoded.into_chunk_without(&dropped));

    let (reply, answer) = oneshot::channel();
    let mut state = engine.state();
    check(&state)?;
    let ticket = state.begin_write(new, chunk.size());
    let payload = chunk.bytes().clone();
    let shared = engine.clone();
    let submitted = engine.journal.submit_timed(payload, move |result| {
        let mut state = shared.state();
        let answer = match result {
            Ok(committed) => {
                shared.complete_write(&mut state, ticket, chunk, committed.sequence);
                Ok((appended, committed.synced))
            }
            Err(error) => {
                state.fail_write(ticket, &error);
                Err(error.into())
            }
        };
        drop(state);
        shared.progress.notify_all();
        // The receiver is gone if the append was dropped.
        let _ = reply.send(answer);
    });
    match submitted {
        Ok(()) => Ok(Admitted::Pending(answer)),
        Err(error) => {
            state.fail_write(ticket, &error);
            Err(error.into())
        }
    }
}

fn check(state: &State) -> Result<(), StoreError> {
    if state.closed { Err(StoreError::fatal("the lake is closed")) } else { Ok(()) }
}

/// The outcome of a batch: which of its events are new.
struct Classified {
    /// The indexes of the events that are not stored, ascending.
    dropped: Vec<usize>,
    /// The events to store.
    new: Vec<(EventKey, Fingerprint)>,
    /// The answer to the append, once the new events are durable.
    appended: Appended,
}

/// Decides for each event whether it is new, compared with the stored events and with earlier events of the same batch.
fn classify(keys: &[EncodedKey], known: &[Option<Known>]) -> Classified {
    let mut classified =
        Classified { dropped: Vec::new(), new: Vec::with_capacity(keys.len()), appended: Appended::default() };
    let mut own: HashMap<EventKey, Fingerprint> = HashMap::with_capacity(keys.len());
    for (index, (event, known)) in keys.iter().zip(known).enumerate() {
        let before = event.candidates().filter_map(|key| event.compare_stored(key, *own.get(&key)?)).max();
        match before.max(*known) {
            None => {
                own.insert(event.key, event.print);
                classified.new.push((event.key, event.print));
                continue;
            }
            Some(Known::Duplicate) => classified.appended.duplicates.push(index),
            Some(Known::Conflict) => classified.appended.rejected.push(Rejection::id_conflict(index, event.key.id)),
        }
        classified.dropped.push(index);
    }
    classified.appended.stored = classified.new.len();
    classified
}

fn unreadable(error: LakeError) -> StoreError {
    StoreError::retry_after(UNREADABLE, "cannot check for duplicate events").with_source(error)
}
