//! Removal of projects with their events, and creation with events: what a crash or a failure leaves.

mod filling;

use std::{env, ffi::OsStr, fs, path::Path};

use martech_core::{
    Store,
    event::{Batch, Event, EventError, EventRules, EventType, Timestamp},
    query::{Reader, UsersQuery},
};
use tempfile::TempDir;

use super::{ProjectError, Projects, RemovalPolicy};
use crate::{
    App,
    config::ServeArgs,
    identity::{Actor, ProjectChange, ProjectId, ProjectRecord, ProjectRemoval},
};

async fn opened(dir: &Path) -> App {
    opened_with(dir, &[]).await
}

async fn opened_with(dir: &Path, flags: &[&str]) -> App {
    let line = ["--data-dir".as_ref(), dir.as_os_str()].into_iter().chain(flags.iter().map(OsStr::new));
    App::open(&ServeArgs::parse_from(line)).await.unwrap()
}

/// A server that is closed as a crash closes it: without a removal being carried out.
async fn closed(app: App) {
    let state = app.state();
    state.projects.close(super::REMOVAL_TIMEOUT).await.unwrap();
    state.access.accounts.close().await;
}

fn shop() -> ProjectId {
    "shop".parse().unwrap()
}

fn event(user: &str) -> Event {
    Event::builder(user, EventType::SEARCH).build(&EventRules::default()).unwrap()
}

fn invalid() -> EventError {
    let batch = Batch::from_json(br#"[{"userId":"u1"}]"#).unwrap();
    let rules = EventRules::default();
    rules.parse_batch(&batch, Timestamp::now(), martech_core::event::Sender::Trusted).find_map(Result::err).unwrap()
}

async fn make(projects: &Projects) -> Result<ProjectRecord, ProjectError> {
    projects.make(&Actor::Operator, shop(), ProjectChange::default(), Timestamp::now()).await
}

async fn make_filled<I>(projects: &Projects, batches: I) -> Result<u64, ProjectError>
where
    I: Iterator<Item = Result<Vec<Event>, EventError>> + Send + 'static,
{
    let change = ProjectChange::default();
    let made = projects.make_filled(&Actor::Operator, shop(), change, Timestamp::now(), |_| batches).await;
    made.map(|(_, events)| events)
}

async fn remove(projects: &Projects, events: RemovalPolicy) {
    projects.remove(&Actor::Operator, &shop(), events, Timestamp::now()).await.unwrap();
}

async fn users(projects: &Projects) -> u64 {
    let project = projects.find(&shop()).await.unwrap();
    project.backend().users(UsersQuery::default()).await.unwrap().total
}

async fn removal(projects: &Projects) -> Option<ProjectRemoval> {
    projects.removal(&shop()).await.unwrap()
}

/// A server with a project that has one event.
async fn with_event() -> (TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = app.state().projects.clone();
    make(&projects).await.unwrap();
    let project = projects.find(&shop()).await.unwrap();
    project.backend().append(&[event("u1")]).await.unwrap();
    project.backend().lake().unwrap().roll().await.unwrap();
    (dir, app)
}

fn folder(dir: &Path) -> std::path::PathBuf {
    dir.join("projects/shop")
}

/// Returns whether nothing of removed projects is left.
fn is_clean(dir: &Path) -> bool {
    !folder(dir).exists() && is_nothing_set_aside(dir)
}

fn is_nothing_set_aside(dir: &Path) -> bool {
    fs::read_dir(dir.join("removed")).into_iter().flatten().count() == 0
}

#[tokio::test]
async fn deletes_events_and_files() {
    let (dir, app) = with_event().await;
    let projects = &app.state().projects;
    fs::write(folder(dir.path()).join("dead-letters.ndjson"), "{}").unwrap();
    remove(projects, RemovalPolicy::Delete).await;
    assert!(removal(projects).await.is_some());
    projects.delete_events(&shop()).await.unwrap();
    assert!(is_clean(dir.path()));
    assert_eq!(removal(projects).await, None);
    make(projects).await.unwrap();
    assert_eq!(users(projects).await, 0);
}

#[tokio::test]
async fn keeps_events_unless_asked() {
    let (dir, app) = with_event().await;
    let projects = &app.state().projects;
    remove(projects, RemovalPolicy::Keep).await;
    projects.delete_events(&shop()).await.unwrap();
    projects.sync().await.unwrap();
    assert!(folder(dir.path()).join("catalog").exists());
    make(projects).await.unwrap();
    assert_eq!(users(projects).await, 1);
}

#[tokio::test]
async fn crash_after_the_transaction_is_made_good_at_the_next_start() {
    let (dir, app) = with_event().await;
    remove(&app.state().projects, RemovalPolicy::Delete).await;
    closed(app).await;
    assert!(folder(dir.path()).join("catalog").exists(), "the events are still there");
    let app = opened(dir.path()).await;
    assert!(!folder(dir.path()).exists());
    assert_eq!(removal(&app.state().projects).await, None);
}

#[tokio::test]
async fn crash_while_files_are_deleted_is_made_good_at_the_next_start() {
    let (dir, app) = with_event().await;
    remove(&app.state().projects, RemovalPolicy::Delete).await;
    crate::projects::removed_files::set_aside(dir.path(), &shop()).await.unwrap();
    closed(app).await;
    let aside = fs::read_dir(dir.path().join("removed")).unwrap().next().unwrap().unwrap().path();
    assert!(aside.join("catalog").exists());
    fs::remove_file(aside.join("catalog")).unwrap();
    let app = opened(dir.path()).await;
    assert_eq!(removal(&app.state().projects).await, None);
    // The files are deleted in the background, before a project is created.
    make(&app.state().projects).await.unwrap();
    assert!(is_nothing_set_aside(dir.path()));
    assert_eq!(users(&app.state().projects).await, 0);
}

#[tokio::test]
async fn creating_a_project_first_finishes_its_removal() {
    let (dir, app) = with_event().await;
    let projects = &app.state().projects;
    remove(projects, RemovalPolicy::Delete).await;
    make(projects).await.unwrap();
    assert_eq!((users(projects).await, removal(projects).await), (0, None));
    assert!(folder(dir.path()).exists());
}

#[tokio::test]
async fn a_project_is_created_with_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = app.state().projects.clone();
    let seen_early = projects.clone();
    let batches = (0..3).map(move |number| {
        assert!(!seen_early.all().iter().any(|project| *project.id() == shop()), "it is not available yet");
        Ok(vec![event(&format!("u{number}")), event("both")])
    });
    assert_eq!(make_filled(&projects, batches).await.unwrap(), 6);
    assert_eq!((users(&projects).await, removal(&projects).await), (4, None));
    let again = make_filled(&projects, std::iter::empty()).await;
    assert!(matches!(again, Err(ProjectError::Exists(_))));
    closed(app).await;
    let app = opened(dir.path()).await;
    assert_eq!(users(&app.state().projects).await, 4);
}

#[tokio::test]
async fn failure_half_way_leaves_no_project() {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = &app.state().projects;
    let failed = make_filled(projects, [Ok(vec![event("u1")]), Err(invalid())].into_iter()).await;
    assert!(matches!(failed, Err(ProjectError::Event(_))), "{failed:?}");
    assert!(is_clean(dir.path()));
    assert!(matches!(projects.find(&shop()).await, Err(ProjectError::Unknown(_))));
    assert_eq!(removal(projects).await, None);
    assert_eq!(make_filled(projects, [Ok(vec![event("u2")])].into_iter()).await.unwrap(), 1);
}

#[tokio::test]
async fn crash_half_way_leaves_no_project() {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = app.state().projects.clone();
    let mut numbers = 0..3;
    let batches = std::iter::from_fn(move || match numbers.next() {
        Some(number) if number < 2 => Some(Ok(vec![event(&format!("u{number}"))])),
        _ => panic!("the process is killed"),
    });
    let filled = tokio::spawn(async move { make_filled(&projects, batches).await }).await;
    assert!(filled.unwrap_err().is_panic());
    assert!(folder(dir.path()).exists());
    assert!(removal(&app.state().projects).await.is_some());
    closed(app).await;
    let app = opened(dir.path()).await;
    assert!(!folder(dir.path()).exists());
    assert!(matches!(app.state().projects.find(&shop()).await, Err(ProjectError::Unknown(_))));
    assert_eq!(removal(&app.state().projects).await, None);
}

#[tokio::test]
async fn events_of_an_earlier_project_are_not_mixed_with_new_ones() {
    let (_dir, app) = with_event().await;
    let projects = &app.state().projects;
    remove(projects, RemovalPolicy::Keep).await;
    let refused = make_filled(projects, [Ok(vec![event("u2")])].into_iter()).await;
    assert!(matches!(refused, Err(ProjectError::HasEvents(_))), "{refused:?}");
    assert_eq!(removal(projects).await, None);
    make(projects).await.unwrap();
    assert_eq!(users(projects).await, 1);
}

#[tokio::test]
async fn removal_that_another_server_works_on_is_left_to_it() {
    let now = Timestamp::now();
    let removal = ProjectRemoval::begun(shop(), now);
    assert!(removal.is_leased(now));
    assert!(!removal.is_leased(removal.due));
    let done = ProjectRemoval { is_done: true, ..removal };
    assert!(!done.is_leased(now));
}

#[tokio::test]
async fn events_in_mongodb_are_created_with_a_project_and_deleted_with_it() {
    let Ok(server) = env::var("MARTECH_TEST_MONGODB_URI") else {
        eprintln!("skipped: MARTECH_TEST_MONGODB_URI is not set");
        return;
    };
    let (server, options) = server.split_once('?').unwrap_or((&server, ""));
    let (server, name) = (server.trim_end_matches('/'), format!("martech_fill_{}", uuid::Uuid::new_v4().simple()));
    let uri = format!("{server}/{name}?{options}");
    let dir = tempfile::tempdir().unwrap();
    let app = opened_with(dir.path(), &["--store", &uri, "--spool", "off"]).await;
    let projects = &app.state().projects;
    let batches = || [Ok(vec![event("u1")]), Ok(vec![event("u2"), event("u3")])].into_iter();
    assert_eq!(make_filled(projects, batches()).await.unwrap(), 3);
    assert_eq!((users(projects).await, removal(projects).await), (3, None));

    remove(projects, RemovalPolicy::Keep).await;
    let refused = make_filled(projects, batches()).await;
    assert!(matches!(refused, Err(ProjectError::HasEvents(_))), "{refused:?}");
    make(projects).await.unwrap();
    assert_eq!(users(projects).await, 3);

    remove(projects, RemovalPolicy::Delete).await;
    // Another server may be working on it.
    let busy = make(projects).await;
    assert!(matches!(busy, Err(ProjectError::Removing(_))), "{busy:?}");
    projects.delete_events(&shop()).await.unwrap();
    assert!(removal(projects).await.unwrap().is_done, "the other servers still have to see it");
    projects.sync().await.unwrap();
    let failed = make_filled(projects, [Ok(vec![event("u1")]), Err(invalid())].into_iter()).await;
    assert!(matches!(failed, Err(ProjectError::Event(_))), "{failed:?}");
    make(projects).await.unwrap();
    assert_eq!((users(projects).await, removal(projects).await), (0, None));
    closed(app).await;
    let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
    for database in [name.clone(), format!("{name}_shop")] {
        client.database(&database).drop().await.unwrap();
    }
}
