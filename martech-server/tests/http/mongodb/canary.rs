//! The event that the server writes for itself, on a MongoDB.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::*;
use crate::canary::until as until_canary;

const OFTEN: [&str; 2] = ["--canary-interval", "1s"];

/// Stands before a MongoDB, and lets nobody through while it is shut.
struct Door {
    uri: String,
    open: watch::Sender<bool>,
}

impl Door {
    async fn before(uri: &str) -> Self {
        let (scheme, rest) = uri.split_once("://").unwrap();
        let (hosts, path) = rest.split_once('/').unwrap();
        let host = hosts.rsplit('@').next().unwrap().split(',').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, is_open) = watch::channel(false);
        let between = if path.ends_with('?') { "" } else { "&" };
        let uri = format!(
            "{scheme}://{}/{path}{between}directConnection=true&serverSelectionTimeoutMS=500&connectTimeoutMS=500",
            hosts.replace(hosts.rsplit('@').next().unwrap(), &listener.local_addr().unwrap().to_string())
        );
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (host, mut is_open) = (host.clone(), is_open.clone());
                tokio::spawn(async move {
                    let through = async {
                        let mut server = TcpStream::connect(&host).await?;
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    if *is_open.borrow() {
                        tokio::select! {
                            _ = through => {}
                            _ = is_open.wait_for(|open| !open) => {}
                        }
                    }
                });
            }
        });
        Self { uri, open }
    }
}

#[tokio::test]
async fn it_fails_while_mongodb_is_away_and_comes_back() {
    let Some(uri) = database() else { return };
    for spool in ["on", "off"] {
        let door = Door::before(&uri).await;
        let server = start(&door.uri, &[&OFTEN[..], &["--spool", spool]].concat()).await;
        let health = until_canary(&server, |canary| canary["status"] == "failing").await;
        assert!(health.json["checks"]["canary"]["lastSuccessAt"].is_null(), "{}", health.text);
        assert_eq!(server.get("/readyz").await.status == 200, spool == "on", "the canary has no say in it");
        let stranger = server.send_json("GET", "/health", &[], &json!({})).await;
        let machine = door.uri.split('/').nth(2).unwrap().parse::<SocketAddr>().unwrap().to_string();
        assert!(!stranger.text.contains(&machine), "{}", stranger.text);

        door.open.send_replace(true);
        let health = until_canary(&server, |canary| canary["status"] == "ok").await;
        assert!(health.json["checks"]["canary"]["latencyMs"].as_f64().unwrap() > 0.0, "{}", health.text);
        assert_eq!(server.get("/users").await.json["total"], 0);

        if spool == "on" {
            door.open.send_replace(false);
            until_canary(&server, |canary| canary["status"] == "failing" && canary["lastSuccessAt"].is_string()).await;
        }
        server.stopped().await;
    }
    clean_up(&uri).await;
}

#[tokio::test]
async fn each_server_reads_its_own() {
    let Some(uri) = database() else { return };
    let (one, two) = (start(&uri, &OFTEN).await, start(&uri, &OFTEN).await);
    for server in [&one, &two, &one, &two] {
        let since = until_canary(server, |canary| canary["status"] == "ok").await;
        let at = since.json["checks"]["canary"]["lastSuccessAt"].clone();
        until_canary(server, |canary| canary["status"] == "ok" && canary["lastSuccessAt"] != at).await;
    }
    assert_eq!(one.get("/stats?from=2026-01-01&to=2036-01-01").await.json["totals"]["events"], 0);
    let (code, said) = run(one.dir.path(), &["verify", "--store", &uri]);
    assert!(code == 0 && said.contains("0 events in MongoDB"), "{said}");
    // Neither waits for the other when it stops, nor for what it has not read.
    one.stopped().await;
    two.stopped().await;
    clean_up(&uri).await;
}
