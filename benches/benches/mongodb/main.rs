//! Client CPU cost of inserting events into MongoDB: `MongoStore` compared with the driver's `insert_many` and with a
//! hand-written command.
//!
//! `cargo bench -p martech-benches --features mongodb --bench mongodb -- [events] [rounds] [one contestant]`
//!
//! # The job
//! Batches of 2,000 events, one at a time, from `&[Event]` to the response. The server is a stand-in that answers at
//! once, in a process of its own (this program again), so only the client's CPU time is measured. Write concern,
//! database and pool are the same for all contestants, inserts are unordered, and before the measurement the bench
//! verifies that all of them send the same documents, byte for byte.
//!
//! All contestants use the server's allocator, jemalloc. Each round converts the events to new documents, except where
//! a name says `ready`. One thread runs the runtime and the driver. Contestants alternate, round by round. Figures are
//! medians over the rounds, after a warm-up round that does not count.
//!
//! # Contestants
//! | | |
//! |---|---|
//! | `store` | `MongoStore::append` |
//! | `loop` | one `insert` command, built with the `bson` crate's builders and sent by `run_raw_command`; properties are converted from JSON to raw BSON without a tree. The loop does not look for repeated ids, does not check names, and reads only `n` from the response |
//! | `typed` | `insert_many` of a `Serialize` struct with the same fields, properties as a `Document` |
//! | `documents` | `insert_many` of a `Document` built from each event |
//! | `documents-ready` | the same, with documents built before the measurement |
//! | `raw` | `insert_many` of raw documents, built as in `loop` |

mod rivals;

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use martech_benches::{Shop, argument, median, stand_in};
use martech_core::{Event, MongoOptions, MongoStore, Store, event::Timestamp};
use mongodb::bson::{Document, doc};

use self::rivals::Driver;

/// The allocator of the server. glibc returns the memory of each large message to the system, and the next message
/// causes page faults.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const BATCH: usize = 2_000;
const URI_END: &str = "/shop?w=majority&journal=true&maxPoolSize=10";
/// 2026-11-01T00:00:00Z.
const END: Timestamp = Timestamp::from_millis(1_793_491_200_000);
/// Argument that turns this program into the stand-in.
const STAND_IN: &str = "--stand-in";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Store,
    Loop,
    Typed,
    Documents,
    DocumentsReady,
    Raw,
}

use Contestant::*;

const CONTESTANTS: [(&str, Contestant); 6] = [
    ("store", Store),
    ("loop", Loop),
    ("typed", Typed),
    ("documents", Documents),
    ("documents-ready", DocumentsReady),
    ("raw", Raw),
];

/// The clients of the contestants.
struct Clients {
    store: MongoStore,
    driver: Driver,
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == STAND_IN) {
        return stand_in_process();
    }
    let count = argument(0).unwrap_or(100_000) as usize;
    let rounds = argument(1).unwrap_or(7) as usize;
    let only = env::args().skip(1).find(|argument| argument.starts_with(char::is_alphabetic));
    let mut shop = Shop::new(count as u64, count as u64 / 10, 1, END);
    let batches: Vec<_> = (0..count.div_ceil(BATCH)).map(|_| shop.events(BATCH)).collect();
    let mut contestants = CONTESTANTS.to_vec();
    contestants.retain(|(name, _)| only.as_ref().is_none_or(|only| name == only));

    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let uri = format!("mongodb://{}{URI_END}", server.addr);
        let clients =
            Clients { store: MongoStore::new(MongoOptions::new(&uri)).await?, driver: Driver::connect(&uri).await? };
        let size = verify_same_documents(&clients, &contestants, &batches[0]).await?;
        println!(
            "{} batches of {BATCH} events, {size:.0} B of BSON per event, median of {rounds} rounds",
            batches.len()
        );
        let mut costs = vec![Vec::new(); contestants.len()];
        for round in 0..=rounds {
            for ((_, contestant), costs) in contestants.iter().zip(&mut costs) {
                let cost = measure(&clients, *contestant, &batches).await?;
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        print(&contestants, &costs, batches.len() * BATCH);
        Ok(())
    })
}

/// Inserts the batches. Returns CPU time and wall time.
async fn measure(
    clients: &Clients,
    contestant: Contestant,
    batches: &[Vec<Event>],
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let ready: Vec<Vec<Document>> = match contestant {
        DocumentsReady => batches.iter().map(|batch| batch.iter().map(rivals::document).collect()).collect(),
        _ => Vec::new(),
    };
    let (start, spent) = (Instant::now(), ProcessTime::now());
    for (at, batch) in batches.iter().enumerate() {
        insert(clients, contestant, batch, ready.get(at).map(Vec::as_slice)).await?;
    }
    Ok((spent.elapsed(), start.elapsed()))
}

async fn insert(
    Clients { store, driver }: &Clients,
    contestant: Contestant,
    batch: &[Event],
    ready: Option<&[Document]>,
) -> Result<(), Box<dyn Error>> {
    let stored = match contestant {
        Store => store.append(batch).await?.stored,
        Loop => driver.command(batch).await?,
        Typed => driver.typed(batch).await?,
        Documents | DocumentsReady => match ready {
            Some(ready) => driver.documents(ready).await?,
            None => driver.documents(&batch.iter().map(rivals::document).collect::<Vec<_>>()).await?,
        },
        Raw => driver.raw(batch).await?,
    };
    assert_eq!(stored, batch.len(), "some events were not stored");
    Ok(())
}

/// Verifies that all contestants send the same documents. Returns the size of a document in bytes.
async fn verify_same_documents(
    clients: &Clients,
    contestants: &[(&str, Contestant)],
    batch: &[Event],
) -> Result<f64, Box<dyn Error>> {
    let mut expected = None;
    for (name, contestant) in contestants {
        insert(clients, *contestant, batch, None).await?;
        let sent = clients.driver.admin(doc! { "lastInsert": 1 }).await?;
        assert_eq!(
            *expected.get_or_insert_with(|| sent.clone()),
            sent,
            "{name} sends different documents than {}",
            contestants[0].0
        );
    }
    let expected = expected.ok_or("unknown contestant")?;
    Ok(expected.get_i64("bytes")? as f64 / expected.get_i64("documents")? as f64)
}

fn print(contestants: &[(&str, Contestant)], costs: &[Vec<(Duration, Duration)>], events: usize) {
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / events as f64;
    let medians: Vec<(f64, f64)> = costs
        .iter()
        .map(|costs| (median(costs.iter().map(|cost| nanos(cost.0))), median(costs.iter().map(|cost| nanos(cost.1)))))
        .collect();
    let ours = medians[0].0;
    println!("{:<16} {:>18} {:>16} {:>14}", "", "ns CPU an event", "ns an event", "CPU / store's");
    for ((name, _), (spent, time)) in contestants.iter().zip(&medians) {
        println!("{name:<16} {spent:>18.0} {time:>16.0} {:>14.2}", spent / ours);
    }
}

/// The stand-in process, which exits when its standard input closes.
struct Server {
    addr: String,
    process: Child,
    _lifeline: Option<ChildStdin>,
}

impl Server {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut process =
            Command::new(env::current_exe()?).arg(STAND_IN).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut addr = String::new();
        BufReader::new(process.stdout.take().ok_or("the stand-in has no output")?).read_line(&mut addr)?;
        let lifeline = process.stdin.take();
        Ok(Self { addr: addr.trim().to_owned(), process, _lifeline: lifeline })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until the parent process is gone.
fn stand_in_process() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    std::thread::spawn(move || stand_in::serve(listener));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
