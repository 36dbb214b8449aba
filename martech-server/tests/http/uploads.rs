//! Imports of uploaded files over HTTP.

use std::{fs, io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Answer, Server};

/// Longer than any import of a test takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Orders from the export of a German shop. The second row has no valid time.
const ORDERS: &str = "order;customer;ordered_at;amount\r\n1001;anna;22.11.2026 10:20;59,90\r\n1002;ben;soon;5,00\r\n1003;cleo;23.11.2026 09:00;1.234,50 €\r\n";

fn orders() -> Value {
    json!({
        "map": {"eventId": "order", "userId": "customer", "occurredAt": "ordered_at", "properties.total": "amount"},
        "set": {"type": "purchase"},
        "timeFormat": "%d.%m.%Y %H:%M", "timeZone": "Europe/Berlin", "decimal": ",", "thousands": ".", "currency": "EUR",
    })
}

fn rows(count: usize) -> String {
    let rows: String = (0..count).map(|n| format!("u{},search,2026-01-01,{n}\n", n % 100)).collect();
    format!("userId,type,occurredAt,number\n{rows}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn ask(server: &Server, method: &str, path: &str) -> Answer {
    let authorization = format!("Bearer {}", server.token);
    server.send_with(method, path, &[("authorization", &authorization)], "").await
}

async fn upload(server: &Server, name: &str, content: impl Into<Vec<u8>>) -> Answer {
    let authorization = format!("Bearer {}", server.token);
    let path = format!("/admin/imports?fileName={name}");
    server.send_with("POST", &path, &[("authorization", &authorization)], content.into()).await
}

async fn uploaded(server: &Server, name: &str, content: impl Into<Vec<u8>>) -> String {
    let answer = upload(server, name, content).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json["id"].as_str().unwrap().to_owned()
}

async fn run(server: &Server, id: &str, options: &Value) -> Answer {
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    server.send_json("POST", &format!("/admin/imports/{id}/run"), &headers, options).await
}

/// Runs an import to its end, and returns its description.
async fn finished(server: &Server, id: &str, options: &Value) -> Value {
    let answer = run(server, id, options).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json["state"], "running");
    ended(server, id).await
}

async fn ended(server: &Server, id: &str) -> Value {
    let poll = async {
        loop {
            let answer = ask(server, "GET", &format!("/admin/imports/{id}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            if answer.json["state"] != "running" {
                return answer.json;
            }
            // Leaves the processor to the import.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, poll).await.expect("the import ends")
}

fn counts(import: &Value) -> [u64; 4] {
    ["read", "stored", "duplicates", "rejected"].map(|name| import["counts"][name].as_u64().unwrap())
}

async fn events(server: &Server) -> u64 {
    let stats = server.get("/stats?from=2026-01-01&to=2027-01-01").await;
    stats.json["totals"]["events"].as_u64().unwrap()
}

#[tokio::test]
async fn maps_and_imports_a_file() {
    let server = Server::start().await;
    let answer = upload(&server, "orders.csv", ORDERS).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.json["id"].as_str().unwrap();
    assert_eq!((&answer.json["state"], &answer.json["format"]), (&json!("uploaded"), &json!("csv")));
    assert_eq!((&answer.json["delimiter"], &answer.json["bytes"]), (&json!(";"), &json!(ORDERS.len())));
    assert_eq!(answer.json["columns"], json!(["order", "customer", "ordered_at", "amount"]));
    assert_eq!(answer.json["sample"][0], json!(["1001", "anna", "22.11.2026 10:20", "59,90"]));

    let mut options = orders();
    options["dryRun"] = true.into();
    let dry = finished(&server, id, &options).await;
    assert_eq!((&dry["state"], &dry["dryRun"]), (&json!("finished"), &json!(true)));
    assert_eq!(counts(&dry), [3, 2, 0, 1]);
    assert_eq!(dry["firstEvent"]["userId"], "anna");
    assert_eq!(dry["firstEvent"]["occurredAt"], "2026-11-22T09:20:00.000Z");
    let reason = &dry["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["field"], &reason["count"]),
        (&json!("invalid_time"), &json!("occurredAt"), &json!(1))
    );
    assert_eq!(reason["firstLine"], 3);
    assert!(reason["message"].as_str().unwrap().contains("the format of timeFormat"), "{reason}");
    assert_eq!(events(&server).await, 0, "a dry run stores nothing");

    let real = finished(&server, id, &orders()).await;
    assert_eq!((&real["state"], &real["dryRun"], counts(&real)), (&json!("finished"), &json!(false), [3, 2, 0, 1]));
    assert_eq!((&real["bytesRead"], &real["firstEvent"]), (&json!(ORDERS.len()), &Value::Null));
    assert!(real["finishedAt"].is_string());
    let journey = server.get("/users/cleo/journey").await;
    let event = &journey.json["events"][0];
    assert_eq!((&event["type"], &event["occurredAt"]), (&json!("purchase"), &json!("2026-11-23T08:00:00.000Z")));
    assert_eq!(event["properties"], json!({"currency": "EUR", "total": 1234.5}));

    // The same upload again, and the same file again.
    assert_eq!(counts(&finished(&server, id, &orders()).await), [3, 0, 2, 1]);
    let again = uploaded(&server, "again.csv", ORDERS).await;
    assert_eq!(counts(&finished(&server, &again, &orders()).await), [3, 0, 2, 1]);
    assert_eq!(events(&server).await, 2);

    let listed = ask(&server, "GET", "/admin/imports").await;
    let names: Vec<_> = listed.json["imports"].as_array().unwrap().iter().map(|import| &import["fileName"]).collect();
    assert_eq!(names, ["again.csv", "orders.csv"], "newest first");
    assert!(listed.json["imports"][0].get("sample").is_none());

    let audit = server.get("/admin/audit").await;
    let entries = audit.json["entries"].as_array().unwrap();
    let imported: Vec<_> = entries.iter().filter(|entry| entry["action"] == "imported").collect();
    assert_eq!(imported.len(), 3, "without the dry run: {}", audit.text);
    assert_eq!(imported[2]["target"], "orders.csv");
    assert_eq!(imported[2]["detail"], "3 read, 2 stored, 0 duplicates, 1 rejected");
    assert_eq!(imported[2]["actor"], "adminToken");
}

/// The ids are those of the command.
#[tokio::test(flavor = "multi_thread")]
async fn adds_nothing_that_the_command_has_imported() {
    let server = Server::start().await;
    fs::write(server.dir.path().join("a.csv"), rows(50)).unwrap();
    let url = format!("http://{}", server.addr);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_martech-server"));
    command.args(["import", "a.csv", "--url", &url]).env("MARTECH_TOKEN", &server.token).current_dir(server.dir.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let id = uploaded(&server, "b.csv", rows(60)).await;
    assert_eq!(counts(&finished(&server, &id, &json!({})).await), [60, 10, 50, 0]);
}

#[tokio::test]
async fn downloads_rejects() {
    let server = Server::start().await;
    let id = uploaded(&server, "orders%20%C3%BC.csv", ORDERS).await;
    let path = format!("/admin/imports/{id}/rejects");
    let none = ask(&server, "GET", &path).await;
    assert_eq!((none.status.as_u16(), &*none.text), (200, ""));
    finished(&server, &id, &orders()).await;
    let rejects = ask(&server, "GET", &path).await;
    assert_eq!(rejects.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        rejects.header("content-disposition"),
        Some(
            "attachment; filename=\"orders _.csv.rejects.ndjson\"; filename*=UTF-8''orders%20%C3%BC%2Ecsv%2Erejects%2Endjson"
        )
    );
    assert_eq!(rejects.text.lines().count(), 1, "{}", rejects.text);
    assert_eq!((&rejects.json["line"], &rejects.json["raw"]), (&json!(3), &json!("1002;ben;soon;5,00")));
    // An import without rejects removes those of the one before.
    let mut options = orders();
    options["timeFormat"] = Value::Null;
    options["map"].as_object_mut().unwrap().remove("occurredAt");
    options["set"]["occurredAt"] = "2026-01-01".into();
    options["dryRun"] = true.into();
    assert_eq!(counts(&finished(&server, &id, &options).await), [3, 3, 0, 0]);
    assert_eq!(ask(&server, "GET", &path).await.text, "");
}

#[tokio::test]
async fn names_invalid_options() {
    let server = Server::start().await;
    let id = uploaded(&server, "orders.csv", ORDERS).await;
    for (options, field) in [
        (json!({"map": {"user": "customer"}}), "map.user"),
        (json!({"map": {"userId": "client"}}), "map.userId"),
        (json!({"map": {"userId": "customer"}, "set": {"userId": "x"}}), "map.userId"),
        (json!({"set": {"properties.a": "1", "properties.a.b": "2"}}), "set.properties.a.b"),
        (json!({"columns": ["a", "a"]}), "columns"),
        (json!({"timeZone": "Mars"}), "timeZone"),
        (json!({"decimal": ",", "thousands": ","}), "thousands"),
        (json!({"dryRun": "yes"}), "dryRun"),
        (json!({"format": "xlsx"}), "format"),
        (json!({"mapping": {}}), "mapping"),
    ] {
        run(&server, &id, &options).await.assert_error(400, "VALIDATION_ERROR").assert_field(field);
    }
    let state = ask(&server, "GET", &format!("/admin/imports/{id}")).await;
    assert_eq!(state.json["state"], "uploaded");
    // Only a run needs different names.
    let twice = uploaded(&server, "twice.csv", "a,a\n1,2\n").await;
    run(&server, &twice, &json!({})).await.assert_error(400, "VALIDATION_ERROR").assert_field("columns");
    run(&server, "unknown", &json!({})).await.assert_error(404, "not_found");
}

#[tokio::test]
async fn rejects_files_that_it_cannot_read() {
    let server = Server::start().await;
    let packed = gzip(rows(10).as_bytes());
    for (name, content, why) in [
        ("a.csv", Vec::new(), "empty"),
        ("a.csv.gz", packed[..packed.len() - 4].to_vec(), "damaged"),
        ("a.xlsx", b"PK\x03\x04\0\0".to_vec(), "workbook"),
        ("a.csv", b"\x89PNG\0\0\0".to_vec(), "not text"),
    ] {
        let answer = upload(&server, name, content).await;
        answer.assert_error(400, "unreadable_file");
        assert!(answer.json["message"].as_str().unwrap().contains(why), "{}", answer.text);
    }
    assert_eq!(ask(&server, "GET", "/admin/imports").await.json["imports"], json!([]));
    assert_eq!(fs::read_dir(server.dir.path().join("imports")).unwrap().count(), 0, "nothing is left on the disk");
    for query in ["", "?fileName=", "?fileName=a%2Fb", "?fileName=a%0Ab", "?name=a"] {
        let authorization = format!("Bearer {}", server.token);
        let path = format!("/admin/imports{query}");
        let answer = server.send_with("POST", &path, &[("authorization", &authorization)], "a,b\n1,2\n").await;
        answer.assert_error(400, "invalid_parameter");
    }
    let mut raw = server.connect().await;
    let token = &server.token;
    raw.write(format!(
        "POST /admin/imports?fileName=a.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 99999999999\r\n\r\n"
    ))
    .await;
    raw.answer().await.assert_error(413, "body_too_large");
}

#[tokio::test]
async fn bounds_the_uploads_of_a_project() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    assert_eq!(server.send_json("POST", "/admin/projects", &headers, &json!({"id": "berlin"})).await.status, 201);
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(uploaded(&server, &format!("{n}.csv"), rows(1)).await);
    }
    upload(&server, "more.csv", rows(1)).await.assert_error(409, "too_many_imports");
    // Another project has its own, and does not see these.
    let other = server.send_with("POST", "/admin/imports?fileName=a.csv&project=berlin", &headers, rows(1)).await;
    assert_eq!(other.status, 201, "{}", other.text);
    ask(&server, "GET", &format!("/admin/imports/{}?project=berlin", ids[0])).await.assert_error(404, "not_found");
    let removed = ask(&server, "DELETE", &format!("/admin/imports/{}", ids[0])).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    assert!(!server.dir.path().join("imports").join(&ids[0]).exists());
    ask(&server, "DELETE", &format!("/admin/imports/{}", ids[0])).await.assert_error(404, "not_found");
    uploaded(&server, "more.csv", rows(1)).await;
}

#[tokio::test]
async fn admins_only() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    // The first account is an owner.
    let person = |email, role| json!({"email": email, "password": "correct horse battery", "role": role});
    let analyst = person("ann@shop.example", "analyst");
    for member in [&person("owner@shop.example", "owner"), &analyst] {
        assert_eq!(server.send_json("POST", "/admin/members", &headers, member).await.status, 201);
    }
    let sign_in = json!({"email": analyst["email"], "password": analyst["password"]});
    let signed_in = server.send_json("POST", "/api/auth/sign-in/email", &[], &sign_in).await;
    let analyst = format!("Bearer {}", signed_in.json["token"].as_str().unwrap());
    let id = uploaded(&server, "a.csv", rows(1)).await;
    for (method, path) in [
        ("POST", "/admin/imports?fileName=a.csv".to_owned()),
        ("GET", "/admin/imports".to_owned()),
        ("GET", format!("/admin/imports/{id}")),
        ("GET", format!("/admin/imports/{id}/rejects")),
        ("POST", format!("/admin/imports/{id}/run")),
        ("DELETE", format!("/admin/imports/{id}")),
    ] {
        let answer = server.send_with(method, &path, &[("authorization", &analyst)], "").await;
        answer.assert_error(403, "forbidden");
        server.send_with(method, &path, &[], "").await.assert_error(401, "unauthorized");
    }
}

#[tokio::test]
async fn imports_compressed_files() {
    let server = Server::start().await;
    let lines: String = (0..3000)
        .map(|n| format!("{{\"user\":{{\"id\":\"u{n}\"}},\"type\":\"search\",\"occurredAt\":\"2026-01-01\"}}\n"))
        .collect();
    let options = json!({"map": {"userId": "user.id"}, "onlyMapped": true});
    let answer = upload(&server, "events.ndjson.gz", gzip(lines.as_bytes())).await;
    assert_eq!(answer.json["columns"], json!(["user.id", "type", "occurredAt"]), "{}", answer.text);
    let id = answer.json["id"].as_str().unwrap();
    assert_eq!(counts(&finished(&server, id, &options).await), [3000, 3000, 0, 0]);
    let packed = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    let id = uploaded(&server, "events.jsonl.zst", packed).await;
    assert_eq!(counts(&finished(&server, &id, &options).await), [3000, 0, 3000, 0]);
}

/// The settings of the project apply: types and currency.
#[tokio::test]
async fn applies_the_settings_of_the_project() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    let settings = json!({"currency": "EUR", "eventTypes": ["wishlist"]});
    assert_eq!(server.send_json("PATCH", "/admin/projects/default", &headers, &settings).await.status, 200);
    let content =
        "userId,type,occurredAt,total\nu,wishlist,2026-01-01,\nu,purchase,2026-01-01,5\nu,dance,2026-01-01,\n";
    let id = uploaded(&server, "a.csv", content).await;
    let done = finished(&server, &id, &json!({})).await;
    assert_eq!(counts(&done), [3, 2, 0, 1]);
    assert_eq!(done["reasons"][0]["code"], "unknown_type");
    let stats = server.get("/stats?from=2026-01-01&to=2026-01-02").await;
    assert_eq!(stats.json["totals"]["revenue"], json!([{"currency": "EUR", "amount": "5.00"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_one_import_of_a_project_and_cancels_it() {
    const ROWS: usize = 300_000;
    let server = Server::start().await;
    let (large, small) =
        (uploaded(&server, "large.csv", rows(ROWS)).await, uploaded(&server, "small.csv", rows(1)).await);
    assert_eq!(run(&server, &large, &json!({})).await.status, 202);
    run(&server, &small, &json!({})).await.assert_error(409, "import_running");
    run(&server, &large, &json!({})).await.assert_error(409, "import_running");
    ask(&server, "GET", &format!("/admin/imports/{large}/rejects")).await.assert_error(409, "import_running");
    let poll = async {
        loop {
            let now = ask(&server, "GET", &format!("/admin/imports/{large}")).await.json;
            assert_eq!(now["state"], "running");
            if counts(&now)[1] > 0 {
                return now;
            }
        }
    };
    let now = timeout(PATIENCE, poll).await.unwrap();
    let (read, bytes) = (now["bytesRead"].as_u64().unwrap(), now["bytes"].as_u64().unwrap());
    assert!(0 < read && read <= bytes, "{now}");
    assert_eq!(ask(&server, "DELETE", &format!("/admin/imports/{large}")).await.status, 204);
    ask(&server, "GET", &format!("/admin/imports/{large}")).await.assert_error(404, "not_found");
    assert!(!server.dir.path().join("imports").join(&large).exists());
    let stored = events(&server).await;
    assert!(0 < stored && stored < ROWS as u64, "{stored} are stored");
    // The project can import again.
    assert_eq!(counts(&finished(&server, &small, &json!({})).await), [1, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_cancels_imports_and_keeps_uploads() {
    const ROWS: usize = 60_000;
    let server = Server::start().await;
    let (large, small) =
        (uploaded(&server, "large.csv", rows(ROWS)).await, uploaded(&server, "small.csv", rows(7)).await);
    assert_eq!(run(&server, &large, &json!({})).await.status, 202);
    let folder = server.dir.path().join("imports");
    let incomplete = folder.join("0123");
    fs::create_dir(&incomplete).unwrap();
    fs::write(incomplete.join("upload"), "half a fi").unwrap();
    fs::write(folder.join("0123.json"), "{}").unwrap();
    let dir = server.stopped().await;

    let server = Server::start_in(dir, &[]).await;
    assert!(!incomplete.exists(), "a file that did not arrive completely is removed");
    assert!(folder.join("0123.json").exists(), "a state file of the command stays");
    let left = ask(&server, "GET", &format!("/admin/imports/{large}")).await.json;
    assert_eq!(left["state"], "cancelled", "{left}");
    assert!(left["error"].as_str().unwrap().contains("the server stopped"), "{left}");
    let [_, stored, ..] = counts(&left);
    assert!(stored < ROWS as u64 && stored <= events(&server).await);
    // It can be run again, and adds the other events.
    let done = finished(&server, &large, &json!({})).await;
    let [read, added, duplicates, rejected] = counts(&done);
    assert_eq!((read, added + duplicates, rejected), (ROWS as u64, ROWS as u64, 0), "{done}");
    assert!(duplicates >= stored, "{done}");
    assert_eq!(events(&server).await, ROWS as u64);
    assert_eq!(counts(&finished(&server, &small, &json!({})).await), [7, 0, 7, 0]);
}

/// A later project with the same id has nothing of the former, not even of an import that was running.
#[tokio::test(flavor = "multi_thread")]
async fn removing_a_project_ends_its_imports() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    let make = async || server.send_json("POST", "/admin/projects", &headers, &json!({"id": "berlin"})).await.status;
    assert_eq!(make().await, 201);
    let path = "/admin/imports?fileName=a.csv&project=berlin";
    let large = server.send_with("POST", path, &headers, rows(300_000)).await.json;
    let large = format!("/admin/imports/{}", large["id"].as_str().unwrap());
    let run = format!("{large}/run?project=berlin");
    assert_eq!(server.send_json("POST", &run, &headers, &json!({})).await.status, 202);
    let poll = async { while counts(&ask(&server, "GET", &format!("{large}?project=berlin")).await.json)[1] == 0 {} };
    timeout(PATIENCE, poll).await.expect("events are stored");
    assert_eq!(ask(&server, "DELETE", "/admin/projects/berlin?events=delete").await.status, 204);
    assert!(!server.dir.path().join("projects/berlin").exists());
    ask(&server, "GET", &format!("{large}?project=berlin")).await.assert_error(404, "no_such_project");

    assert_eq!(make().await, 201);
    assert_eq!(ask(&server, "GET", "/admin/imports?project=berlin").await.json["imports"], json!([]));
    let small = server.send_with("POST", path, &headers, rows(3)).await.json;
    let small = format!("/admin/imports/{}", small["id"].as_str().unwrap());
    let run = format!("{small}/run?project=berlin");
    assert_eq!(server.send_json("POST", &run, &headers, &json!({})).await.status, 202);
    let poll = async {
        loop {
            let now = ask(&server, "GET", &format!("{small}?project=berlin")).await.json;
            if now["state"] != "running" {
                return now;
            }
        }
    };
    assert_eq!(counts(&timeout(PATIENCE, poll).await.unwrap()), [3, 3, 0, 0]);
    let stats = server.get("/stats?from=2026-01-01&to=2027-01-01&project=berlin").await;
    assert_eq!(stats.json["totals"]["events"], 3);
}

/// The sender loses the role while the file comes.
#[tokio::test]
async fn checks_the_role_again_when_the_file_has_come() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    let person = |name, role| json!({"email": format!("{name}@shop.example"), "password": "correct horse battery", "role": role});
    for member in [person("owner", "owner"), person("ann", "admin")] {
        assert_eq!(server.send_json("POST", "/admin/members", &headers, &member).await.status, 201);
    }
    let sign_in = json!({"email": "ann@shop.example", "password": "correct horse battery"});
    let signed_in = server.send_json("POST", "/api/auth/sign-in/email", &[], &sign_in).await;
    let token = signed_in.json["token"].as_str().unwrap();
    let (begin, end) = ("userId,type,occurredAt\n", "u1,search,2026-01-01\n");
    let mut raw = server.connect().await;
    raw.write(format!(
        "POST /admin/imports?fileName=a.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{begin}",
        begin.len() + end.len()
    ))
    .await;
    // The folder shows that the request was admitted.
    let folder = server.dir.path().join("imports");
    let admitted = async {
        while !fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, admitted).await.unwrap();
    let changed =
        server.send_json("PATCH", "/admin/members/ann@shop.example", &headers, &json!({"role": "analyst"})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    raw.write(end).await;
    raw.answer().await.assert_error(403, "forbidden");
    assert_eq!(ask(&server, "GET", "/admin/imports").await.json["imports"], json!([]));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left on the disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_the_rejects() {
    const ROWS: usize = 1200;
    const MIB: usize = 1 << 20;
    let server = Server::start().await;
    let row = "x".repeat(64 << 10) + "\n";
    let id = uploaded(&server, "a.csv.gz", gzip(format!("a,b\n1,2\n{}", row.repeat(ROWS)).as_bytes())).await;
    let done = finished(&server, &id, &json!({"dryRun": true})).await;
    assert_eq!((&done["state"], counts(&done)[3]), (&json!("finished"), ROWS as u64 + 1), "{}", done["error"]);
    let rejects = ask(&server, "GET", &format!("/admin/imports/{id}/rejects")).await.text;
    assert!((63 * MIB..=64 * MIB).contains(&rejects.len()), "{}", rejects.len());
    let listed = rejects.lines().count() as u64;
    assert_eq!(done["rejectsOmitted"], ROWS as u64 + 1 - listed);
    let first: Value = serde_json::from_str(rejects.lines().next().unwrap()).unwrap();
    assert_eq!((&first["line"], &first["code"]), (&json!(2), &json!("missing_field")));
}

/// CSV responses put an apostrophe before ids that a spreadsheet would run as a formula.
#[tokio::test]
async fn imports_a_journey_again() {
    let server = Server::start().await;
    let event = json!({
        "eventId": "e1", "userId": "+491701234", "type": "search", "occurredAt": "2026-01-05T10:00:00Z",
        "sessionId": "'tis", "anonymousId": "-a", "properties": {"query": "a;=1+1"},
    });
    server.post("?ack=stored", event.to_string()).await.assert_counts(200, [1, 0, 0]);
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str()), ("accept", "text/csv")];
    let journey = server.send_with("GET", "/users/%2B491701234/journey", &headers, "").await.text;
    assert!(journey.contains(",'+491701234,") && journey.contains(",''tis,'-a,"), "{journey}");
    let id = uploaded(&server, "journey.csv", journey.clone()).await;
    assert_eq!(counts(&finished(&server, &id, &json!({})).await), [1, 0, 1, 0]);

    let other = Server::start().await;
    let id = uploaded(&other, "journey.csv", journey).await;
    assert_eq!(counts(&finished(&other, &id, &json!({})).await), [1, 1, 0, 0]);
    let copy = other.get("/users/%2B491701234/journey").await.json;
    let copy = &copy["events"][0];
    assert_eq!((&copy["sessionId"], &copy["anonymousId"]), (&json!("'tis"), &json!("-a")), "{copy}");
    assert_eq!(copy["properties"], json!({"query": "a;=1+1"}));
}

/// Only names of options differ from the messages of the command.
#[tokio::test]
async fn quotes_values_unchanged() {
    let server = Server::start().await;
    let empty = upload(&server, "orders--final.csv", "").await;
    assert!(empty.json["message"].as_str().unwrap().starts_with("orders--final.csv: "), "{}", empty.text);
    let id = uploaded(&server, "a.csv", "userId,type,occurredAt\nu1,search,soon--red\n").await;
    let done = finished(&server, &id, &json!({"dryRun": true})).await;
    let message = done["reasons"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("\"soon--red\" is ") && message.contains("use timeFormat for"), "{message}");
}

#[tokio::test]
async fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start().await;
    let id = uploaded(&server, "a.csv", rows(1)).await;
    let folder = server.dir.path().join("imports").join(id);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("upload"))), (0o700, 0o600));
    assert_eq!(fs::read_to_string(folder.join("upload")).unwrap(), rows(1));
}

/// Returns the peak memory of a process, in bytes.
#[cfg(target_os = "linux")]
fn peak(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// The server is a process of its own, so that its memory can be measured.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn large_files_do_not_stay_in_memory() {
    use std::{
        io::{BufRead, BufReader, Read},
        net::TcpStream,
        process::{Command, Stdio},
    };

    const MIB: usize = 1 << 20;
    const FILE: usize = 128 * MIB;
    const GROWTH: usize = 48 * MIB;

    /// Sends a request whose body is `line`, repeated, and returns the JSON of the response.
    fn exchange(addr: &str, head: &str, line: &str, count: usize) -> Value {
        let mut stream = TcpStream::connect(addr).unwrap();
        let length = line.len() * count;
        let head = format!(
            "{head} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token-of-the-memory-test\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        (0..count).for_each(|_| stream.write_all(line.as_bytes()).unwrap());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    let work = || {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_martech-server"));
        command.args([
            "--addr",
            "127.0.0.1:0",
            "--metrics-addr",
            "off",
            "--log-format",
            "json",
            "--min-free-space",
            "0B",
        ]);
        command.arg("--data-dir").arg(dir.path()).env("MARTECH_ADMIN_TOKEN", "test-token-of-the-memory-test");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let logs = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let logs = logs.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        // The fields may be at the top level or in a group.
        let mut logs = logs.map(|line| line.get("fields").cloned().unwrap_or(line));
        let told = logs.find(|line| line["message"] == "listening").expect("the server starts");
        let addr = told["addr"].as_str().unwrap().to_owned();

        let before = peak(child.id());
        let note = "x".repeat(16_000);
        let line = format!(r#"{{"userId":"u","type":"search","occurredAt":"2026-01-01","note":"{note}"}}"#) + "\n";
        let upload = exchange(&addr, "POST /admin/imports?fileName=a.ndjson", &line, FILE / line.len());
        let id = upload["id"].as_str().unwrap();
        let received = peak(child.id()) - before;
        exchange(&addr, &format!("POST /admin/imports/{id}/run"), r#"{"dryRun":true}"#, 1);
        let import = loop {
            let now = exchange(&addr, &format!("GET /admin/imports/{id}"), "", 0);
            if now["state"] != "running" {
                break now;
            }
        };
        let imported = peak(child.id()) - before;
        child.kill().unwrap();
        child.wait().unwrap();
        println!("{} MiB for the upload, {} MiB with its import", received / MIB, imported / MIB);
        assert_eq!(counts(&import)[1] as usize, FILE / line.len(), "{import}");
        assert!(imported < GROWTH, "a file of {} MiB took {} MiB", FILE / MIB, imported / MIB);
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}
