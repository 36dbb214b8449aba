//! Fills a lake with events of a shop, as large as `benches/analytics` wants it.
//!
//! `cargo run --release -p martech-benches --example fill -- <folder> [events]`
//!
//! Thirty days up to 2026-11-01, UTC. In the end everything is rolled and compacted, as it is after a while without load.

use std::error::Error;

use martech_benches::Shop;
use martech_core::{Lake, LakeOptions, Store, event::Timestamp};

const BATCH: usize = 2_000;
const DAYS: u32 = 30;
/// The last millisecond before 2026-11-01, UTC: the last event falls on it.
const END: Timestamp = Timestamp::from_millis(1_793_491_199_999);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: fill <folder> [events]")?;
    let count: u64 = arguments.next().map_or(Ok(20_000_000), |count| count.parse())?;
    let lake = Lake::open(LakeOptions::new(dir)).await?;
    // Ten events a user: two visits, on two days.
    let mut shop = Shop::new(count, count / 10, DAYS, END);
    for _ in 0..count.div_ceil(BATCH as u64) {
        lake.append(&shop.events(BATCH)).await?;
    }
    lake.roll().await?;
    lake.compact().await?;
    let status = lake.status();
    println!("{} events in {} files, {} bytes", status.events, status.files, status.file_bytes);
    lake.close().await?;
    Ok(())
}
