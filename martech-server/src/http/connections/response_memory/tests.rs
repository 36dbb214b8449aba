use std::time::Duration;

use http_body_util::BodyExt;
use hyper::rt::Executor;

use super::*;
use crate::http::connections::{stream::StreamExecutor, write_timer::WriteLimits};

fn budget(capacity: usize) -> Arc<ResponseMemory> {
    let bytes = IntGauge::new("bytes", "bytes").unwrap();
    ResponseMemory::new(capacity, bytes, IntCounter::new("given_up", "given up").unwrap())
}

/// Returns a connection whose task does nothing.
fn connection() -> Arc<ConnectionState> {
    let state = ConnectionState::new();
    state.set_task(tokio::spawn(std::future::pending::<()>()).abort_handle());
    state
}

fn answer(memory: &Arc<ResponseMemory>, connection: &Arc<ConnectionState>, bytes: usize) -> ChargedBody {
    ChargedBody::of(Response::new(Body::from(vec![7; bytes])), memory, connection, connection.begin()).into_body()
}

async fn read_piece(answer: &mut ChargedBody) -> usize {
    answer.frame().await.unwrap().unwrap().into_data().unwrap().len()
}

#[tokio::test]
async fn splits_responses_and_keeps_the_last_piece_small() {
    let (memory, connection) = (budget(1 << 20), connection());
    let mut answer = answer(&memory, &connection, 40_000);
    assert_eq!(answer.size_hint().exact(), Some(40_000));
    let mut pieces = Vec::new();
    while !answer.is_end_stream() {
        pieces.push(read_piece(&mut answer).await);
    }
    assert_eq!(pieces, [16_384, 16_384, 6_208, 1_024]);
    assert_eq!(memory.bytes.get(), 40_000);
    drop(answer);
    assert_eq!(memory.bytes.get(), 0);
    assert!(memory.state().answers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn drops_the_response_with_the_oldest_progress() {
    let memory = budget(100_000);
    let [reads, stalls, late, small] = [(); 4].map(|()| connection());
    let mut read_on = answer(&memory, &reads, 40_000);
    tokio::time::advance(Duration::from_secs(1)).await;
    let stalled = answer(&memory, &stalls, 40_000);
    tokio::time::advance(Duration::from_secs(1)).await;
    read_piece(&mut read_on).await;
    let _free = answer(&memory, &small, 1_024);
    assert!(!stalls.is_closed(), "small answers cost nothing");
    let _late = answer(&memory, &late, 40_000);
    assert!(stalls.is_closed() && !reads.is_closed() && !late.is_closed());
    assert_eq!((memory.bytes.get(), memory.given_up.get()), (80_000, 1));
    drop(stalled);
    assert_eq!(memory.bytes.get(), 80_000, "it is given back once");
}

#[tokio::test]
async fn sends_a_response_larger_than_the_budget() {
    let memory = budget(10_000);
    let [first, second] = [(); 2].map(|()| connection());
    let _first = answer(&memory, &first, 5_000);
    let _second = answer(&memory, &second, 50_000);
    assert!(first.is_closed() && !second.is_closed());
}

#[tokio::test]
async fn does_not_charge_responses_already_in_memory() {
    let (memory, connection) = (budget(10), connection());
    let mut response = Response::new(Body::from(Bytes::from_static(&[0; 5_000])));
    response.extensions_mut().insert(InMemoryAnyway);
    let _answer = ChargedBody::of(response, &memory, &connection, connection.begin());
    assert_eq!(memory.bytes.get(), 0);
}

/// Runs a response on an HTTP/2 stream, whose client has `reads` pieces of it and then nothing. Returns whether the
/// stream was reset within an hour.
async fn is_reset(body: Body, reads: usize) -> bool {
    let limits = WriteLimits { stall: Duration::from_secs(30), rate: 1024 };
    let given_up = IntCounter::new("given_up", "given up").unwrap();
    let (memory, connection) = (budget(1 << 20), connection());
    let client = async move {
        let mut answer = ChargedBody::of(Response::new(body), &memory, &connection, connection.begin()).into_body();
        for _ in 0..reads {
            answer.frame().await.unwrap().unwrap();
        }
        // hyper does not ask for more while the client reads nothing.
        std::future::pending::<()>().await;
    };
    StreamExecutor::new(limits, given_up.clone()).execute(client);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    given_up.get() == 1
}

#[tokio::test(start_paused = true)]
async fn stream_of_events_may_be_quiet_but_its_client_must_read() {
    // A few bytes a minute, far below the minimum rate.
    let events = || {
        let piece = async |count: u32| {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b": keep-alive\n\n")), count + 1))
        };
        Body::from_stream(futures_util::stream::unfold(0, piece))
    };
    assert!(!is_reset(events(), usize::MAX).await);
    assert!(is_reset(events(), 10).await);
    assert!(is_reset(Body::from("text"), 0).await);
}
