//! Keeps events on disk while the store behind it is unavailable: `cargo run -p martech-examples --example spool`.

use std::{
    error::Error,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use martech_core::{
    Appended, MemoryStore, Store, StoreError,
    spool::{SpoolOptions, Spooled},
};

/// A store in another place, which is away at first.
#[derive(Clone)]
struct Remote {
    events: MemoryStore<String>,
    is_away: Arc<AtomicBool>,
}

impl Store<String> for Remote {
    async fn append(&self, batch: &[String]) -> Result<Appended, StoreError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(StoreError::retry("the remote store is away"));
        }
        self.events.append(batch).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let remote = Remote { events: MemoryStore::new(), is_away: Arc::new(AtomicBool::new(true)) };
    let spool = Spooled::open(SpoolOptions::new(folder.path()), remote.clone(), |letter| {
        eprintln!("{} was refused: {}", letter.event, letter.reason);
    })
    .await?;

    // Durable on this disk, although the remote store is away.
    spool.append(&["a page view".to_owned(), "a purchase".to_owned()]).await?;
    println!("behind: {}, remote: {}", spool.status().behind_events, remote.events.len());

    remote.is_away.store(false, Ordering::Relaxed);
    spool.forwarded().await;
    println!("behind: {}, remote: {}", spool.status().behind_events, remote.events.len());
    spool.close(Duration::from_secs(5)).await;
    Ok(())
}
