//! A shop that sends the events of a few users, and keeps a ledger of what became of them.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use crate::{
    board::Board,
    client::{Client, Gone},
};

/// An event that was sent at least once.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    user: String,
    occurred_at: String,
    number: u64,
    /// Whether a request had it, answered or not.
    tried: bool,
    pub(crate) acknowledged: bool,
}

/// Users of its own, so that nobody else changes their journeys.
pub(crate) struct Sender {
    number: u64,
    random: fastrand::Rng,
    client: Option<Client>,
    ledger: HashMap<Uuid, Sent>,
    /// The ids of the ledger, to choose from.
    ids: Vec<Uuid>,
}

impl Sender {
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { number, random, client: None, ledger: HashMap::new(), ids: Vec::new() }
    }

    /// Sends and reads until the test ends; returns the ledger.
    pub(crate) fn run(mut self, board: &Board) -> HashMap<Uuid, Sent> {
        let mut failed = None;
        while let Some(addr) = board.addr() {
            let client = match self.client.take() {
                Some(client) if client.addr() == addr => client,
                _ => Client::new(addr),
            };
            let batch = failed.take().unwrap_or_else(|| self.batch());
            match self.send(&client, &batch) {
                Ok(acknowledged) => board.acknowledge(acknowledged),
                // What nobody acknowledged may be there or not. Mostly it is tried again.
                Err(Gone) if self.random.u8(0..4) > 0 => failed = Some(batch),
                Err(Gone) => {}
            }
            if self.random.u8(0..20) == 0 {
                // A server that is killed meanwhile cannot answer.
                let _ = self.check_a_journey(&client);
            }
            self.client = Some(client);
        }
        self.ledger
    }

    /// What to send at once; an event may be in it twice, and may have been sent before.
    fn batch(&mut self) -> Vec<Uuid> {
        let len = if self.random.bool() { 1 } else { self.random.usize(2..200) };
        (0..len)
            .map(|_| match self.random.choice(&self.ids) {
                Some(id) if self.random.u8(0..8) == 0 => *id,
                _ => self.event(),
            })
            .collect()
    }

    /// Makes a new event.
    fn event(&mut self) -> Uuid {
        let random = &mut self.random;
        let id = Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid();
        let occurred_at = format!(
            "2026-01-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            random.u8(1..6),
            random.u8(0..24),
            random.u8(0..60),
            random.u8(0..60),
            random.u16(0..1000)
        );
        let user = format!("sender{}-user{}", self.number, random.u8(0..10));
        let number = self.ids.len() as u64;
        self.ledger.insert(id, Sent { user, occurred_at, number, tried: false, acknowledged: false });
        self.ids.push(id);
        id
    }

    /// Sends a batch; returns how many events are acknowledged that were not before.
    fn send(&mut self, client: &Client, batch: &[Uuid]) -> Result<usize, Gone> {
        let body = body(batch, &self.ledger);
        let distinct: HashSet<_> = batch.iter().collect();
        let (mut new, mut unknown) = (0, 0);
        for id in &distinct {
            let event = self.ledger.get_mut(id).unwrap();
            unknown += usize::from(!event.acknowledged);
            new += usize::from(!std::mem::replace(&mut event.tried, true));
        }
        let answer = client.post(&body)?;
        let [accepted, duplicates, rejected] =
            ["accepted", "duplicates", "rejected"].map(|name| answer[name].as_u64().unwrap() as usize);
        assert_eq!((accepted + duplicates, rejected), (batch.len(), 0), "{answer}");
        assert!((new..=unknown).contains(&accepted), "{new} new events, {unknown} that may be new, yet {answer}");
        for id in distinct {
            self.ledger.get_mut(id).unwrap().acknowledged = true;
        }
        Ok(unknown)
    }

    /// Every event of the user that is acknowledged is there, once, and nothing that was not sent.
    fn check_a_journey(&mut self, client: &Client) -> Result<(), Gone> {
        let Some(some) = self.random.choice(&self.ids) else { return Ok(()) };
        let user = &self.ledger[some].user;
        let events = client.journey(user, self.random.usize(50..=1000))?;
        let mut found = HashSet::new();
        for event in &events {
            let id: Uuid = event["eventId"].as_str().unwrap().parse().unwrap();
            assert!(found.insert(id), "{event} is there twice");
            assert!(self.ledger.get(&id).is_some_and(|sent| sent.is_told_by(event)), "{event} was not sent so");
        }
        for (id, sent) in &self.ledger {
            assert!(sent.user != *user || !sent.acknowledged || found.contains(id), "{id} {sent:?} is not there");
        }
        Ok(())
    }
}

impl Sent {
    /// Whether an event of a journey is this one.
    pub(crate) fn is_told_by(&self, event: &Value) -> bool {
        event["userId"].as_str().is_none_or(|user| user == self.user)
            && event["occurredAt"] == *self.occurred_at
            && event["properties"]["number"] == self.number
    }
}

/// Sends all acknowledged events once more: all of them are duplicates.
pub(crate) fn send_again(client: &Client, sent: &HashMap<Uuid, Sent>) {
    let ids: Vec<_> = sent.iter().filter(|(_, event)| event.acknowledged).map(|(id, _)| *id).collect();
    for ids in ids.chunks(2_000) {
        let answer = client.post(&body(ids, sent)).unwrap();
        assert_eq!(
            (&answer["accepted"], &answer["duplicates"]),
            (&json!(0), &json!(ids.len())),
            "{}",
            answer["accepted"]
        );
    }
}

/// One event as it is, several as a list.
fn body(ids: &[Uuid], ledger: &HashMap<Uuid, Sent>) -> Value {
    let event = |id: &Uuid| {
        let Sent { user, occurred_at, number, .. } = &ledger[id];
        json!({
            "eventId": id,
            "userId": user,
            "type": "page_view",
            "occurredAt": occurred_at,
            "properties": { "page": format!("/products/{}", number % 50), "number": number },
        })
    };
    match ids {
        [id] => event(id),
        ids => ids.iter().map(event).collect(),
    }
}
