//! Embeds the sink in a plain program, with an event and a store of its own: `cargo run -p martech-examples --example embed`.

use std::{collections::BTreeMap, error::Error, sync::Mutex, time::Duration};

use martech_core::{
    Appended, Rejection, Store, StoreError,
    sink::{EventSink, Outcome},
};

struct PageView {
    page: String,
    millis: u32,
}

/// Adds up how long each page was looked at.
#[derive(Default)]
struct TimePerPage(Mutex<BTreeMap<String, u64>>);

impl Store<PageView> for TimePerPage {
    async fn append(&self, batch: &[PageView]) -> Result<Appended, StoreError> {
        let mut totals = self.0.lock().map_err(|_| StoreError::fatal("a writer panicked"))?;
        let mut appended = Appended::default();
        for (index, view) in batch.iter().enumerate() {
            if view.page.starts_with('/') {
                *totals.entry(view.page.clone()).or_default() += u64::from(view.millis);
                appended.stored += 1;
            } else {
                appended.rejected.push(Rejection::unfit(index, format!("`{}` is not a path", view.page)));
            }
        }
        Ok(appended)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = std::sync::Arc::new(TimePerPage::default());
    let sink = EventSink::builder().flush_interval(Duration::from_millis(10)).build(store.clone())?;

    for (page, millis) in [("/", 1_200), ("/shoes", 5_300), ("/", 800), ("shoes", 10)] {
        let receipt = sink.push(PageView { page: page.into(), millis }).await?;
        tokio::spawn(async move {
            if let Ok(Outcome::Rejected { reason, .. }) = receipt.await {
                println!("rejected: {reason}");
            }
        });
    }

    let report = sink.close(Duration::from_secs(5)).await;
    println!("{} stored, {} rejected, {} left", report.stats.stored, report.stats.rejected, report.unstored.len());
    println!("{:?}", store.0.lock().map_err(|_| "a writer panicked")?);
    Ok(())
}
