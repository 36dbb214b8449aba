//! A store that accepts no events: senders get an error, and get it soon.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpListener, time::interval};

use crate::harness::{Server, event};

/// While one sender waits for the next attempt at the store, the others get an error at once.
#[tokio::test]
async fn rejects_at_once_while_the_store_is_failing() {
    // The listener is dropped at once, so connections to its port are refused.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let store = format!("mongodb://127.0.0.1:{port}/shop?serverSelectionTimeoutMS=50");
    let server = Server::start_with(&["--store", &store, "--spool", "off"]).await;

    let mut first = pin!(server.post("", event("u1", "first").to_string()));
    let (mut others, mut again) = (FuturesUnordered::new(), interval(Duration::from_millis(100)));
    let refused = loop {
        tokio::select! {
            _ = &mut first => panic!("others waited as long as the first"),
            Some(refused) = others.next() => break refused,
            _ = again.tick() => others.push(server.post("", event("u1", "another").to_string())),
        }
    };
    refused.assert_error(503, "store_unavailable");
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert!(refused.json["message"].as_str().unwrap().contains("the store is unavailable"), "{}", refused.text);
    first.await.assert_error(503, "store_unavailable");
    // The senders know that nothing was stored, so the events do not go to the dead-letter file.
    assert!(!server.dir.path().join("dead-letters.ndjson").exists());
}
