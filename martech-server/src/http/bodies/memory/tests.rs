use std::task::Waker;

use axum::http::StatusCode;

use super::*;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Returns a budget with 1 MiB for small bodies and 7 MiB for large ones, of which one holder may have 4 MiB.
fn room() -> Arc<BodyMemory> {
    BodyMemory::new(8 * MIB, 2 * MIB)
}

fn address(last: u8) -> Holder {
    Holder::at([192, 0, 2, last].into())
}

/// A body that has arrived in part.
struct Arriving(tokio::task::JoinHandle<Result<(), ApiError>>);

impl Arriving {
    async fn new(memory: &Arc<BodyMemory>, holder: Holder, bytes: usize) -> Self {
        let mut charge = memory.charge(holder);
        charge.add(bytes).await.unwrap();
        let task = tokio::spawn(async move { charge.while_held(std::future::pending()).await });
        tokio::task::yield_now().await;
        Self(task)
    }

    async fn is_displaced(&self) -> bool {
        tokio::task::yield_now().await;
        self.0.is_finished()
    }

    async fn error(self) -> ApiError {
        self.0.await.unwrap().unwrap_err()
    }
}

#[tokio::test(start_paused = true)]
async fn reserves_memory_for_small_bodies() {
    let memory = room();
    let mut large = Vec::new();
    for last in [1, 2] {
        let mut charge = memory.charge(address(last));
        charge.add(7 * MIB / 2).await.unwrap();
        charge.complete();
        large.push(charge);
    }
    assert_eq!((memory.held(), memory.size()), (7 * MIB, 8 * MIB));
    let mut small: Vec<_> = (0..16).map(|_| memory.charge(address(3))).collect();
    for charge in &mut small {
        charge.add(SMALL).await.unwrap();
    }
    assert_eq!(memory.held(), 8 * MIB);
    // All bodies are complete, so none can be displaced.
    let error = memory.charge(address(4)).add(1).await.unwrap_err();
    assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
    // A body that outgrows the small size leaves the reserve.
    large.pop();
    small[0].add(1).await.unwrap();
    assert!(memory.charge(address(4)).add(SMALL).await.is_ok());
    drop((large, small));
    assert_eq!(memory.held(), 0);
    assert!(memory.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn displaces_the_slowest_body_for_a_new_one() {
    let memory = room();
    let held = [
        Arriving::new(&memory, address(1), 2 * MIB).await,
        Arriving::new(&memory, address(2), 3 * MIB).await,
        Arriving::new(&memory, address(3), 2 * MIB).await,
    ];
    tokio::time::advance(Duration::from_secs(12)).await;
    memory.charge(address(4)).add(2 * MIB).await.unwrap();
    let [first, second, third] = held;
    // None of them makes progress, and the second holds the most.
    assert!(second.is_displaced().await && !first.is_displaced().await && !third.is_displaced().await);
    let error = second.error().await;
    assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
    assert!(format!("{error:?}").contains("body_displaced"));
}

#[tokio::test(start_paused = true)]
async fn displaces_a_body_of_the_largest_holder_first() {
    let memory = room();
    let mut held = Vec::new();
    for last in [1, 1, 2, 3] {
        held.push(Arriving::new(&memory, address(last), 7 * MIB / 4).await);
    }
    tokio::time::advance(Duration::from_secs(12)).await;
    let newcomer = Arriving::new(&memory, address(4), MIB).await;
    let mut gone = Vec::new();
    for body in &held {
        gone.push(body.is_displaced().await);
    }
    assert_eq!(gone[0] as u8 + gone[1] as u8, 1, "one of the two of the same address");
    assert!(!gone[2] && !gone[3] && !newcomer.is_displaced().await);
}

#[tokio::test(start_paused = true)]
async fn rejects_growth_of_the_slowest_body() {
    let memory = room();
    let mut quick = memory.charge(address(1));
    let mut slow = memory.charge(address(2));
    slow.add(3 * MIB).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    for _ in 0..8 {
        quick.add(MIB / 2).await.unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    // Both wait for more.
    let waits = |charge: &mut Charge| charge.is_displaced(&Context::from_waker(Waker::noop()));
    assert!(!waits(&mut quick) && !waits(&mut slow));
    assert_eq!(slow.add(MIB).await.unwrap_err().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!waits(&mut quick), "it stays");
}

#[tokio::test(start_paused = true)]
async fn limits_each_holder_to_its_share() {
    let memory = room();
    let key = || Holder::Key("a".to_owned());
    let own = Arriving::new(&memory, key(), 2 * MIB).await;
    let other = Arriving::new(&memory, address(1), 2 * MIB).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let mut complete = memory.charge(key());
    complete.add(2 * MIB).await.unwrap();
    complete.complete();
    // There is memory, but the share is used up: the slower body of the same holder is displaced.
    memory.charge(key()).add(MIB).await.unwrap();
    assert!(own.is_displaced().await && !other.is_displaced().await);
    let mut second = memory.charge(key());
    second.add(2 * MIB).await.unwrap();
    second.complete();
    let error = memory.charge(key()).add(MIB).await.unwrap_err();
    assert!(format!("{error:?}").contains("4194304 bytes"), "{error:?}");
    // Small bodies are exempt.
    memory.charge(key()).add(10 * KIB).await.unwrap();
    assert!(!other.is_displaced().await);
}

#[tokio::test(start_paused = true)]
async fn displaces_large_idle_bodies_before_small_ones() {
    let memory = room();
    let crumbs: Vec<_> =
        futures_util::future::join_all((0..16).map(|last| Arriving::new(&memory, address(last), SMALL))).await;
    let blocks = [
        Arriving::new(&memory, address(20), 7 * MIB / 2).await,
        Arriving::new(&memory, address(21), 7 * MIB / 2).await,
    ];
    tokio::time::advance(Duration::from_secs(5)).await;
    memory.charge(address(30)).add(KIB).await.unwrap();
    assert!(blocks[0].is_displaced().await != blocks[1].is_displaced().await);
    for crumb in &crumbs {
        assert!(!crumb.is_displaced().await);
    }
}
