use std::{path::Path, thread};

use martech_core::{
    Event, Lake, LakeOptions, Store,
    query::{JourneyPage, JourneyQuery, Reader},
};
use tokio::runtime::Runtime;

use super::{Contestant, Turns, row::Told};

pub(super) struct LakeStore {
    runtime: Runtime,
    lake: Lake,
}

impl LakeStore {
    pub(super) fn open(dir: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let lake = runtime.block_on(Lake::open(LakeOptions::new(dir))).expect("it opens");
        Self { runtime, lake }
    }
}

impl Contestant for LakeStore {
    fn append(&mut self, batches: &[Vec<Event>], in_flight: usize) -> usize {
        let turns = Turns::new(batches);
        let append = |events| self.runtime.block_on(self.lake.append(events)).expect("the disk takes events").stored;
        thread::scope(|scope| {
            let hands: Vec<_> = (0..in_flight).map(|_| scope.spawn(|| (&turns).map(append).sum::<usize>())).collect();
            hands.into_iter().map(|hand| hand.join().expect("a hand does not panic")).sum()
        })
    }

    fn journey(&mut self, user: &str) -> Vec<Told> {
        let query = JourneyQuery::new(user).limit(10_000);
        let JourneyPage { events, .. } = self.runtime.block_on(self.lake.journey(query)).expect("it answers");
        events.into_iter().map(Told::from).collect()
    }

    fn close(self: Box<Self>) {
        self.runtime.block_on(self.lake.close()).expect("it closes");
    }
}
