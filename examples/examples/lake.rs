//! Stores events in a lake and queries them: `cargo run -p martech-examples --features lake --example lake`.

use std::error::Error;

use martech_core::{
    Event, EventSink,
    event::{EventRules, EventType},
    lake::{Lake, LakeOptions},
    query::{JourneyQuery, Reader},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let lake = Lake::open(LakeOptions::new(folder.path())).await?;
    let sink = EventSink::builder().build(lake.clone())?;

    let rules = EventRules::default();
    for page in ["/", "/shoes", "/cart"] {
        let event = Event::builder("u1", EventType::PAGE_VIEW).property("page", page).build(&rules)?;
        // The push waits for room in the queue, the receipt for the disk.
        sink.push(event).await?.await?;
    }

    let journey = lake.journey(JourneyQuery::new("u1")).await?;
    for event in &journey.events {
        println!("{} {}", event.event_type.as_str(), event.properties.as_deref().unwrap_or_default());
    }
    lake.close().await?;
    Ok(())
}
