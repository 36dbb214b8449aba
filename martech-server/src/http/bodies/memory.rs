//! Memory budget that all bodies share, and the choice of the body to displace when memory is short.
//!
//! - Bodies of up to 64 KiB have a reserve of one eighth, so that large ones cannot keep them out.
//! - One holder (a secret key, or else an address) may hold half of the rest, or two of the largest bodies, whichever
//!   is more.
//! - When there is no memory, the slowest body is displaced, so that a new one is not rejected because of it. The
//!   slowness of a body is the time that all memory of its holder would take at the present rate of the body. An idle
//!   body of a few bytes therefore stays while an idle one of many MiB is displaced, and a sender with many bodies
//!   loses one sooner than a sender with one.
//!
//! A small body that arrives in one piece only takes permits from a semaphore. A body is listed when the server waits
//! for more of it, or when it does not fit the reserve.

mod list;

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use self::list::List;
use crate::{
    http::error::{ApiError, catalogue},
    util::network,
};

/// Maximum size of a body that may use the reserve.
const SMALL: usize = 64 << 10;
/// Maximum wait for the memory of displaced bodies.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(1);
/// Owner of the memory that a body uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// A secret key, by its id.
    Key(String),
    /// Any other sender, by address; for IPv6, by /64.
    Address(IpAddr),
}

impl Holder {
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

/// The memory of all bodies.
#[derive(Debug)]
pub(super) struct BodyMemory {
    small: Part,
    large: Part,
    /// Maximum that one holder may have of the large part.
    share: usize,
    list: Mutex<List>,
}

/// A part of the memory, in bytes.
#[derive(Debug)]
struct Part {
    free: Arc<Semaphore>,
    size: usize,
}

impl Part {
    fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(size)), size }
    }

    fn held(&self) -> usize {
        self.size.saturating_sub(self.free.available_permits())
    }

    fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_many_owned(permits(bytes)).ok()
    }

    /// Waits for memory. The semaphore is never closed.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_many_owned(permits(bytes)).await.ok()
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl BodyMemory {
    /// Creates a budget of `bytes` bytes, or more if a body of `largest` bytes would not fit otherwise.
    pub(super) fn new(bytes: usize, largest: usize) -> Arc<Self> {
        let reserve = bytes / 8;
        let large = (bytes - reserve).max(largest);
        let share = (large / 2).max(largest.saturating_mul(2)).min(large);
        Arc::new(Self { small: Part::new(reserve), large: Part::new(large), share, list: Mutex::default() })
    }

    pub(super) fn held(&self) -> usize {
        self.small.held() + self.large.held()
    }

    pub(super) fn size(&self) -> usize {
        self.small.size + self.large.size
    }

    /// Returns the charge of a new body, which holds nothing yet.
    pub(super) fn charge(self: &Arc<Self>, holder: Holder) -> Charge {
        Charge { memory: self.clone(), holder, bytes: 0, small: None, large: None, number: None }
    }

    /// Locks the list. A poisoned lock is fine: no code that holds it can leave the list in an inconsistent state.
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that a body holds, released on drop.
#[derive(Debug)]
pub(crate) struct Charge {
    memory: Arc<BodyMemory>,
    holder: Holder,
    bytes: usize,
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    /// Number of the body in the list, if it is listed.
    number: Option<u64>,
}

impl Charge {
    /// Takes more memory. If none is left, displaces the slowest bodies first, or fails if this body is the slowest.
    pub(super) async fn add(&mut self, more: usize) -> Result<(), ApiError> {
        if self.add_small(more) {
            return Ok(());
        }
        self.enlist();
        if !self.memory.list().makes_share(self.number, more, self.memory.share) {
            return Err(catalogue::sender_overloaded(self.memory.share));
        }
        if self.add_large(more) {
            return Ok(());
        }
        let total = self.bytes + more;
        let fits_reserve = self.large.is_none() && total <= SMALL;
        if !self.memory.list().makes_room(self.number, if self.large.is_none() { total } else { more }, !fits_reserve) {
            return Err(catalogue::overloaded());
        }
        timeout(MEMORY_TIMEOUT, self.wait(more, fits_reserve)).await.map_err(|_| catalogue::overloaded())
    }

    /// Does the same as [`add`](Self::add), on a thread that may block.
    pub(super) fn add_blocking(&mut self, more: usize) -> Result<(), ApiError> {
        if self.add_small(more) { Ok(()) } else { Handle::current().block_on(self.add(more)) }
    }

    /// Waits for more of the body. Fails if the body is displaced in the meantime.
    pub(super) async fn while_held<T>(
        &mut self,
        more: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let mut more = pin!(more);
        poll_fn(|context| match more.as_mut().poll(context) {
            Poll::Pending if self.is_displaced(context) => Poll::Ready(Err(catalogue::body_displaced())),
            polled => polled,
        })
        .await
    }

    /// Marks the body as complete: it can no longer be displaced.
    pub(super) fn complete(&mut self) {
        if let Some(number) = self.number {
            self.memory.list().settle(number);
        }
    }

    fn add_small(&mut self, more: usize) -> bool {
        if self.large.is_some() || self.bytes + more > SMALL {
            return false;
        }
        let Some(permit) = self.memory.small.try_take(more) else { return false };
        self.hold_small(permit, more);
        true
    }

    fn add_large(&mut self, more: usize) -> bool {
        let wanted = if self.large.is_none() { self.bytes + more } else { more };
        let Some(permit) = self.memory.large.try_take(wanted) else { return false };
        self.hold_large(permit, more);
        true
    }

    async fn wait(&mut self, more: usize, fits_reserve: bool) {
        let (memory, wanted) = (self.memory.clone(), if self.large.is_none() { self.bytes + more } else { more });
        let reserve = async { if fits_reserve { memory.small.take(more).await } else { std::future::pending().await } };
        tokio::select! {
            Some(permit) = reserve => self.hold_small(permit, more),
            Some(permit) = memory.large.take(wanted) => self.hold_large(permit, more),
            else => {}
        }
    }

    fn hold_small(&mut self, permit: OwnedSemaphorePermit, more: usize) {
        hold(&mut self.small, permit);
        self.grow(more);
    }

    /// Takes a permit of the large part. A body that becomes large leaves the reserve.
    fn hold_large(&mut self, permit: OwnedSemaphorePermit, more: usize) {
        hold(&mut self.large, permit);
        self.small = None;
        self.grow(more);
    }

    fn grow(&mut self, more: usize) {
        self.bytes += more;
        if let Some(number) = self.number {
            self.memory.list().grow(number, more, self.large.is_some());
        }
    }

    fn enlist(&mut self) {
        if self.number.is_none() {
            let number = self.memory.list().add(self.holder.clone(), self.bytes, self.large.is_some());
            self.number = Some(number);
        }
    }

    /// Returns whether the body is displaced. If not, the task is woken when it is.
    fn is_displaced(&mut self, context: &Context<'_>) -> bool {
        if self.bytes == 0 {
            return false;
        }
        self.enlist();
        self.number.is_some_and(|number| self.memory.list().wait(number, context.waker()))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.memory.list().remove(number);
        }
    }
}

fn hold(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}

#[cfg(test)]
mod tests;
