//! The two background threads of a lake: one rolls, one compacts.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    compaction,
    error::{LakeError, Result, guarded},
    inner::Inner,
    retention, roll,
};

/// A message to a worker.
#[derive(Debug)]
pub(super) enum Message {
    /// Look for work that is due.
    Look,
    /// Do all work now, and send the result.
    Now(oneshot::Sender<Result<()>>),
    /// For the compaction worker: remove the days before this one, and send the number of removed events.
    Forget(i32, oneshot::Sender<Result<u64>>),
    /// Stop the thread.
    Stop,
}

/// The delay before a failed roll is retried.
const RETRY: Duration = Duration::from_secs(5);

/// The running threads. They stop when the last handle of the lake is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    inner: Arc<Inner>,
    roller: Sender<Message>,
    compactor: Sender<Message>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Workers {
    pub(super) fn start(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        let (roller, rolls) = mpsc::channel();
        let (compactor, compactions) = mpsc::channel();
        inner.state().roller = Some(roller.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).expect("the system can start two threads")
        };
        let (rolling, compacting, look) = (inner.clone(), inner.clone(), compactor.clone());
        let threads = vec![
            spawn("lake-roll", Box::new(move || run_rolls(&rolling, &rolls, &look))),
            spawn("lake-compact", Box::new(move || run_compactions(&compacting, &compactions))),
        ];
        let workers = Self { inner, roller, compactor, threads: Mutex::new(threads) };
        // Continue the work that an earlier run left.
        let _ = (workers.roller.send(Message::Look), workers.compactor.send(Message::Look));
        workers
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(super) async fn roll(&self) -> Result<()> {
        ask(&self.roller).await
    }

    pub(super) async fn compact(&self) -> Result<()> {
        ask(&self.compactor).await
    }

    pub(super) async fn forget(&self, before: i32) -> Result<u64> {
        let (reply, answer) = oneshot::channel();
        self.compactor.send(Message::Forget(before, reply)).map_err(|_| LakeError::Closed)?;
        answer.await.map_err(|_| LakeError::Closed)?
    }

    /// Stops the threads, waits for batches on their way to the journal, and releases the folder.
    pub(super) fn close(&self) -> Result<()> {
        self.inner.state().closed = true;
        self.inner.progress.notify_all();
        let _ = (self.roller.send(Message::Stop), self.compactor.send(Message::Stop));
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let panicked = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        let mut state = self.inner.state();
        while state.is_anything_in_flight() {
            state = self.inner.wait(state);
        }
        drop(state);
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        if panicked == 0 { Ok(()) } else { Err(LakeError::Task("a background thread panicked".to_owned())) }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "failed to close the lake");
        }
    }
}

async fn ask(worker: &Sender<Message>) -> Result<()> {
    let (reply, answer) = oneshot::channel();
    worker.send(Message::Now(reply)).map_err(|_| LakeError::Closed)?;
    answer.await.map_err(|_| LakeError::Closed)?
}

fn run_rolls(inner: &Inner, messages: &Receiver<Message>, compactor: &Sender<Message>) {
    let mut retry_at: Option<Instant> = None;
    loop {
        let due = || match retry_at {
            Some(at) => Some(at.saturating_duration_since(Instant::now())),
            None => inner.roll_due_in(),
        };
        let (rolled, reply) = match receive(messages, due()) {
            Message::Stop => return,
            Message::Forget(..) => continue,
            Message::Now(reply) => (roll::roll_everything(inner), Some(reply)),
            // The message may have waited while another roll ran.
            Message::Look if due() != Some(Duration::ZERO) => continue,
            Message::Look => (roll::roll_what_is_due(inner), None),
        };
        retry_at = rolled.is_err().then(|| Instant::now() + RETRY);
        match (rolled, reply) {
            // The receiver is gone if the call was dropped.
            (rolled, Some(reply)) => drop(reply.send(rolled)),
            // A roll that was stopped is not a failure: the next start continues it.
            (Ok(()) | Err(LakeError::Closed), None) => {}
            (Err(error), None) => {
                tracing::error!(%error, "roll failed; the events stay in the journal and the roll is retried");
            }
        }
        let _ = compactor.send(Message::Look);
    }
}

fn run_compactions(inner: &Inner, messages: &Receiver<Message>) {
    loop {
        match receive(messages, None) {
            Message::Stop => return,
            Message::Now(reply) => {
                let _ = reply.send(guarded(|| compaction::compact_everything(inner)));
            }
            Message::Forget(before, reply) => {
                let _ = reply.send(guarded(|| retention::forget(inner, before)));
            }
            Message::Look if inner.options.auto_compaction => {
                match guarded(|| compaction::compact_what_is_due(inner)) {
                    // A compaction that was stopped is not a failure: the next start begins it anew.
                    Ok(()) | Err(LakeError::Closed) => {}
                    Err(error) => tracing::error!(%error, "compaction failed; the files are unchanged"),
                }
            }
            Message::Look => {}
        }
    }
}

/// Returns the next message. Returns `Look` if none arrives in time, and `Stop` if all senders are gone.
fn receive(messages: &Receiver<Message>, patience: Option<Duration>) -> Message {
    let received = match patience {
        Some(patience) => messages.recv_timeout(patience),
        None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match received {
        Ok(message) => message,
        Err(RecvTimeoutError::Timeout) => Message::Look,
        Err(RecvTimeoutError::Disconnected) => Message::Stop,
    }
}
