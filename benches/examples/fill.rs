//! Fills a lake with a shop's events, for `benches/analytics` and `benches/dashboard`.
//!
//! `cargo run --release -p martech-benches --example fill -- <folder> [events] [days] [end]`
//!
//! The events span the thirty days before 2026-11-01, UTC, or the given number of days before `end`, in milliseconds
//! since 1970. At the end the lake is rolled and compacted, as it is after a period without load.

use std::error::Error;

use martech_benches::Shop;
use martech_core::{Lake, LakeOptions, Store, event::Timestamp};

const BATCH: usize = 2_000;
const DAYS: u32 = 30;
/// The last millisecond before 2026-11-01, UTC, which is the time of the last event.
const END: Timestamp = Timestamp::from_millis(1_793_491_199_999);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: fill <folder> [events] [days] [end]")?;
    let count: u64 = arguments.next().map_or(Ok(20_000_000), |count| count.parse())?;
    let days: u32 = arguments.next().map_or(Ok(DAYS), |days| days.parse())?;
    let end = arguments.next().map_or(Ok(END), |end| end.parse().map(Timestamp::from_millis))?;
    let lake = Lake::open(LakeOptions::new(dir)).await?;
    // Ten events per user: two visits, on two days.
    let mut shop = Shop::new(count, count / 10, days, end);
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
