//! More bodies at once than the parser threads can process.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Server, event};

/// Returns a batch of 1,000 events, large enough to be parsed by a worker.
fn batch(sender: usize, round: usize) -> String {
    let events: Vec<Value> =
        (0..1_000).map(|n| event(&format!("u{sender}"), &format!("e{sender}-{round}-{n}"))).collect();
    json!(events).to_string()
}

#[tokio::test]
async fn rejects_excess_batches_but_accepts_small_bodies() {
    let server = Server::start().await;
    let bodies: Vec<String> = (0..200).map(|sender| batch(sender, 0)).collect();
    let batches = join_all(bodies.iter().map(|body| server.post("", body.clone())));
    let small = async {
        let mut taken = 0;
        for n in 0..20 {
            let answer = server.post("", event("small", &format!("s{n}")).to_string()).await;
            taken += usize::from(answer.status == 202);
        }
        taken
    };
    let (answers, small) = tokio::join!(batches, small);
    assert_eq!(small, 20, "small bodies do not wait for a worker");
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    assert!(!refused.is_empty(), "200 batches at once exceed the limit");
    for answer in refused {
        answer.assert_error(503, "server_busy");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let stored = server.get("/health").await.json["checks"]["lake"]["events"].as_u64().unwrap();
    assert_eq!(stored as usize, taken.len() * 1_000 + small);
    // A retry of the rejected batches succeeds once the load is over.
    for (body, answer) in bodies.iter().zip(&answers) {
        if answer.status != 202 {
            server.post("", body.clone()).await.assert_counts(202, [1_000, 0, 0]);
        }
    }
}

#[tokio::test]
async fn accepts_eight_concurrent_batch_senders() {
    let server = Server::start().await;
    let send = async |sender: usize| {
        for round in 0..5 {
            server.post("", batch(sender, round)).await.assert_counts(202, [1_000, 0, 0]);
        }
    };
    join_all((0..8).map(send)).await;
}

#[tokio::test]
async fn slow_store_is_not_reported_as_overload() {
    let nobody = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=300";
    let server = Server::start_with(&["--store", nobody, "--spool", "off"]).await;
    let bodies: Vec<String> = (0..50).map(|n| event("u1", &format!("e{n}")).to_string()).collect();
    for answer in join_all(bodies.into_iter().map(|body| server.post("", body))).await {
        answer.assert_error(503, "store_unavailable");
    }
}
