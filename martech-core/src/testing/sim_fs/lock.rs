use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. A panic under the lock leaves nothing half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
