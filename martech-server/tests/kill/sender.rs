//! A client that sends the events of a few users, and records the outcome of each in a ledger.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{
    board::{Activity, Board},
    client::{Client, Encoding, Format, Gone},
    ledger::{Ledger, name_of},
};

pub(crate) struct Sender<'a> {
    board: &'a Board,
    random: fastrand::Rng,
    ledger: Ledger,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(board: &'a Board, source: u32, random: fastrand::Rng) -> Self {
        Self { board, random, ledger: Ledger::new(source) }
    }

    /// Sends and reads until the test ends. Returns the ledger.
    pub(crate) fn run(mut self) -> Ledger {
        let mut failed = None;
        let mut client: Option<Client<'_>> = None;
        while let Some(server) = self.board.server() {
            let client = match client.take() {
                Some(known) if known.server == server => client.insert(known),
                _ => client.insert(Client::new(self.board, server)),
            };
            let batch = failed.take().unwrap_or_else(|| self.batch());
            let activity = if batch.len() == 1 { Activity::Single } else { Activity::Batch };
            match self.board.during(activity, || self.send(client, &batch)) {
                Ok(acknowledged) => self.board.acknowledge(acknowledged),
                // The outcome of an unanswered batch is unknown. Most of them are sent again.
                Err(Gone) if self.random.u8(0..4) > 0 => failed = Some(batch),
                Err(Gone) => {}
            }
            if self.random.u8(0..20) == 0 {
                // The request fails if the server is killed meanwhile.
                let _ = self.board.during(Activity::Query, || self.check_a_journey(client));
            }
        }
        self.ledger
    }

    /// Chooses the events of a batch. The batch may contain an event twice, and events that were sent before.
    fn batch(&mut self) -> Vec<usize> {
        let len = if self.random.bool() { 1 } else { self.random.usize(2..50) };
        (0..len)
            .map(|_| match self.ledger.events.len() {
                known @ 1.. if self.random.u8(0..8) == 0 => self.random.usize(..known),
                _ => self.ledger.add(&mut self.random, true),
            })
            .collect()
    }

    /// Sends a batch. Returns how many events it acknowledged that were not acknowledged before.
    fn send(&mut self, client: &Client<'_>, batch: &[usize]) -> Result<usize, Gone> {
        let body: Vec<Value> = batch.iter().map(|&number| self.ledger.json(number)).collect();
        let format = *self.random.choice(&[Format::Array, Format::Object, Format::Lines]).unwrap();
        let encoding =
            *self.random.choice(&[Encoding::Plain, Encoding::Plain, Encoding::Gzip, Encoding::Zstd]).unwrap();
        let ack = *self.random.choice(&["durable", "durable", "durable", "stored", "buffered"]).unwrap();
        let distinct: HashSet<usize> = batch.iter().copied().collect();
        let (mut new, mut unknown) = (0, 0);
        for &number in &distinct {
            let event = &mut self.ledger.events[number];
            unknown += usize::from(!event.acknowledged);
            new += usize::from(!std::mem::replace(&mut event.tried, true));
        }
        let answer = client.post(ack, &body, format, encoding)?;
        let [accepted, duplicates, rejected] =
            ["accepted", "duplicates", "rejected"].map(|name| answer[name].as_u64().unwrap() as usize);
        assert_eq!((accepted + duplicates, rejected), (batch.len(), 0), "{answer}");
        if ack == "buffered" {
            self.remember_promise(client, &distinct);
            return Ok(0);
        }
        assert!((new..=unknown).contains(&accepted), "{new} new events, {unknown} that may be new, but {answer}");
        distinct.into_iter().for_each(|number| self.ledger.acknowledge(number));
        Ok(unknown)
    }

    /// Records which run of the server buffered the events. A run that ends cleanly stores them. Does nothing if the
    /// run is no longer serving, because the response came too late to promise that.
    fn remember_promise(&mut self, client: &Client<'_>, events: &HashSet<usize>) {
        if !self.board.is_serving(client.server) {
            return;
        }
        for &number in events {
            let event = &mut self.ledger.events[number];
            let earlier = event.buffered.replace(client.server.run);
            event.acknowledged |= earlier.is_some_and(|run| self.board.ended_well(run));
        }
    }

    /// Asserts that the journey of a user has every acknowledged event exactly once, and only events that were sent.
    fn check_a_journey(&mut self, client: &Client<'_>) -> Result<(), Gone> {
        let known = self.ledger.events.len();
        if known == 0 {
            return Ok(());
        }
        let user = self.ledger.user(self.random.usize(..known));
        let events = client.journey(&user, self.random.usize(50..=1000))?;
        let mut found = HashSet::new();
        for event in &events {
            let (source, number) = name_of(event);
            assert!(found.insert(number), "{event} is stored twice");
            assert!(
                source == self.ledger.source && self.ledger.tells(number, event),
                "{event} differs from the ledger"
            );
        }
        for (number, sent) in self.ledger.events.iter().enumerate() {
            let expected = sent.acknowledged && self.ledger.user(number) == user;
            assert!(!expected || found.contains(&number), "{number} {sent:?} is missing");
        }
        Ok(())
    }
}

/// Sends all acknowledged events once more, and asserts that all are duplicates.
pub(crate) fn send_again(client: &Client<'_>, ledgers: &[Ledger]) {
    for ledger in ledgers {
        let events = ledger.events.iter().enumerate().filter(|(_, sent)| sent.acknowledged && sent.id.is_some());
        let numbers: Vec<usize> = events.map(|(number, _)| number).collect();
        for numbers in numbers.chunks(2_000) {
            let body: Vec<Value> = numbers.iter().map(|&number| ledger.json(number)).collect();
            let answer = client.post("durable", &body, Format::Lines, Encoding::Zstd).unwrap();
            let [accepted, duplicates] = ["accepted", "duplicates"].map(|name| &answer[name]);
            assert_eq!((accepted, duplicates), (&json!(0), &json!(numbers.len())), "source {}", ledger.source);
        }
    }
}
