//! How long a task waits for a thread of the runtime.

use std::time::{Duration, Instant};

use tokio::{task::yield_now, time::sleep};

/// Gets in line again and again, and tells how long it waited: by how much it woke late, and how long it took until it was its
/// turn once more, behind all who were there.
pub(super) async fn watch(every: Duration, mut tell: impl FnMut(Duration) + Send) {
    loop {
        let due = Instant::now() + every;
        sleep(every).await;
        let woke = Instant::now();
        yield_now().await;
        let late = woke.saturating_duration_since(due).saturating_sub(TICK);
        tell(late + woke.elapsed());
    }
}

/// Timers go by milliseconds.
const TICK: Duration = Duration::from_millis(1);
