use std::iter::from_fn;

use futures_util::FutureExt;
use martech_core::{MemoryStore, event::EventRules, store::Rejection};

use super::*;

fn feed() -> Arc<Feed> {
    Feed::new(WatcherLimit::default())
}

fn event(user: &str, kind: EventType, payload: usize) -> Event {
    let text = "x".repeat(payload);
    Event::builder(user, kind).property("text", text).build(&EventRules::default()).unwrap()
}

fn views(user: &str, count: usize) -> Vec<Event> {
    (0..count).map(|_| event(user, EventType::PAGE_VIEW, 1)).collect()
}

/// Publishes a batch of which all events are newly stored.
fn publish(feed: &Feed, batch: &[Event]) {
    feed.publish(batch, &Appended::all(batch.len()));
}

/// Returns the messages that wait.
fn waiting(watcher: &mut Watcher) -> Vec<Message> {
    from_fn(|| watcher.next().now_or_never().flatten()).collect()
}

/// Returns the number of events, and the number of those that are left out.
fn counts(messages: &[Message]) -> (usize, u64) {
    messages.iter().fold((0, 0), |(events, skipped), message| match message {
        Message::Event(_) => (events + 1, skipped),
        Message::Skipped(more) => (events, skipped + more),
    })
}

fn event_of(message: &Message) -> &Arc<Event> {
    let Message::Event(event) = message else { panic!("{message:?}") };
    event
}

#[tokio::test]
async fn shows_each_watcher_the_events_that_its_filter_accepts() {
    let feed = feed();
    let watch = |types: &[EventType], user: Option<&str>| {
        feed.watch(Filter::new(types.to_vec(), user.map(str::to_owned))).unwrap()
    };
    let mut all = watch(&[], None);
    let mut of_user = watch(&[], Some("u2"));
    let mut of_types = watch(&[EventType::SEARCH, EventType::PURCHASE], None);
    let mut of_both = watch(&[EventType::SEARCH], Some("u1"));
    let batch = [
        event("u1", EventType::PAGE_VIEW, 1),
        event("u1", EventType::SEARCH, 1),
        event("u2", EventType::SEARCH, 1),
        event("u2", EventType::PURCHASE, 1),
    ];
    publish(&feed, &batch);
    let shown = |watcher: &mut Watcher| -> Vec<usize> {
        let place = |message: &Message| batch.iter().position(|event| *event == **event_of(message)).unwrap();
        waiting(watcher).iter().map(place).collect()
    };
    assert_eq!(shown(&mut all), [0, 1, 2, 3]);
    assert_eq!(shown(&mut of_user), [2, 3]);
    assert_eq!(shown(&mut of_types), [1, 2, 3]);
    assert_eq!(shown(&mut of_both), [1]);
}

#[tokio::test]
async fn watchers_share_one_copy_of_an_event() {
    let feed = feed();
    let mut watchers = [(); 3].map(|()| feed.watch(Filter::default()).unwrap());
    publish(&feed, &views("u1", 1));
    let shown = watchers.each_mut().map(|watcher| event_of(&waiting(watcher)[0]).clone());
    assert!(Arc::ptr_eq(&shown[0], &shown[1]) && Arc::ptr_eq(&shown[0], &shown[2]));
}

#[tokio::test]
async fn shows_neither_duplicates_nor_rejected_events() {
    let feed = feed();
    let mut watcher = feed.watch(Filter::default()).unwrap();
    let batch = views("u1", 5);
    let rejected = vec![Rejection::unfit(1, "no"), Rejection::unfit(4, "no")];
    feed.publish(&batch, &Appended { stored: 2, duplicates: vec![0], rejected });
    let shown: Vec<Event> = waiting(&mut watcher).iter().map(|message| (**event_of(message)).clone()).collect();
    assert_eq!(shown, batch[2..4]);
}

#[tokio::test]
async fn a_store_that_is_tapped_shows_what_it_has_stored() {
    let feed = feed();
    let store = Tapped::new(MemoryStore::of_events(), feed.clone());
    let batch = views("u1", 2);
    store.append(&batch[..1]).await.unwrap();
    let mut watcher = feed.watch(Filter::default()).unwrap();
    store.append(&batch).await.unwrap();
    assert_eq!(waiting(&mut watcher), [Message::Event(Arc::new(batch[1].clone()))]);
}

#[tokio::test(start_paused = true)]
async fn counts_the_events_that_find_no_room_at_their_place() {
    let feed = feed();
    let mut watcher = feed.watch(Filter::default()).unwrap();
    publish(&feed, &views("u1", QUEUE_EVENTS + 7));
    publish(&feed, &views("u1", 3));
    let first = watcher.next().await.unwrap();
    assert!(matches!(first, Message::Event(_)));
    // There is room again behind the gap, once the watcher may have more.
    tokio::time::advance(BURST).await;
    let last = event("last", EventType::SEARCH, 1);
    publish(&feed, std::slice::from_ref(&last));
    assert_eq!(feed.state().queues.values().next().unwrap().messages.len(), QUEUE_EVENTS);
    publish(&feed, &views("u1", 1));
    let messages = waiting(&mut watcher);
    let gaps: Vec<_> = messages[QUEUE_EVENTS - 1..].to_vec();
    assert_eq!(gaps, [Message::Skipped(12)], "nothing finds room while a thousand messages wait");
    publish(&feed, std::slice::from_ref(&last));
    assert_eq!(waiting(&mut watcher), [Message::Event(Arc::new(last))]);
}

#[tokio::test]
async fn bounds_the_memory_of_a_queue() {
    let feed = feed();
    let mut watcher = feed.watch(Filter::default()).unwrap();
    let large: Vec<Event> = (0..40).map(|_| event("u1", EventType::PAGE_VIEW, 30_000)).collect();
    publish(&feed, &large);
    let held = feed.state().queues.values().next().unwrap().bytes;
    assert!((QUEUE_BYTES - 31_000..=QUEUE_BYTES).contains(&held), "{held}");
    let (events, skipped) = counts(&waiting(&mut watcher));
    assert_eq!((events, events as u64 + skipped), (17, 40));
    assert_eq!(feed.state().queues.values().next().unwrap().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_busy_watcher_takes_nothing_away_from_another() {
    let feed = feed();
    let mut all = feed.watch(Filter::default()).unwrap();
    let mut one = feed.watch(Filter::new(Vec::new(), Some("me".to_owned()))).unwrap();
    let mut seen = (0, 0);
    for _ in 0..100 {
        publish(&feed, &[views("other", 500), views("me", 1)].concat());
        let (events, skipped) = counts(&waiting(&mut all));
        seen = (seen.0 + events, seen.1 + skipped);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(seen.0 as u64 + seen.1, 50_100);
    assert!((5_900..=6_050).contains(&seen.0), "500 a second for ten seconds after a burst of 1,000: {seen:?}");
    assert_eq!(counts(&waiting(&mut one)), (100, 0));
}

#[tokio::test]
async fn bounds_the_watchers_of_a_project_and_of_a_server() {
    let limit = WatcherLimit::default();
    let feeds: Vec<_> = (0..5).map(|_| Feed::new(limit.clone())).collect();
    let watch = |feed: &Arc<Feed>| feed.watch(Filter::default());
    let mut watchers: Vec<_> = (0..PROJECT_WATCHERS).map(|_| watch(&feeds[0]).unwrap()).collect();
    assert_eq!(watch(&feeds[0]).unwrap_err(), WatchError::TooMany);
    watchers.pop();
    watchers.push(watch(&feeds[0]).unwrap());
    for feed in &feeds[1..4] {
        watchers.extend((0..PROJECT_WATCHERS).map(|_| watch(feed).unwrap()));
    }
    assert_eq!((limit.watchers(), watch(&feeds[4]).unwrap_err()), (SERVER_WATCHERS, WatchError::TooMany));
    watchers.clear();
    assert!(limit.watchers() == 0 && watch(&feeds[4]).is_ok());
}

#[tokio::test]
async fn closing_ends_watchers_that_wait() {
    let feed = feed();
    let mut watcher = feed.watch(Filter::default()).unwrap();
    let waits = tokio::spawn(async move { watcher.next().await });
    tokio::task::yield_now().await;
    feed.close();
    assert_eq!(waits.await.unwrap(), None);
    assert_eq!(feed.watch(Filter::default()).unwrap_err(), WatchError::Closed);
    feed.limit.close();
    assert_eq!(feed.watch(Filter::default()).unwrap_err(), WatchError::Closed);
}

#[tokio::test]
async fn keeps_nothing_without_watchers() {
    let feed = feed();
    let watched = || feed.is_watched.load(Ordering::Relaxed);
    assert!(!watched());
    let (first, second) = (feed.watch(Filter::default()).unwrap(), feed.watch(Filter::default()).unwrap());
    drop(first);
    assert!(watched());
    publish(&feed, &views("u1", 3));
    drop(second);
    assert!(!watched() && feed.state().queues.is_empty());
}
