//! `martech-server verify` and `martech-server repair`, run as processes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::harness::Server;

/// The exit code and the output of a run of the program.
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(dir: &Path, args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_martech-server"))
        .args(args)
        .arg("--data-dir")
        .arg(dir)
        .env_remove("MARTECH_DATA_DIR")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err))
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let content = fs::read(&path).unwrap();
                files.insert(path, content);
            }
        }
    }
    files
}

fn event(id: &str, day: u8) -> Value {
    json!({ "eventId": id, "userId": "u1", "type": "page_view", "occurredAt": format!("2026-01-{day:02}T10:00:00Z") })
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_damage_and_repair_sets_it_aside() {
    let server = Server::start().await;
    server
        .post("", json!([event("a", 1), event("b", 1), event("c", 2)]).to_string())
        .await
        .assert_counts(202, [3, 0, 0]);
    assert_eq!(server.command("/admin/roll").await.status, 200);
    server.post("", event("d", 2).to_string()).await.assert_counts(202, [1, 0, 0]);

    let data = server.dir.path().to_owned();
    for command in [&["verify"][..], &["repair", "--yes"]] {
        let busy = run(&data, command);
        assert_eq!((busy.code, busy.out.as_str()), (2, ""));
        assert!(busy.err.contains("in use by another process"), "{}", busy.err);
    }

    let dir = server.stopped().await;
    let before = tree(dir.path());
    let sound = run(dir.path(), &["verify"]);
    assert_eq!(sound.code, 0, "{}{}", sound.out, sound.err);
    assert!(sound.out.contains("3 events in 2 files") && sound.out.contains("no damage"), "{}", sound.out);
    assert_eq!(tree(dir.path()), before);

    // Files of a roll are numbered by day.
    let victim = before.keys().find(|path| path.starts_with(dir.path().join("events"))).unwrap();
    let mut content = before[victim].clone();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(victim, content).unwrap();
    let before = tree(dir.path());
    let damaged = run(dir.path(), &["verify", "--json"]);
    let report = json(&damaged);
    assert_eq!(damaged.code, 1);
    assert_eq!(
        (&report["findings"][0]["kind"], &report["findings"][0]["events"]),
        (&json!("eventsDamaged"), &json!(2))
    );
    let plan = run(dir.path(), &["repair"]);
    assert_eq!(plan.code, 1);
    assert!(plan.out.contains("DAMAGE") && plan.out.contains("--yes"), "{}", plan.out);
    assert_eq!(tree(dir.path()), before);

    let repaired = run(dir.path(), &["repair", "--yes"]);
    assert_eq!(repaired.code, 0, "{}{}", repaired.out, repaired.err);
    assert!(repaired.out.contains("2 events lost") && repaired.out.contains("no damage"), "{}", repaired.out);
    assert_eq!(run(dir.path(), &["verify"]).code, 0);
    let aside: Vec<_> = fs::read_dir(dir.path().join("damaged")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].join("report.json").is_file());
    assert!(aside[0].join(victim.strip_prefix(dir.path()).unwrap()).is_file());
    let nothing = run(dir.path(), &["repair", "--yes", "--json"]);
    assert_eq!((nothing.code, &json(&nothing)["losses"]), (0, &Value::Null));

    let server = Server::start_in(dir, &[]).await;
    let journey = server.get("/users/u1/journey").await;
    assert_eq!(journey.json["events"].as_array().unwrap().len(), 2, "{}", journey.text);
    assert_eq!(server.get("/users").await.json["users"][0]["events"], 2);
}

#[test]
fn verify_and_repair_exit_with_2_without_data() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["verify", "repair"] {
        let empty = run(dir.path(), &[command]);
        assert_eq!((empty.code, empty.out.as_str()), (2, ""));
        assert!(empty.err.contains("no lake in"), "{}", empty.err);
        assert_eq!(run(&dir.path().join("none"), &[command]).code, 2);
    }
    assert!(tree(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_and_repair_handle_damaged_accounts() {
    let server = Server::start().await;
    let made = json!({ "name": "Olga", "email": "olga@shop.example", "password": "correct horse" });
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    assert_eq!(server.send_json("POST", "/api/auth/sign-up/email", &headers, &made).await.status, 200);
    let dir = server.stopped().await;
    let path = dir.path().join("accounts.redb");
    let sound = fs::read(&path).unwrap();

    let verified = run(dir.path(), &["verify", "--json"]);
    let accounts = &json(&verified)["accounts"];
    assert_eq!((verified.code, &accounts["status"]), (0, &json!("sound")), "{}", verified.out);
    assert!(accounts["records"].as_u64().unwrap() >= 3, "a user, a session and an audit entry: {accounts}");
    assert_eq!(fs::read(&path).unwrap(), sound, "`verify` changes nothing");

    // Flips a bit wherever a page in use has the address. Free pages may contain anything.
    let address = b"olga@shop.example";
    let mut flipped = sound.clone();
    for at in 0..sound.len() - address.len() {
        if sound[at..].starts_with(address) {
            flipped[at] ^= 1;
        }
    }
    let ways: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("cut off", sound[..sound.len() / 2].to_vec()),
        ("of something else", b"no database at all".repeat(1000)),
        ("flipped bits", flipped),
        ("zeros in the middle", [&sound[..512], &vec![0; 64 << 10], &sound[512 + (64 << 10)..]].concat()),
    ];
    for (what, bytes) in ways {
        fs::write(&path, &bytes).unwrap();
        let verified = run(dir.path(), &["verify"]);
        assert_eq!(verified.code, 1, "{what}: {}{}", verified.out, verified.err);
        assert!(
            verified.out.contains("accounts.redb is damaged") && verified.out.contains("set-up link"),
            "{}",
            verified.out
        );
        let planned = run(dir.path(), &["repair"]);
        assert_eq!((planned.code, fs::read(&path).unwrap() == bytes), (1, true), "{what}: without --yes it only plans");
    }
    let repaired = run(dir.path(), &["repair", "--yes", "--json"]);
    let told = json(&repaired);
    assert_eq!(
        (repaired.code, &told["accounts"]["status"]),
        (0, &json!("setAside")),
        "{}{}",
        repaired.out,
        repaired.err
    );
    assert!(Path::new(told["accounts"]["path"].as_str().unwrap()).exists() && !path.exists());
    // The server starts without accounts, and with the backup it has them again.
    let server = Server::start_in(dir, &[]).await;
    assert_eq!(server.get("/admin/members").await.json["members"], json!([]));
    let dir = server.stopped().await;
    fs::write(&path, &sound).unwrap();
    let server = Server::start_in(dir, &[]).await;
    assert_eq!(server.get("/admin/members").await.json["members"][0]["email"], "olga@shop.example");
}
