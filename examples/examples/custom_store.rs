//! A store of your own: an archive of events in a file, with each id once. The conformance suite then proves that it
//! keeps the contract of a store: `cargo run -p martech-examples --features testing --example custom_store`.

use std::{
    collections::HashMap,
    error::Error,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use martech_core::{
    Appended, Event, EventRules, EventSink, EventType, Rejection, Store, StoreError,
    event::{EventId, EventTypes, Fingerprint, Timestamp},
    testing::conformance::{self, Identity, Numbered, Subject},
};

/// A file of events as NDJSON, which `martech-server import` reads. Clones share the file.
#[derive(Clone)]
struct Archive {
    path: PathBuf,
    log: Arc<Mutex<Log>>,
}

struct Log {
    file: File,
    /// Length of the durable lines, in bytes.
    len: u64,
    /// The ids in the file, with what tells a repeated event from another one with the same id.
    known: HashMap<EventId, Fingerprint>,
    is_broken: bool,
}

impl Archive {
    /// Opens or creates an archive. Waits while another process has it open.
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(&path)?;
        file.lock()?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        // A crash may have cut off the last line. Nobody was told that its event is stored.
        let len = fs::read(&path)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) as u64;
        file.set_len(len)?;
        file.sync_all()?;
        let events = read(&path)?;
        let known = events.iter().map(|event| (event.id, event.signature().fingerprint())).collect();
        let log = Log { file, len, known, is_broken: false };
        Ok(Self { path, log: Arc::new(Mutex::new(log)) })
    }
}

fn read(path: &Path) -> io::Result<Vec<Event>> {
    let rules = EventRules::default().types(EventTypes::any());
    let parse = |line: &str| rules.parse(line, Timestamp::now()).map_err(io::Error::other);
    fs::read_to_string(path)?.lines().map(parse).collect()
}

impl Store<Event> for Archive {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let (log, batch) = (self.log.clone(), batch.to_vec());
        let append = move || log.lock().map_err(|_| StoreError::fatal("a writer panicked"))?.append(&batch);
        // The thread ends its work even if this future is dropped, so no batch is left half done.
        tokio::task::spawn_blocking(append).await.map_err(|panic| StoreError::fatal("a panic").with_source(panic))?
    }
}

impl Log {
    fn append(&mut self, batch: &[Event]) -> Result<Appended, StoreError> {
        let (mut appended, mut lines, mut new) = (Appended::default(), Vec::new(), HashMap::new());
        for (index, event) in batch.iter().enumerate() {
            let fingerprint = event.signature().fingerprint();
            match self.known.get(&event.id).or_else(|| new.get(&event.id)) {
                Some(known) if fingerprint.is_resend(*known, event.estimated_time) => appended.duplicates.push(index),
                Some(_) => appended.rejected.push(Rejection::id_conflict(index, event.id)),
                None => {
                    event.write_ndjson(&mut lines).map_err(|error| StoreError::refused(error.to_string()))?;
                    new.insert(event.id, fingerprint);
                    appended.stored += 1;
                }
            }
        }
        self.write(&lines)?;
        self.known.extend(new);
        Ok(appended)
    }

    /// Returns when the lines are durable.
    fn write(&mut self, lines: &[u8]) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError::fatal("the file is in an unknown state until it is opened again"));
        }
        if let Err(error) = self.file.write_all(lines) {
            // The disk may be full. Without the part that was written, the sink can try again later.
            self.is_broken = self.file.set_len(self.len).is_err();
            return Err(StoreError::retry("cannot write to the file").with_source(error));
        }
        if let Err(error) = self.file.sync_data() {
            // A second fsync would succeed even if the lines are lost.
            self.is_broken = true;
            return Err(StoreError::fatal("cannot sync the file").with_source(error));
        }
        self.len += lines.len() as u64;
        Ok(())
    }
}

/// Tells the conformance suite how to open archives, in this folder.
struct Archives(PathBuf);

impl Subject for Archives {
    type Event = Event;
    type Store = Archive;
    const PERSISTENT: bool = true;
    const IDENTITY: Identity = Identity::Id;

    async fn open(&self) -> Archive {
        Archive::open(self.0.join(EventId::new_v7().to_string())).expect("the archive can be created")
    }

    async fn reopen(&self, Archive { path, log }: Archive) -> Archive {
        drop(log);
        Archive::open(path).expect("the archive can be opened again")
    }
}

impl Numbered for Archives {
    fn event(&self, number: u64) -> Event {
        let id = EventId::from_text(&format!("event {number}")).expect("an id");
        let event = Event::builder(number.to_string(), EventType::PAGE_VIEW).id(id);
        event.occurred_at(Timestamp::from_millis(1_795_342_500_000)).build(&EventRules::default()).expect("an event")
    }

    /// Reads the file itself, and not what the store knows about it.
    async fn contents(&self, archive: &Archive) -> Option<Vec<u64>> {
        let events = read(&archive.path).expect("the file holds events");
        Some(events.iter().map(|event| event.user_id.parse().expect("a number")).collect())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("archive.ndjson");
    let sink = EventSink::builder().size_of(Event::size).build(Archive::open(path.clone())?)?;
    let order = Event::builder("u1", EventType::PURCHASE).property("total", "12.50").build(&EventRules::default())?;
    for _ in 0..2 {
        println!("{:?}", sink.push(order.clone()).await?.await?);
    }
    let _report = sink.close(Duration::from_secs(5)).await;
    print!("{}", fs::read_to_string(&path)?);

    let report = conformance::run(&Archives(folder.path().to_owned())).await;
    println!("{report}");
    report.assert_passed();
    Ok(())
}
