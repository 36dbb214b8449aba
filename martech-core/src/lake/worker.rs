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

use crate::lake::{
    engine::{Engine, job::Job},
    error::{LakeError, Result, guarded},
    maintain::{compaction, retention},
    write::roll,
};

/// The delay before a failed roll is retried.
const RETRY: Duration = Duration::from_secs(5);

/// The running threads. They stop when the last handle of the lake is dropped.
#[derive(Debug)]
pub(crate) struct Workers {
    engine: Arc<Engine>,
    roller: Sender<Job>,
    compactor: Sender<Job>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Workers {
    pub(crate) fn start(engine: Engine) -> Self {
        let engine = Arc::new(engine);
        let (roller, rolls) = mpsc::channel();
        let (compactor, compactions) = mpsc::channel();
        engine.state().roller = Some(roller.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).expect("the system can start two threads")
        };
        let (rolling, compacting, look) = (engine.clone(), engine.clone(), compactor.clone());
        let threads = vec![
            spawn("lake-roll", Box::new(move || run_rolls(&rolling, &rolls, &look))),
            spawn("lake-compact", Box::new(move || run_compactions(&compacting, &compactions))),
        ];
        let workers = Self { engine, roller, compactor, threads: Mutex::new(threads) };
        // Continue the work that an earlier run left.
        let _ = (workers.roller.send(Job::Due), workers.compactor.send(Job::Due));
        workers
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) async fn roll(&self) -> Result<()> {
        ask(&self.roller).await
    }

    pub(crate) async fn compact(&self) -> Result<()> {
        ask(&self.compactor).await
    }

    pub(crate) async fn remove_before(&self, before: i32) -> Result<u64> {
        let (reply, answer) = oneshot::channel();
        self.compactor.send(Job::Forget(before, reply)).map_err(|_| LakeError::Closed)?;
        answer.await.map_err(|_| LakeError::Closed)?
    }

    /// Stops the threads, waits for batches on their way to the journal, and releases the folder.
    pub(crate) fn close(&self) -> Result<()> {
        self.engine.state().closed = true;
        self.engine.progress.notify_all();
        let _ = (self.roller.send(Job::Stop), self.compactor.send(Job::Stop));
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let panicked = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        let mut state = self.engine.state();
        while state.is_anything_in_flight() {
            state = self.engine.wait(state);
        }
        drop(state);
        self.engine.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
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

async fn ask(worker: &Sender<Job>) -> Result<()> {
    let (reply, answer) = oneshot::channel();
    worker.send(Job::All(reply)).map_err(|_| LakeError::Closed)?;
    answer.await.map_err(|_| LakeError::Closed)?
}

fn run_rolls(engine: &Engine, messages: &Receiver<Job>, compactor: &Sender<Job>) {
    let mut retry_at: Option<Instant> = None;
    loop {
        let due = || match retry_at {
            Some(at) => Some(at.saturating_duration_since(Instant::now())),
            None => engine.roll_due_in(),
        };
        let (rolled, reply) = match receive(messages, due()) {
            Job::Stop => return,
            Job::Forget(..) => continue,
            Job::All(reply) => (roll::roll_everything(engine), Some(reply)),
            // The message may have waited while another roll ran.
            Job::Due if due() != Some(Duration::ZERO) => continue,
            Job::Due => (roll::roll_what_is_due(engine), None),
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
        let _ = compactor.send(Job::Due);
    }
}

fn run_compactions(engine: &Engine, messages: &Receiver<Job>) {
    loop {
        match receive(messages, None) {
            Job::Stop => return,
            Job::All(reply) => {
                let _ = reply.send(guarded(|| compaction::compact_everything(engine)));
            }
            Job::Forget(before, reply) => {
                let _ = reply.send(guarded(|| retention::remove_before(engine, before)));
            }
            Job::Due if engine.options.auto_compaction => {
                match guarded(|| compaction::compact_what_is_due(engine)) {
                    // A compaction that was stopped is not a failure: the next start begins it anew.
                    Ok(()) | Err(LakeError::Closed) => {}
                    Err(error) => tracing::error!(%error, "compaction failed; the files are unchanged"),
                }
            }
            Job::Due => {}
        }
    }
}

/// Returns the next message. Returns `Look` if none arrives in time, and `Stop` if all senders are gone.
fn receive(messages: &Receiver<Job>, timeout: Option<Duration>) -> Job {
    let received = match timeout {
        Some(timeout) => messages.recv_timeout(timeout),
        None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match received {
        Ok(message) => message,
        Err(RecvTimeoutError::Timeout) => Job::Due,
        Err(RecvTimeoutError::Disconnected) => Job::Stop,
    }
}
