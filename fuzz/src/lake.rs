//! A lake on a simulated disk, and what it answers.

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

/// One for all runs: making one starts threads.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime")
});

/// Nothing happens by itself.
pub fn options(disk: &SimFs, dedupe_memory: usize) -> LakeOptions {
    LakeOptions {
        fs: Arc::new(disk.clone()),
        roll_age: Duration::from_secs(1 << 30),
        auto_compaction: false,
        dedupe_memory,
        ..LakeOptions::new(DIR)
    }
}

/// A disk with the folders of a lake.
pub fn disk() -> SimFs {
    let disk = SimFs::new();
    for dir in ["journal", "events", "ids", "users"] {
        disk.create_dir_all(&Path::new(DIR).join(dir)).expect("an empty disk takes folders");
    }
    disk
}

/// The failure is one of what lies on the disk, and says of which file.
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

/// Everything that can be asked of it, or what stood in the way.
#[derive(Debug, PartialEq)]
pub struct Answers {
    /// Users of all pages, and how many they are said to be.
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
    let query = StatsQuery { range: times, interval: Interval::Month, tz: jiff::tz::TimeZone::UTC };
    let stats = lake.stats(query).await.map_err(told);
    let stats = stats.map(|stats| serde_json::to_string(&stats).expect("figures have a JSON text"));
    Answers { users: all_users(lake).await.map_err(told), journeys, stats }
}

async fn all_users(lake: &Lake) -> Result<(Vec<(String, u64)>, u64), LakeError> {
    let mut users = Vec::new();
    for sort in [UserSort::Revenue, UserSort::FirstSeen, UserSort::UserId] {
        users.clear();
        let mut query = UsersQuery { sort, limit: 5, ..UsersQuery::default() };
        loop {
            let page = lake.users(query.clone()).await?;
            users.extend(page.users.into_iter().map(|user| (user.user_id, user.events)));
            query.cursor = page.next;
            // A file that is not in order may lead in a circle.
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
    let mut query = JourneyQuery { limit: 15, ..JourneyQuery::new(user) };
    loop {
        let page = lake.journey(query.clone()).await?;
        events.extend(page.events);
        query.cursor = page.next;
        if query.cursor.is_none() || events.len() > 1000 {
            return Ok(events);
        }
    }
}
