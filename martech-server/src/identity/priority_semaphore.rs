//! A semaphore with a bounded priority queue: waiters are served by their standing.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::throttle::Standing;

/// A semaphore with a bounded priority queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct PrioritySemaphore {
    queue: Arc<Mutex<Queue>>,
    max_waiting: usize,
}

struct Queue {
    free: usize,
    /// The waiters by standing, then first come, first served. Empty while a permit is free.
    waiting: BTreeMap<(Reverse<Standing>, u64), oneshot::Sender<PriorityPermit>>,
    arrivals: u64,
}

/// A permit. Dropping it passes it on to the first waiter.
pub(super) struct PriorityPermit(PrioritySemaphore);

impl PrioritySemaphore {
    pub(super) fn new(permits: usize, max_waiting: usize) -> Self {
        let queue = Queue { free: permits, waiting: BTreeMap::new(), arrivals: 0 };
        Self { queue: Arc::new(Mutex::new(queue)), max_waiting }
    }

    /// Waits for a permit. Returns `None` if the queue is full and this waiter ranks last, on arrival or later.
    pub(super) async fn take(&self, standing: Standing) -> Option<PriorityPermit> {
        let told = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Some(PriorityPermit(self.clone()));
            }
            queue.waiting.retain(|_, waiter| !waiter.is_closed());
            let (tell, told) = oneshot::channel();
            queue.arrivals += 1;
            let arrival = queue.arrivals;
            queue.waiting.insert((Reverse(standing), arrival), tell);
            if queue.waiting.len() > self.max_waiting {
                queue.waiting.pop_last();
            }
            told
        };
        told.await.ok()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.queue().free
    }
}

impl Drop for PriorityPermit {
    fn drop(&mut self) {
        let next = {
            let mut queue = self.0.queue();
            let next = queue.waiting.pop_first();
            queue.free += usize::from(next.is_none());
            next
        };
        if let Some((_, next)) = next {
            // If the waiter is gone, the permit in the message is dropped and passes to the next one.
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, task::JoinHandle, task::yield_now};

    use super::{super::throttle::Tries, *};

    fn stranger(wrong: u32) -> Standing {
        Standing::Stranger(Tries { wrong: Reverse(wrong), ..Tries::default() })
    }

    /// Queues a task that sends `name` when it gets its permit. The task returns whether it got one.
    async fn wait(
        semaphore: &PrioritySemaphore,
        standing: Standing,
        name: &'static str,
        told: &mpsc::UnboundedSender<&'static str>,
    ) -> JoinHandle<bool> {
        let (own, told) = (semaphore.clone(), told.clone());
        let arrivals = semaphore.queue().arrivals;
        let waiter = tokio::spawn(async move {
            let permit = own.take(standing).await;
            permit.is_some_and(|_permit| told.send(name).is_ok())
        });
        while semaphore.queue().arrivals == arrivals {
            yield_now().await;
        }
        waiter
    }

    #[tokio::test]
    async fn serves_best_standing_first_and_rejects_the_worst() {
        let (semaphore, (told, mut names)) = (PrioritySemaphore::new(1, 4), mpsc::unbounded_channel());
        let first = semaphore.take(stranger(0)).await.unwrap();
        let bad = wait(&semaphore, stranger(7), "seven were wrong", &told).await;
        let early = wait(&semaphore, stranger(0), "came early", &told).await;
        let gone = wait(&semaphore, stranger(0), "went away", &told).await;
        let late = wait(&semaphore, stranger(0), "came late", &told).await;
        assert_eq!(semaphore.waiting(), 4);
        let known = wait(&semaphore, Standing::Known, "is known", &told).await;
        assert!(!bad.await.unwrap(), "there was no room for both");
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        let worse = wait(&semaphore, stranger(1), "one was wrong", &told).await;
        assert_eq!(semaphore.waiting(), 4, "a disconnected client frees its place");
        assert!(semaphore.take(stranger(1)).await.is_none(), "a later request is refused");
        drop(first);
        for waiter in [known, early, late, worse] {
            assert!(waiter.await.unwrap());
        }
        drop(told);
        let mut order = Vec::new();
        while let Some(name) = names.recv().await {
            order.push(name);
        }
        assert_eq!(order, ["is known", "came early", "came late", "one was wrong"]);
        assert_eq!(semaphore.free(), 1);
    }

    #[tokio::test]
    async fn cancelled_waiter_passes_its_turn_on() {
        let (semaphore, (told, _names)) = (PrioritySemaphore::new(1, 4), mpsc::unbounded_channel());
        let first = semaphore.take(Standing::Known).await.unwrap();
        let gone = wait(&semaphore, stranger(0), "went away", &told).await;
        let next = wait(&semaphore, stranger(1), "comes next", &told).await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(first);
        assert!(next.await.unwrap());
        assert_eq!(semaphore.free(), 1);
    }
}
