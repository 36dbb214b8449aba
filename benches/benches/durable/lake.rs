use std::{path::Path, thread};

use martech_core::{
    Event, Lake, LakeOptions, Store,
    query::{JourneyPage, JourneyQuery, Reader},
};
use tokio::runtime::Runtime;

use super::{Contestant, SharedBatches, row::StoredEvent};

pub(super) struct LakeStore {
    runtime: Runtime,
    lake: Lake,
}

impl LakeStore {
    pub(super) fn open(dir: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime can be created");
        let lake = runtime.block_on(Lake::open(LakeOptions::new(dir))).expect("the lake opens");
        Self { runtime, lake }
    }
}

impl Contestant for LakeStore {
    fn append(&mut self, batches: &[Vec<Event>], in_flight: usize) -> usize {
        let batches = SharedBatches::new(batches);
        let append = |events| self.runtime.block_on(self.lake.append(events)).expect("the disk accepts events").stored;
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..in_flight).map(|_| scope.spawn(|| (&batches).map(append).sum::<usize>())).collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).sum()
        })
    }

    fn journey(&mut self, user: &str) -> Vec<StoredEvent> {
        let query = JourneyQuery::new(user).limit(10_000);
        let JourneyPage { events, .. } = self.runtime.block_on(self.lake.journey(query)).expect("the query succeeds");
        events.into_iter().map(StoredEvent::from).collect()
    }

    fn close(self: Box<Self>) {
        self.runtime.block_on(self.lake.close()).expect("the lake closes");
    }
}
