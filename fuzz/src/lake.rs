//! A lake on a simulated disk, and its answers to queries.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use martech_core::{
    Event, Lake, LakeOptions,
    fs::FileSystem,
    lake::LakeError,
    query::{Interval, JourneyQuery, Reader, StatsQuery, TimeRange, UserSort, UsersQuery},
    testing::SimFs,
};
use tokio::runtime::Runtime;

pub const DIR: &str = "data";

/// Shared by all runs, because creating a runtime starts threads.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime")
});

/// Returns options that disable automatic rolls and compactions.
pub fn options(disk: &SimFs, dedupe_memory: usize) -> LakeOptions {
    LakeOptions::new(DIR)
        .fs(Arc::new(disk.clone()))
        .roll_age(Duration::from_secs(1 << 30))
        .auto_compaction(false)
        .dedupe_memory(dedupe_memory)
}

/// Creates a disk with the directories of a lake.
pub fn disk() -> SimFs {
    let disk = SimFs::new();
    for dir in ["journal", "events", "ids", "users"] {
        disk.create_dir_all(&Path::new(DIR).join(dir)).expect("an empty disk takes folders");
    }
    disk
}

/// Asserts that an error is about a file and names it.
pub fn check(error: &LakeError) {
    let text = error.to_string();
    let names_it = match error {
        LakeError::Io { path, .. }
        | LakeError::Damaged { path, .. }
        | LakeError::UnknownFormat { path, .. }
        | LakeError::Parquet { path, .. } => path.starts_with(DIR),
        LakeError::Journal(_) => text.contains(DIR),
        _ => false,
    };
    assert!(names_it, "{error:?}");
}

/// Answers to all queries, or their errors.
#[derive(Debug, PartialEq)]
pub struct Answers {
    /// Users of all pages with their event counts, and the reported total.
    pub users: Result<(Vec<(String, u64)>, u64), String>,
    pub journeys: BTreeMap<String, Result<Vec<Event>, String>>,
    /// As JSON.
    pub stats: Result<String, String>,
}

pub async fn ask(lake: &Lake, users: &[String], times: TimeRange) -> Answers {
    let told = |error: LakeError| {
        check(&error);
        error.to_string()
    };
    let mut journeys = BTreeMap::new();
    for user in users {
        journeys.insert(user.clone(), journey(lake, user).await.map_err(told));
    }
    let query = StatsQuery::new(times).interval(Interval::Month);
    let stats = lake.stats(query).await.map_err(told);
    let stats = stats.map(|stats| serde_json::to_string(&stats).expect("figures have a JSON text"));
    Answers { users: all_users(lake).await.map_err(told), journeys, stats }
}

async fn all_users(lake: &Lake) -> Result<(Vec<(String, u64)>, u64), LakeError> {
    let mut users = Vec::new();
    for sort in [UserSort::Revenue, UserSort::FirstSeen, UserSort::UserId] {
        users.clear();
        let mut query = UsersQuery::default().sort(sort).limit(5);
        loop {
            let page = lake.users(query.clone()).await?;
            users.extend(page.users.into_iter().map(|user| (user.user_id, user.events)));
            query.cursor = page.next;
            // In a file that is out of order, cursors may form a cycle.
            if query.cursor.is_none() || users.len() > 1000 {
                users.sort();
                if sort == UserSort::UserId {
                    return Ok((users, page.total));
                }
                break;
            }
        }
    }
    unreachable!("the last order returns")
}

async fn journey(lake: &Lake, user: &str) -> Result<Vec<Event>, LakeError> {
    let mut events = Vec::new();
    let mut query = JourneyQuery::new(user).limit(15);
    loop {
        let page = lake.journey(query.clone()).await?;
        events.extend(page.events);
        query.cursor = page.next;
        if query.cursor.is_none() || events.len() > 1000 {
            return Ok(events);
        }
    }
}
