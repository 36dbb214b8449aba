//! The server with MongoDB as the store, with a spool and without. Tests that need a MongoDB use the one in
//! `MARTECH_TEST_MONGODB_URI`; without it, they print that they are skipped.

use std::{env, path::Path, process::Command, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::{Answer, Server, event, serve_args};

/// An address on which no server listens.
const NOBODY: &str = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=300";

/// Returns the connection string of a new database on the MongoDB of the environment. Without a MongoDB, prints that
/// the test is skipped.
fn database() -> Option<String> {
    let Ok(server) = env::var("MARTECH_TEST_MONGODB_URI") else {
        eprintln!("skipped: MARTECH_TEST_MONGODB_URI is not set");
        return None;
    };
    let (server, options) = server.split_once('?').unwrap_or((&server, ""));
    let name = format!("martech_http_{}", uuid::Uuid::new_v4().simple());
    Some(format!("{}/{name}?{options}", server.trim_end_matches('/')))
}

/// Drops the database of a test that passed.
async fn clean_up(uri: &str) {
    let client = mongodb::Client::with_uri_str(uri).await.unwrap();
    client.default_database().unwrap().drop().await.unwrap();
}

async fn start(uri: &str, more: &[&str]) -> Server {
    start_in(tempfile::tempdir().unwrap(), uri, more).await
}

async fn start_in(dir: TempDir, uri: &str, more: &[&str]) -> Server {
    Server::start_in(dir, &[&["--store", uri], more].concat()).await
}

/// Repeats a request until the response satisfies the condition.
async fn until(server: &Server, path: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = server.get(path).await;
        if is_so(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{path} answers {}", answer.text);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn spools_events_while_mongodb_is_unreachable() {
    let server = start(NOBODY, &[]).await;
    server.post("", json!([event("u1", "a"), event("u1", "b")]).to_string()).await.assert_counts(202, [2, 0, 0]);
    assert_eq!(server.get("/readyz").await.status, 200, "the server accepts events");
    let health = until(&server, "/health", |health| health.json["checks"]["spool"]["connected"] == false).await;
    assert_eq!(health.status, 200, "{}", health.text);
    assert_eq!(health.json["checks"]["mongodb"]["status"], "away");
    assert_eq!(
        (&health.json["checks"]["spool"]["status"], &health.json["checks"]["spool"]["behindEvents"]),
        (&json!("forwarding"), &json!(2))
    );
    assert!(health.json["checks"]["spool"]["error"].as_str().unwrap().contains("not available"), "{}", health.text);
    let stranger = server.send_json("GET", "/health", &[], &json!({})).await;
    assert_eq!(stranger.json, json!({ "status": "ok" }), "no figures and no host names");
    for path in ["/users/u1/journey", "/users", "/stats"] {
        let answer = server.get(path).await;
        answer.assert_error(503, "store_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    server.command("/admin/roll").await.assert_error(409, "not_the_embedded_store");
    // A second process on the same folder would forward the same spool.
    let error = martech_server::App::open(&serve_args(server.dir.path(), &["--store", NOBODY])).await.unwrap_err();
    assert!(error.to_string().contains("another process uses"), "{error}");

    let server = start_in(server.stopped().await, NOBODY, &[]).await;
    let health = server.get("/health").await;
    assert_eq!(health.json["checks"]["spool"]["behindEvents"], 2, "{}", health.text);
    server.stopped().await;
}

#[tokio::test]
async fn ack_stored_fails_while_mongodb_is_unreachable() {
    let server = start(NOBODY, &[]).await;
    let waiting = Instant::now();
    let answer = server.post("?ack=stored", event("u1", "a").to_string()).await;
    answer.assert_error(503, "store_unavailable");
    assert!(waiting.elapsed() < Duration::from_secs(25), "after {:?}", waiting.elapsed());
    assert_eq!(server.get("/health").await.json["checks"]["spool"]["behindEvents"], 1, "the event is in the spool");
    let server = start_in(server.stopped().await, NOBODY, &["--spool", "off"]).await;
    server.get("/readyz").await.assert_error(503, "store_unavailable");
    server.post("", event("u1", "b").to_string()).await.assert_error(503, "store_unavailable");
    server.stopped().await;
}

#[tokio::test]
async fn rejects_unusable_stores_at_startup() {
    let dir = tempfile::tempdir().unwrap();
    let http = Server::start().await;
    let http_uri = format!("mongodb://{}/shop?serverSelectionTimeoutMS=2000&connectTimeoutMS=2000", http.addr);
    for (uri, said) in
        [("mongodb://127.0.0.1/shop?w=0", "w"), ("mongodb://127.0.0.1:x/", "port"), (&*http_uri, "unsupported MongoDB")]
    {
        let error = martech_server::App::open(&serve_args(dir.path(), &["--store", uri])).await.unwrap_err();
        assert!(error.to_string().contains(said), "{uri}: {error}");
    }
    http.stopped().await;
}

#[tokio::test]
async fn forwards_spooled_events_and_reports_duplicates_and_conflicts() {
    let Some(uri) = database() else { return };
    let server = start(&uri, &[]).await;
    let batch = json!([event("u1", "a"), event("u1", "b"), event("u2", "c")]);
    server.post("", batch.to_string()).await.assert_counts(202, [3, 0, 0]);
    until(&server, "/users/u1/journey", |journey| journey.json["events"].as_array().is_some_and(|it| it.len() == 2))
        .await;
    // Only MongoDB detects duplicates, so only `ack=stored` reports them.
    server.post("", batch.to_string()).await.assert_counts(202, [3, 0, 0]);
    server.post("?ack=stored", batch.to_string()).await.assert_counts(200, [0, 3, 0]);
    let other = json!([event("u1", "d"), event("somebody else", "a")]);
    let answer = server.post("?ack=stored", other.to_string()).await;
    answer.assert_counts(200, [1, 0, 1]);
    assert_eq!(answer.json["results"][0]["code"], "id_conflict", "{}", answer.text);
    assert_eq!(server.get("/users").await.json["total"], 2);
    let stats = server.get("/stats?from=2026-01-01&to=2026-02-01").await;
    assert_eq!(stats.json["totals"]["events"], 4, "{}", stats.text);
    let health = server.get("/health").await;
    assert_eq!(
        (&health.json["checks"]["mongodb"]["status"], &health.json["checks"]["spool"]["status"]),
        (&json!("ok"), &json!("ok"))
    );

    let letters = std::fs::read_to_string(server.dir.path().join("dead-letters.ndjson")).unwrap();
    assert_eq!(letters.matches("somebody else").count(), 1, "a rejected event goes to the dead-letter file: {letters}");
    server.stopped().await;
    clean_up(&uri).await;
}

#[tokio::test]
async fn writes_directly_to_mongodb_without_a_spool() {
    let Some(uri) = database() else { return };
    let server = start(&uri, &["--spool", "off"]).await;
    server.post("", json!([event("u1", "a"), event("u1", "a")]).to_string()).await.assert_counts(202, [1, 1, 0]);
    assert_eq!(server.get("/users/u1/journey").await.json["events"].as_array().unwrap().len(), 1);
    assert!(server.get("/health").await.json["checks"]["spool"].is_null());
    assert_eq!(server.get("/readyz").await.status, 200);
    server.stopped().await;
    clean_up(&uri).await;
}

#[tokio::test]
async fn forwards_spooled_events_after_an_outage() {
    let Some(uri) = database() else { return };
    let server = start(NOBODY, &[]).await;
    for n in 0..20 {
        server.post("", event("u1", &format!("s{n}")).to_string()).await.assert_counts(202, [1, 0, 0]);
    }
    let server = start_in(server.stopped().await, &uri, &[]).await;
    let journey = |answer: &Answer| answer.json["events"].as_array().map_or(0, Vec::len);
    until(&server, "/users/u1/journey", |answer| journey(answer) == 20).await;
    server.stopped().await;
    clean_up(&uri).await;
}

fn run(dir: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_martech-server"))
        .args(args)
        .current_dir(dir)
        .env_remove("MARTECH_STORE")
        .env_remove("MARTECH_DATA_DIR")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn imports_verifies_and_migrates_both_ways() {
    let Some(uri) = database() else { return };
    let Some(other) = database() else { return };
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..3000)
        .map(|n| {
            let (user, kind) = (n % 40, ["purchase", "page_view"][n % 2]);
            let properties = json!({ "total": "12.50", "page": format!("/{}", n % 7), "a.b": { "$c": n } });
            json!({ "eventId": format!("m{n}"), "userId": format!("u{user}"), "type": kind,
                "occurredAt": 1_767_571_200_000_u64 + n as u64 * 120_000, "properties": properties })
            .to_string()
        })
        .collect();
    std::fs::write(dir.path().join("events.ndjson"), lines.join("\n")).unwrap();
    let (code, said) = run(dir.path(), &["import", "events.ndjson", "--store", &uri]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3000 stored"), "{said}");
    let (code, said) = run(dir.path(), &["verify", "--store", &uri]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3000 events in MongoDB") && said.contains("no damage"), "{said}");

    let there = run(dir.path(), &["migrate", "--from", &uri, "--to", "lake"]);
    assert_eq!(there.0, 0, "{}", there.1);
    assert!(there.1.contains("3000 copied") && there.1.contains("3000 events in the source, 3000 in the destination"));
    let back = run(dir.path(), &["migrate", "--from", "lake", "--to", &other]);
    assert_eq!(back.0, 0, "{}", back.1);
    let again = run(dir.path(), &["migrate", "--from", "lake", "--to", &uri]);
    assert!(again.1.contains("0 copied, 3000 duplicates"), "{}", again.1);
    let (code, said) = run(dir.path(), &["verify", "--data-dir", "lake"]);
    assert_eq!(code, 0, "{said}");
    assert!(!dir.path().join("martech-migrate.json").exists(), "a finished migration removes its state");

    let (code, said) = run(dir.path(), &["migrate", "--from", "nothing", "--to", "lake"]);
    assert!(code == 2 && said.contains("no data in nothing"), "{said}");
    let (code, said) = run(dir.path(), &["migrate", "--from", "lake", "--to", "lake"]);
    assert!(code == 2 && said.contains("the same store"), "{said}");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        clean_up(&uri).await;
        clean_up(&other).await;
    });
}

#[tokio::test]
async fn servers_share_accounts_and_sessions() {
    let Some(uri) = database() else { return };
    let cheap = ["--password-memory", "512KiB", "--password-passes", "1"];
    let (one, other) = (start(&uri, &cheap).await, start(&uri, &cheap).await);
    let owner = json!({ "name": "Olga", "email": "olga@shop.example", "password": "correct horse" });
    let made = one
        .send_json("POST", "/api/auth/sign-up/email", &[("authorization", &format!("Bearer {}", one.token))], &owner)
        .await;
    assert_eq!((made.status.as_u16(), &made.json["user"]["role"]), (200, &json!("owner")), "{}", made.text);
    let again = other.send_json("POST", "/api/auth/sign-up/email", &[], &owner).await;
    again.assert_error(403, "INVITATION_REQUIRED");

    // Each server accepts cookies that the other has signed.
    let cookie = made.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let origin = |server: &Server| format!("http://{}", server.addr);
    let session = other.send_json("GET", "/api/auth/get-session", &[("cookie", &cookie)], &json!({})).await;
    assert_eq!(session.json["user"]["email"], "olga@shop.example", "{}", session.text);
    let headers = [("cookie", cookie.as_str()), ("origin", &origin(&other))];
    assert_eq!(other.send_json("POST", "/api/auth/sign-out", &headers, &json!({})).await.status, 200);
    let session = one.send_json("GET", "/api/auth/get-session", &[("cookie", &cookie)], &json!({})).await;
    assert_eq!(session.text, "null");
    one.stopped().await;
    other.stopped().await;
    clean_up(&uri).await;
}

#[tokio::test]
async fn accepts_events_but_no_sign_ins_during_outage() {
    let server = start(NOBODY, &[]).await;
    let body = json!({ "email": "olga@shop.example", "password": "correct horse" });
    let answer = server.send_json("POST", "/api/auth/sign-in/email", &[], &body).await;
    answer.assert_error(503, "store_unavailable");
    assert!(answer.header("retry-after").is_some());
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
}

#[tokio::test]
async fn uses_stored_project_copies_during_outage() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("projects/b");
    std::fs::create_dir_all(&folder).unwrap();
    let record = json!({ "id": "b", "name": "B", "eventTypes": ["wishlist_add"], "createdAt": "2026-01-05T10:00:00.000Z",
        "updatedAt": "2026-01-05T10:00:00.000Z" });
    std::fs::write(folder.join("project.json"), record.to_string()).unwrap();
    let server = start_in(dir, NOBODY, &[]).await;
    let wish = json!({ "userId": "u1", "type": "wishlist_add" });
    server.post("?project=b", wish.to_string()).await.assert_counts(202, [1, 0, 0]);
    server.post("?project=c", wish.to_string()).await.assert_error(503, "store_unavailable");
    let health = server.get("/health").await;
    assert_eq!(health.json["projects"]["b"]["checks"]["spool"]["behindEvents"], 1, "{}", health.text);
}

/// The admin token that servers of one database have in common.
const TOKEN: [&str; 2] = ["--admin-token", "a-token-for-both-servers"];
const ADMIN: [(&str, &str); 1] = [("authorization", "Bearer a-token-for-both-servers")];

async fn get(server: &Server, path: &str) -> Answer {
    server.send_json("GET", path, &ADMIN, &json!({})).await
}

/// Creates the project `b`.
async fn make_b(server: &Server) -> Answer {
    server.send_json("POST", "/admin/projects", &ADMIN, &json!({ "id": "b" })).await
}

/// Removes the database of the server and that of the project `b`.
async fn clean_up_with_b(uri: &str) {
    clean_up(uri).await;
    let (place, options) = uri.split_once('?').unwrap();
    clean_up(&format!("{place}_b?{options}")).await;
}

#[tokio::test]
async fn projects_have_own_databases_that_servers_share() {
    let Some(uri) = database() else { return };
    let (one, two) = (start(&uri, &TOKEN).await, start(&uri, &TOKEN).await);
    let wanted = json!({ "id": "b", "retentionDays": 30 });
    let made = one.send_json("POST", "/admin/projects", &ADMIN, &wanted).await;
    assert_eq!(made.status, 201, "{}", made.text);
    // The other server looks up a project that it does not know, so it knows this one at once.
    two.post("?project=b&ack=stored", event("u1", "a").to_string()).await.assert_counts(200, [1, 0, 0]);
    one.post("?ack=stored", event("u2", "b").to_string()).await.assert_counts(200, [1, 0, 0]);
    for server in [&one, &two] {
        assert_eq!(get(server, "/users?project=b").await.json["users"][0]["userId"], "u1");
        assert_eq!(get(server, "/users").await.json["users"][0]["userId"], "u2");
    }
    let forgotten = one.send_json("POST", "/admin/forget?project=b", &ADMIN, &json!({})).await;
    assert_eq!(forgotten.json["forgotten"], 1, "{}", forgotten.text);
    assert_eq!(get(&two, "/users?project=b").await.json["total"], 0);
    assert_eq!(get(&two, "/users").await.json["total"], 1);

    // The other server sees a change or a removal within seconds.
    let changed = one.send_json("PATCH", "/admin/projects/b", &ADMIN, &json!({ "timeZone": "Asia/Tokyo" })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let is_changed = async || get(&two, "/stats?project=b").await.json["tz"] == "Asia/Tokyo";
    eventually("the other server still uses the old settings", is_changed).await;
    assert_eq!(one.send_json("DELETE", "/admin/projects/b", &ADMIN, &json!({})).await.status, 204);
    let is_gone = async || get(&two, "/users?project=b").await.status == 404;
    eventually("the other server still has the removed project", is_gone).await;
    one.stopped().await;
    two.stopped().await;
    clean_up_with_b(&uri).await;
}

/// Repeats a check until it succeeds.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn removed_project_loses_its_events_on_all_servers() {
    let Some(uri) = database() else { return };
    let (one, two) = (start(&uri, &TOKEN).await, start(&uri, &TOKEN).await);
    assert_eq!(make_b(&one).await.status, 201);
    two.post("?project=b&ack=stored", event("u1", "a").to_string()).await.assert_counts(200, [1, 0, 0]);
    let removed = one.send_json("DELETE", "/admin/projects/b?events=delete", &ADMIN, &json!({})).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    assert!(!one.dir.path().join("projects/b").exists());
    let folder = two.dir.path().join("projects/b");
    eventually("the other server still has the files", async || !folder.exists()).await;
    assert_eq!(get(&two, "/users?project=b").await.status, 404);
    assert_eq!(make_b(&two).await.status, 201);
    assert_eq!(get(&two, "/users?project=b").await.json["total"], 0);
    two.post("?project=b&ack=stored", event("u2", "b").to_string()).await.assert_counts(200, [1, 0, 0]);
    // The first server does not delete what the new project has.
    let dir = one.stopped().await;
    let one = start_in(dir, &uri, &TOKEN).await;
    assert_eq!(get(&one, "/users?project=b").await.json["total"], 1);
    one.stopped().await;
    two.stopped().await;
    clean_up_with_b(&uri).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_project_ends_its_imports_on_all_servers() {
    let Some(uri) = database() else { return };
    let (one, two) = (start(&uri, &TOKEN).await, start(&uri, &TOKEN).await);
    assert_eq!(make_b(&one).await.status, 201);
    let rows: String = (0..200_000).map(|n| format!("u{n},search,2026-01-01\n")).collect();
    let rows = format!("userId,type,occurredAt\n{rows}");
    let upload = two.send_with("POST", "/admin/imports?fileName=a.csv&project=b", &ADMIN, rows).await;
    assert_eq!(upload.status, 201, "{}", upload.text);
    let import = format!("/admin/imports/{}", upload.json["id"].as_str().unwrap());
    let run = two.send_json("POST", &format!("{import}/run?project=b"), &ADMIN, &json!({})).await;
    assert_eq!(run.status, 202, "{}", run.text);
    let import = format!("{import}?project=b");
    let has_stored = async || get(&two, &import).await.json["counts"]["stored"].as_u64() > Some(0);
    eventually("the import stores nothing", has_stored).await;
    let removed = one.send_json("DELETE", "/admin/projects/b?events=delete", &ADMIN, &json!({})).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    let folder = two.dir.path().join("projects/b");
    eventually("the other server still has the files", async || !folder.exists()).await;
    // The import has ended: a later project does not get its events.
    eventually("the project cannot be created again", async || make_b(&two).await.status == 201).await;
    assert_eq!(get(&two, "/admin/imports?project=b").await.json["imports"], json!([]));
    assert_eq!(get(&two, "/users?project=b").await.json["total"], 0);
    // Another import can run at once.
    let upload = two
        .send_with(
            "POST",
            "/admin/imports?fileName=a.csv&project=b",
            &ADMIN,
            "userId,type,occurredAt\nu,search,2026-01-01\n",
        )
        .await;
    let import = format!("/admin/imports/{}", upload.json["id"].as_str().unwrap());
    assert_eq!(two.send_json("POST", &format!("{import}/run?project=b"), &ADMIN, &json!({})).await.status, 202);
    let import = format!("{import}?project=b");
    eventually("the import ends", async || get(&two, &import).await.json["state"] == "finished").await;
    assert_eq!(get(&two, "/users?project=b").await.json["total"], 1);
    one.stopped().await;
    two.stopped().await;
    clean_up_with_b(&uri).await;
}
