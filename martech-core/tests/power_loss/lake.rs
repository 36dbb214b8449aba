//! A seeded run of the lake.

use std::{path::Path, sync::Arc, time::Duration};

use fastrand::Rng;
use martech_core::{
    Event, Rejection, Store,
    lake::{Lake, LakeError, LakeOptions, repair::Losses, verify::Kind},
    store::{Appended, StoreError},
    testing::SimFs,
};
use tokio::task::{spawn_blocking, yield_now};

use crate::{
    draw::{self, End},
    files, inspection,
    model::{Seen, Shop},
    seeds::Log,
};

const DIR: &str = "/shop/data";
/// Upper bound of an event's size in the hot table.
const EVENT_BYTES: usize = 1500;

/// Runs a seed. Returns the fingerprint of all its changes to disks.
pub(crate) fn run(seed: u64, log: &Log) -> u64 {
    // With one blocking thread, concurrent requests are admitted in the order in which they were made.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let mut run = Run::new(seed, log);
        let mut lake = run.open().await;
        for round in 0..run.random.usize(1..4) {
            log.say(format_args!("round {round}"));
            run.work(&lake).await;
            let end = draw::end(&mut run.random);
            run.end(lake, end).await;
            lake = run.open().await;
        }
        if run.random.u8(..4) == 0 {
            run.damage(lake).await
        } else {
            run.finish(lake).await
        }
        run.prints ^ run.disk.fingerprint()
    })
}

struct Run<'a> {
    log: &'a Log,
    random: Rng,
    shop: Shop,
    disk: SimFs,
    options: LakeOptions,
    /// Probability of a fault, in sixteenths.
    faults: u8,
    /// Upper bound of the bytes in the hot table.
    hot: usize,
    /// Whether the last roll failed. In that case the next append triggers a roll.
    roll_failed: bool,
    /// A group of frames torn by a power loss may look like damage.
    power_was_lost: bool,
    /// Fingerprints of the previous disks.
    prints: u64,
}

impl<'a> Run<'a> {
    fn new(seed: u64, log: &'a Log) -> Self {
        let mut random = Rng::with_seed(seed);
        let options = LakeOptions::new(DIR)
            .roll_bytes(1 << random.u32(10..20))
            .roll_age(Duration::from_secs(3600))
            // Either so few that files have many days, or enough for all days.
            .roll_windows(if random.bool() { random.usize(1..6) } else { 16 })
            // Either so little that indexes are read bucket by bucket, or enough for all of them.
            .dedupe_memory(if random.bool() { 100 } else { 1 << 20 })
            .journal_capacity(1 << random.u32(13..21))
            .auto_compaction(false);
        log.say(format_args!(
            "rolls at {} or so, {} windows, journal {}",
            options.roll_bytes, options.roll_windows, options.journal_capacity
        ));
        let shop = Shop::new(&mut random);
        let faults = [0, 2, 6][random.usize(..3)];
        Self {
            log,
            random,
            shop,
            disk: SimFs::new(),
            options,
            faults,
            hot: 0,
            roll_failed: false,
            power_was_lost: false,
            prints: 0,
        }
    }

    /// Whether the disk still has power.
    fn lives(&self) -> bool {
        self.disk.after_power_loss().is_none()
    }

    fn replace(&mut self, disk: SimFs) {
        self.prints = self.prints.rotate_left(1) ^ self.disk.fingerprint();
        self.disk = disk;
    }

    /// Opens the lake, with failures and power losses in between, and checks its contents.
    async fn open(&mut self) -> Lake {
        for _ in 0..self.random.usize(..4) {
            if self.random.bool() {
                let (changes, crash) = (self.random.u64(..40), draw::crash(&mut self.random));
                self.log.say(format_args!("the power goes after {changes} more changes: {crash:?}"));
                self.disk.lose_power_after(changes, crash);
            }
            if self.random.u8(..16) < self.faults {
                let fault = draw::fault(&mut self.random);
                self.log.say(format_args!("while opening {fault:?}"));
                self.disk.inject(fault);
            }
            let opened = self.try_open().await;
            self.disk.heal();
            if let Some(after) = self.disk.after_power_loss() {
                self.log.say(format_args!("power lost while opening"));
                self.power_was_lost = true;
                drop(opened);
                self.replace(after);
            } else if let Ok(lake) = opened {
                // The lake was opened and not used. Half of the time it is closed, otherwise dropped.
                if self.random.bool() {
                    lake.close().await.unwrap();
                }
            }
        }
        let disk = self.disk.copy();
        self.replace(disk);
        let lake = self.try_open().await.unwrap_or_else(|error| panic!("it does not open: {error}"));
        assert!(self.power_was_lost || lake.status().journal_damage == 0, "damage, and no bit was flipped");
        let seen = self.shop.look(&lake).await.unwrap();
        self.shop.reopened(&seen);
        self.agree(&lake, &seen).await.unwrap();
        lake
    }

    async fn try_open(&mut self) -> Result<Lake, LakeError> {
        let opened = Lake::open(self.options.clone().fs(Arc::new(self.disk.clone()))).await;
        self.log.say(format_args!("open: {}", said(&opened.as_ref().map(|lake| lake.status().events))));
        self.roll_failed = false;
        if let Ok(lake) = &opened {
            // Counts all events, because a roll may already be running.
            self.hot = lake.status().events as usize * EVENT_BYTES;
            self.let_it_roll(lake).await;
        }
        opened
    }

    /// Waits for a roll that the lake may start by itself, so that nothing else runs meanwhile.
    async fn let_it_roll(&mut self, lake: &Lake) {
        if self.may_roll(0) {
            self.roll(lake).await;
        }
    }

    /// Whether this many more bytes may trigger a roll.
    fn may_roll(&self, bytes: usize) -> bool {
        self.roll_failed || self.hot + bytes >= self.options.roll_bytes.min(self.options.journal_capacity as usize / 4)
    }

    async fn roll(&mut self, lake: &Lake) {
        let rolled = lake.roll().await;
        self.log.say(format_args!("roll: {}", said(&rolled)));
        self.roll_failed = rolled.is_err();
        if rolled.is_ok() {
            self.hot = 0;
        }
    }

    async fn work(&mut self, lake: &Lake) {
        if self.random.u8(..3) > 0 {
            let (changes, crash) = (self.random.u64(..120), draw::crash(&mut self.random));
            self.log.say(format_args!("the power goes after {changes} more changes: {crash:?}"));
            self.disk.lose_power_after(changes, crash);
        }
        for _ in 0..self.random.usize(3..12) {
            if !self.lives() {
                return;
            }
            if self.random.u8(..16) < self.faults {
                let fault = draw::fault(&mut self.random);
                self.log.say(format_args!("{fault:?}"));
                self.disk.inject(fault);
            }
            if self.random.u8(..32) < self.faults {
                let room = self.random.u64(..3000);
                self.log.say(format_args!("room for {room} bytes"));
                self.disk.set_capacity(self.disk.used() + room);
            }
            self.step(lake).await;
            self.disk.heal();
            if self.random.bool() {
                self.disk.set_capacity(u64::MAX);
            }
        }
    }

    async fn step(&mut self, lake: &Lake) {
        match self.random.u8(..16) {
            0..8 => {
                let batch = self.batch();
                self.append(lake, &batch).await;
                self.let_it_roll(lake).await;
            }
            8..10 => {
                self.append_at_once(lake).await;
                self.let_it_roll(lake).await;
            }
            10..13 => self.roll(lake).await,
            13 => {
                let compacted = lake.compact().await;
                self.log.say(format_args!("compact: {}", said(&compacted)));
            }
            14 => self.remove_before(lake).await,
            _ => {
                let checked = self.check(lake).await;
                self.log.say(format_args!("look: {}", said(&checked)));
            }
        }
    }

    async fn remove_before(&mut self, lake: &Lake) {
        self.roll(lake).await;
        if !self.roll_failed {
            let moment = self.shop.moment(&mut self.random);
            let forgotten = lake.remove_before(moment).await;
            self.log.say(format_args!("remove_before: {}", said(&forgotten)));
            self.shop.forgot(moment, forgotten.ok());
        }
    }

    /// Draws a batch of new events, known ones, and some with unknown outcome, possibly repeated.
    fn batch(&mut self) -> Vec<u64> {
        let unknown = self.shop.unknown();
        let next = self.shop.sent();
        let fresh = self.random.u64(..9);
        let mut batch: Vec<u64> = (next..next + fresh).collect();
        for _ in 0..self.random.usize(..4) {
            batch.push(self.random.u64(..(next + fresh).max(1)));
        }
        if self.random.bool() {
            batch.extend(unknown.iter().take(6));
        }
        self.random.shuffle(&mut batch);
        batch
    }

    async fn append(&mut self, lake: &Lake, batch: &[u64]) {
        let events = self.shop.send(batch);
        let answer = lake.append(&events).await;
        self.answered(batch, &answer);
        if answer.is_ok() && self.random.u8(..4) == 0 {
            self.forge(lake).await;
        }
    }

    /// Appends different events with stored ids, and checks that all are rejected.
    async fn forge(&mut self, lake: &Lake) {
        self.let_it_roll(lake).await;
        let certain = self.shop.certain();
        let numbers: Vec<u64> = (0..3).filter_map(|_| self.random.choice(&certain).copied()).collect();
        let forged: Vec<Event> = numbers.iter().map(|number| self.shop.forged(*number)).collect();
        let answer = lake.append(&forged).await;
        self.log.say(format_args!("forge {numbers:?}: {}", said(&answer)));
        if let Ok(appended) = answer {
            let conflicts = forged.iter().enumerate().map(|(index, event)| Rejection::id_conflict(index, event.id));
            assert_eq!(appended.rejected, conflicts.collect::<Vec<_>>(), "forged");
        }
    }

    /// Appends several batches of new events concurrently.
    async fn append_at_once(&mut self, lake: &Lake) {
        let mut batches = Vec::new();
        let mut bytes = 0;
        for _ in 0..self.random.usize(2..6) {
            let next = self.shop.sent();
            let batch: Vec<u64> = (next..next + self.random.u64(1..4)).collect();
            let events = self.shop.send(&batch);
            bytes += events.iter().map(Event::size).sum::<usize>();
            batches.push((batch, events));
        }
        if self.may_roll(bytes) {
            self.roll(lake).await;
            if self.may_roll(bytes) {
                return;
            }
        }
        let mut held = Some(self.disk.hold());
        let mut waited = false;
        let mut running = Vec::new();
        for (batch, events) in batches {
            let lake = lake.clone();
            let append = tokio::spawn(async move { lake.append(&events).await });
            yield_now().await;
            // The batch has run on the only blocking thread before this task does.
            spawn_blocking(|| ()).await.unwrap();
            yield_now().await;
            // The journal has started on the first accepted batch. All other batches form the next group.
            if !waited && !append.is_finished() {
                let waiting = held.take();
                held = spawn_blocking(move || waiting.inspect(martech_core::testing::Held::wait)).await.unwrap();
                waited = true;
            }
            running.push((batch, append));
        }
        drop(held);
        for (batch, answer) in running {
            let answer = answer.await.unwrap();
            self.answered(&batch, &answer);
        }
    }

    fn answered(&mut self, batch: &[u64], answer: &Result<Appended, StoreError>) {
        self.hot += batch.iter().map(|number| self.shop.event(*number).size()).sum::<usize>();
        self.log.say(format_args!("append {batch:?}: {}", said(answer)));
        // Every sync fails without power, so a success was reported before the loss.
        let Ok(appended) = answer else { return };
        assert_eq!(appended.rejected, [], "rejected");
        assert_eq!(appended.stored + appended.duplicates.len(), batch.len(), "outcomes");
        for (position, number) in batch.iter().enumerate() {
            if !appended.duplicates.contains(&position) {
                assert!(!self.shop.holds(*number), "event {number} was stored a second time");
            }
            self.shop.acknowledged(*number);
        }
    }

    /// Checks that the required events are present and that all answers agree with the events.
    async fn check(&mut self, lake: &Lake) -> Result<Seen, LakeError> {
        let seen = self.shop.look(lake).await?;
        self.agree(lake, &seen).await?;
        Ok(seen)
    }

    async fn agree(&mut self, lake: &Lake, seen: &Seen) -> Result<(), LakeError> {
        self.shop.settle(seen);
        self.shop.figures(lake, seen).await
    }

    async fn end(&mut self, lake: Lake, end: End) {
        let disk = match (self.disk.after_power_loss(), end) {
            (Some(after), _) => after,
            (None, End::Close) => {
                lake.close().await.unwrap();
                drop(lake);
                self.disk.copy()
            }
            (None, End::Crash(crash)) => self.disk.crash(crash),
        };
        let power = if self.lives() { format!("{end:?}") } else { "power lost".to_owned() };
        self.power_was_lost |= !self.lives() || matches!(end, End::Crash(_));
        self.log.say(power);
        self.replace(disk);
    }

    /// Without further faults, sends every event again and checks that all are present everywhere.
    async fn finish(&mut self, lake: Lake) {
        let all: Vec<u64> = (0..self.shop.sent()).collect();
        for batch in all.chunks(5) {
            self.append(&lake, batch).await;
            self.let_it_roll(&lake).await;
        }
        assert_eq!(self.check(&lake).await.unwrap().events.len() as u64, self.shop.sent(), "sent again");
        lake.roll().await.unwrap();
        if self.random.bool() {
            lake.compact().await.unwrap();
        }
        self.check(&lake).await.unwrap();
        lake.close().await.unwrap();
        drop(lake);
        self.shop.assert_all(files::rows(&self.disk, Path::new(DIR)), "in the files");
        inspection::assert_sound(&self.disk, Path::new(DIR), self.power_was_lost);
        let lake = self.try_open().await.unwrap();
        assert_eq!(self.check(&lake).await.unwrap().events.len() as u64, self.shop.sent(), "opened again");
        lake.close().await.unwrap();
        let left: Vec<_> =
            self.disk.files().into_iter().filter(|path| path.extension().is_some_and(|it| it == "tmp")).collect();
        assert!(left.is_empty(), "leftover files: {left:?}");
    }

    /// Flips a bit while the lake is closed. Every later answer must be correct, or an error must report the damage.
    async fn damage(&mut self, lake: Lake) {
        let damage_before = lake.status().journal_damage;
        lake.close().await.unwrap();
        drop(lake);
        let disk = self.disk.copy();
        self.replace(disk);
        let Some(flipped) = draw::flip(&mut self.random, &self.disk) else { return };
        self.log.say(format_args!("flipped: {flipped}"));
        self.repair().await;
        let lake = match self.try_open().await {
            Ok(lake) => lake,
            Err(error) => return self.reported(&error),
        };
        let known = lake.status().journal_damage > damage_before || lake.status().journal_cut_bytes > 0;
        self.look_at_damage(&lake, known).await;
        let all: Vec<u64> = (0..self.shop.sent()).collect();
        for batch in all.chunks(7) {
            let events = self.shop.send(batch);
            let answer = lake.append(&events).await;
            self.log.say(format_args!("append {batch:?}: {}", said(&answer)));
            self.hot += events.iter().map(Event::size).sum::<usize>();
            self.let_it_roll(&lake).await;
        }
        for done in [lake.roll().await, lake.compact().await] {
            self.log.say(format_args!("roll or compact: {}", said(&done)));
            done.err().iter().for_each(|error| self.reported(error));
        }
        self.look_at_damage(&lake, known).await;
    }

    /// Repairs a copy. The remaining events must be correct, and the reported number of lost events must match.
    async fn repair(&self) {
        let disk = self.disk.copy();
        let done = inspection::repaired(&disk, Path::new(DIR));
        let lake = Lake::open(self.options.clone().fs(Arc::new(disk))).await.unwrap();
        let seen = self.shop.look(&lake).await.unwrap();
        self.shop.figures(&lake, &seen).await.unwrap();
        lake.close().await.unwrap();
        // Damage to the newest journal frame looks like a torn write.
        let torn = done.found.findings.iter().any(|finding| finding.kind == Kind::TornTail);
        let said = done.losses.as_ref().map_or(Some(0), Losses::events);
        let lost = self.shop.missing(&seen);
        self.log.say(format_args!("repaired: {said:?} lost"));
        assert!(torn || said.is_none_or(|said| said == lost), "{lost} are lost, not {said:?}: {}", done.found);
    }

    async fn look_at_damage(&mut self, lake: &Lake, known: bool) {
        let seen = match self.shop.look(lake).await {
            Ok(seen) => seen,
            Err(error) => return self.reported(&error),
        };
        if !known {
            self.shop.settle(&seen);
        }
        if let Err(error) = self.shop.figures(lake, &seen).await {
            self.reported(&error);
        }
    }

    /// Asserts that an error names a file.
    fn reported(&self, error: &LakeError) {
        self.log.say(format_args!("reported: {error}"));
        assert!(error.to_string().contains(DIR), "no file is named: {error}");
    }
}

/// Formats a result for the log.
fn said<T: std::fmt::Debug, E: std::error::Error>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}
