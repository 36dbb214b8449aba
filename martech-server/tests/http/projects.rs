//! Several projects on one server.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::harness::{Answer, Server, event};

const CHEAP: [&str; 4] = ["--password-memory", "512KiB", "--password-passes", "1"];

/// Sends a request with the admin token.
async fn admin(server: &Server, method: &str, path: &str, body: Value) -> Answer {
    ask(server, &server.token, method, path, body).await
}

async fn ask(server: &Server, bearer: &str, method: &str, path: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {bearer}");
    server.send_json(method, path, &[("authorization", &bearer)], &body).await
}

/// Starts a server and creates a second project, `berlin`.
async fn two_shops(flags: &[&str], settings: Value) -> Server {
    let server = Server::start_with(&[&CHEAP, flags].concat()).await;
    let mut wanted = json!({ "id": "berlin" });
    wanted.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let made = admin(&server, "POST", "/admin/projects", wanted).await;
    assert_eq!((made.status.as_u16(), &made.json["id"]), (201, &json!("berlin")), "{}", made.text);
    server
}

async fn key(server: &Server, project: &str, kind: &str) -> String {
    let wanted = json!({ "name": "mine", "kind": kind });
    let made = admin(server, "POST", &format!("/admin/keys?project={project}"), wanted).await;
    made.json["key"].as_str().unwrap_or_else(|| panic!("{}", made.text)).to_owned()
}

async fn journey(server: &Server, user: &str, query: &str) -> usize {
    let answer = server.get(&format!("/users/{user}/journey{query}")).await;
    answer.json["events"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).len()
}

#[tokio::test]
async fn projects_store_events_separately() {
    let server = two_shops(&[], json!({})).await;
    // The same event in another project is a different event.
    for query in ["", "?project=berlin", "?project=default"] {
        let duplicate = u64::from(query == "?project=default");
        server.post(query, event("u1", "a").to_string()).await.assert_counts(202, [1 - duplicate, duplicate, 0]);
    }
    server.post("?project=berlin", event("u1", "b").to_string()).await.assert_counts(202, [1, 0, 0]);
    for (query, events) in [("", 1), ("?project=default", 1), ("?project=berlin", 2)] {
        assert_eq!(journey(&server, "u1", query).await, events, "{query}");
        assert_eq!(server.get(&format!("/users{query}")).await.json["users"][0]["events"], events);
        let join = if query.is_empty() { '?' } else { '&' };
        let stats = server.get(&format!("/stats{query}{join}from=2026-01-01&to=2026-02-01")).await;
        assert_eq!(stats.json["totals"]["events"], events);
    }
    admin(&server, "POST", "/admin/roll?project=berlin", json!({})).await;
    let files = |folder: &str| std::fs::read_dir(server.dir.path().join(folder)).unwrap().count();
    assert_eq!((files("projects/berlin/events"), files("events")), (1, 0), "the roll is limited to one project");
}

#[tokio::test]
async fn key_works_only_in_its_own_project() {
    let server = two_shops(&["--public-ingest", "off"], json!({})).await;
    let (write, read) = (key(&server, "berlin", "write").await, key(&server, "berlin", "read").await);
    let send = async |query: &str| ask(&server, &write, "POST", &format!("/events{query}"), event("u1", "a")).await;
    send("").await.assert_counts(202, [1, 0, 0]);
    send("?project=berlin").await.assert_counts(202, [0, 1, 0]);
    send("?project=default").await.assert_error(403, "forbidden");
    assert_eq!(server.post(&format!("?key={write}"), event("u2", "b").to_string()).await.status, 202);
    let users = async |query: &str| ask(&server, &read, "GET", &format!("/users{query}"), json!({})).await;
    assert_eq!(users("").await.json["total"], 2);
    assert_eq!(users("?project=berlin").await.json["total"], 2);
    users("?project=default").await.assert_error(403, "forbidden");
    assert_eq!(server.get("/users").await.json["total"], 0);
    // Each project lists and deletes only its own keys.
    let listed =
        async |project: &str| admin(&server, "GET", &format!("/admin/keys?project={project}"), json!({})).await;
    assert_eq!(listed("berlin").await.json["keys"].as_array().unwrap().len(), 2);
    let of_default = listed("default").await;
    assert_eq!(of_default.json["keys"], json!([]));
    let id = listed("berlin").await.json["keys"][0]["id"].as_str().unwrap().to_owned();
    admin(&server, "DELETE", &format!("/admin/keys/{id}"), json!({})).await.assert_error(404, "not_found");
    assert_eq!(admin(&server, "DELETE", &format!("/admin/keys/{id}?project=berlin"), json!({})).await.status, 204);
}

#[tokio::test]
async fn project_has_its_own_currency_zone_and_types() {
    let settings = json!({ "timeZone": "Asia/Tokyo", "currency": "JPY", "eventTypes": ["wishlist_add"] });
    let server = two_shops(&[], settings).await;
    let order = json!({ "userId": "u1", "type": "purchase", "occurredAt": "2026-01-05T20:00:00Z",
        "properties": { "total": "500" } });
    let wish = json!({ "userId": "u1", "type": "wishlist_add", "occurredAt": "2026-01-05T20:00:00Z" });
    for body in [&order, &wish] {
        server.post("?project=berlin", body.to_string()).await.assert_counts(202, [1, 0, 0]);
    }
    server.post("", wish.to_string()).await.assert_error(400, "unknown_type");
    let stats = server.get("/stats?project=berlin&from=2026-01-06&to=2026-01-07").await;
    assert_eq!(
        (&stats.json["tz"], &stats.json["totals"]["orders"]),
        (&json!("Asia/Tokyo"), &json!(1)),
        "{}",
        stats.text
    );
    assert_eq!(stats.json["totals"]["revenue"][0], json!({ "currency": "JPY", "amount": "500" }));

    let change = async |body: Value| admin(&server, "PATCH", "/admin/projects/berlin", body).await;
    let changed = change(json!({ "eventTypes": null, "name": "Berlin" })).await;
    assert_eq!(
        (&changed.json["name"], &changed.json["currency"]),
        (&json!("Berlin"), &json!("JPY")),
        "{}",
        changed.text
    );
    server.post("?project=berlin", wish.to_string()).await.assert_error(400, "unknown_type");
    for (field, value) in [
        ("timeZone", json!("Mars/Olympus")),
        ("currency", json!("$")),
        ("eventTypes", json!(["No Type"])),
        ("retentionDays", json!(40_000)),
        ("retentionDays", json!(1.5)),
        ("retentionDays", json!("30")),
        ("name", json!("")),
        ("name", json!(null)),
    ] {
        let mut body = json!({});
        body[field] = value;
        change(body).await.assert_error(400, "VALIDATION_ERROR").assert_field(field);
    }
    change(json!({ "eventTypes": ["wish", 7] }))
        .await
        .assert_error(400, "VALIDATION_ERROR")
        .assert_field("eventTypes[1]");
    change(json!({ "colour": "red" })).await.assert_error(400, "VALIDATION_ERROR").assert_field("colour");
    // The default project changes in the same way.
    assert_eq!(
        admin(&server, "PATCH", "/admin/projects/default", json!({ "timeZone": "Europe/Berlin" })).await.status,
        200
    );
    assert_eq!(server.get("/stats").await.json["tz"], "Europe/Berlin");
}

#[tokio::test]
async fn rejects_unknown_existing_and_invalid_project_ids() {
    let server = two_shops(&[], json!({})).await;
    server.post("?project=paris", event("u1", "a").to_string()).await.assert_error(404, "no_such_project");
    server.get("/users?project=paris").await.assert_error(404, "no_such_project");
    server.get("/users?project=Not+A+Name").await.assert_error(400, "invalid_parameter").assert_field("project");
    let stranger = server.send_json("GET", "/users?project=paris", &[], &json!({})).await;
    stranger.assert_error(401, "unauthorized");
    server.get("/users?colour=red").await.assert_error(400, "invalid_parameter");
    let make = async |body: Value| admin(&server, "POST", "/admin/projects", body).await;
    make(json!({ "id": "berlin" })).await.assert_error(409, "project_exists");
    make(json!({ "id": "default" })).await.assert_error(409, "project_exists");
    make(json!({ "id": "../etc" })).await.assert_error(400, "VALIDATION_ERROR").assert_field("id");
    make(json!({ "id": "a", "colour": 1 })).await.assert_error(400, "VALIDATION_ERROR");
    let remove = async |id: &str| admin(&server, "DELETE", &format!("/admin/projects/{id}"), json!({})).await;
    remove("default").await.assert_error(409, "default_project");
    remove("paris").await.assert_error(404, "no_such_project");
}

/// Signs up the owner. Returns the bearer token of the session.
async fn owner(server: &Server) -> String {
    let owner = json!({ "name": "owner", "email": "owner@shop.example", "password": "correct horse" });
    admin(server, "POST", "/api/auth/sign-up/email", owner).await.json["token"].as_str().unwrap().to_owned()
}

/// Invites a user into a project and signs them up. Returns the bearer token of the session.
async fn invited(server: &Server, by: &str, query: &str, name: &str, role: &str) -> String {
    let invitation = ask(server, by, "POST", &format!("/admin/invitations{query}"), json!({ "role": role })).await;
    let token = invitation.json["token"].as_str().unwrap_or_else(|| panic!("{}", invitation.text));
    let body = json!({ "name": name, "email": format!("{name}@shop.example"), "password": "correct horse", "invitation": token });
    let answer = server.send_json("POST", "/api/auth/sign-up/email", &[], &body).await;
    answer.json["token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

#[tokio::test]
async fn roles_apply_to_one_project() {
    let server = two_shops(&[], json!({})).await;
    let owner = owner(&server).await;
    let bea = invited(&server, &owner, "?project=berlin", "bea", "admin").await;
    let get = async |who: &str, path: &str| ask(&server, who, "GET", path, json!({})).await;
    for path in ["/users", "/admin/members", "/admin/keys"] {
        assert_eq!(get(&bea, &format!("{path}?project=berlin")).await.status, 200, "{path}");
        get(&bea, path).await.assert_error(403, "forbidden");
        assert_eq!(get(&owner, &format!("{path}?project=berlin")).await.status, 200, "owners have all projects");
    }
    let shops = async |who: &str| {
        let listed = get(who, "/admin/projects").await;
        listed.json["projects"].as_array().unwrap().iter().map(|shop| shop["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shops(&bea).await, [json!("berlin")]);
    assert_eq!(shops(&owner).await, [json!("default"), json!("berlin")]);
    // An admin of one project has no rights on the server or on owners.
    for (method, path, body) in [
        ("GET", "/admin/audit", json!({})),
        ("POST", "/admin/projects", json!({ "id": "mine" })),
        ("DELETE", "/admin/projects/berlin", json!({})),
        ("PATCH", "/admin/projects/default", json!({ "name": "mine" })),
        ("POST", "/admin/members/owner@shop.example/password", json!({ "newPassword": "another horse" })),
        ("PATCH", "/admin/members/owner@shop.example?project=berlin", json!({ "role": "analyst" })),
        ("DELETE", "/admin/members/owner@shop.example?project=berlin", json!({})),
        ("PATCH", "/admin/members/bea@shop.example", json!({ "role": "admin" })),
    ] {
        ask(&server, &bea, method, path, body).await.assert_error(403, "forbidden");
    }
    assert_eq!(ask(&server, &bea, "PATCH", "/admin/projects/berlin", json!({ "name": "Berlin" })).await.status, 200);
    // An admin of one project cannot find out whether someone has an account. An owner can give any account a role.
    let ann = invited(&server, &owner, "", "ann", "analyst").await;
    get(&ann, "/users?project=berlin").await.assert_error(403, "forbidden");
    let role_of = async |who: &str, name: &str, method: &str, body: Value| {
        ask(&server, who, method, &format!("/admin/members/{name}@shop.example?project=berlin"), body).await
    };
    let told = [
        role_of(&bea, "ann", "PATCH", json!({ "role": "analyst" })).await,
        role_of(&bea, "nobody", "PATCH", json!({ "role": "analyst" })).await,
    ];
    for answer in &told {
        answer.assert_error(404, "not_found");
    }
    assert_eq!(told[0].json["message"], told[1].json["message"]);
    let changed = role_of(&owner, "ann", "PATCH", json!({ "role": "analyst" })).await;
    assert_eq!((changed.status.as_u16(), &changed.json["role"]), (200, &json!("analyst")), "{}", changed.text);
    assert_eq!(get(&ann, "/users?project=berlin").await.status, 200);
    // The user loses the role and keeps the account.
    let role = async |method: &str, body: Value| role_of(&bea, "ann", method, body).await;
    assert_eq!(role("DELETE", json!({})).await.status, 204);
    get(&ann, "/users?project=berlin").await.assert_error(403, "forbidden");
    assert_eq!(get(&ann, "/users").await.status, 200);
    role("DELETE", json!({})).await.assert_error(404, "not_found");
    let audit = get(&owner, "/admin/audit").await;
    let entries = audit.json["entries"].as_array().unwrap();
    let removal = entries.iter().find(|entry| entry["action"] == "memberRemoved").unwrap();
    assert_eq!(removal["project"], "berlin", "{removal}");
}

#[tokio::test]
async fn events_survive_restart_and_removal_of_their_project() {
    let server = two_shops(&[], json!({ "currency": "EUR" })).await;
    server.post("?project=berlin", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    let read = key(&server, "berlin", "read").await;
    let server = Server::start_in(server.stopped().await, &[]).await;
    assert_eq!(journey(&server, "u1", "?project=berlin").await, 1);
    assert_eq!(admin(&server, "GET", "/admin/projects", json!({})).await.json["projects"][1]["currency"], "EUR");

    assert_eq!(server.get("/health").await.json["projects"]["berlin"]["checks"]["lake"]["events"], 1);
    let stranger = server.send_json("GET", "/health", &[], &json!({})).await;
    assert_eq!(stranger.json, json!({ "status": "ok" }), "anonymous clients see no projects");

    let owner = owner(&server).await;
    let bea = invited(&server, &owner, "?project=berlin", "bea", "admin").await;
    let open = admin(&server, "POST", "/admin/invitations?project=berlin", json!({ "role": "owner" })).await;
    assert_eq!(admin(&server, "DELETE", "/admin/projects/berlin", json!({})).await.status, 204);
    server.get("/users?project=berlin").await.assert_error(404, "no_such_project");
    ask(&server, &read, "GET", "/users", json!({})).await.assert_error(401, "invalid_key");
    assert_eq!(admin(&server, "POST", "/admin/projects", json!({ "id": "berlin" })).await.status, 201);
    assert_eq!(journey(&server, "u1", "?project=berlin").await, 1);
    ask(&server, &read, "GET", "/users", json!({})).await.assert_error(401, "invalid_key");
    // Roles and invitations of the removed project do not apply to the new one.
    ask(&server, &bea, "GET", "/users?project=berlin", json!({})).await.assert_error(403, "forbidden");
    let late = json!({ "name": "eve", "email": "eve@shop.example", "password": "correct horse",
        "invitation": open.json["token"] });
    let late = server.send_json("POST", "/api/auth/sign-up/email", &[], &late).await;
    late.assert_error(403, "INVALID_INVITATION");
}

#[tokio::test]
async fn forgets_events_past_the_retention_period() {
    let server = two_shops(&[], json!({ "retentionDays": 30 })).await;
    // Whole seconds, so that the response shows the same time.
    let now = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap();
    let at = |id: &str, days: i64| {
        let time = now - jiff::SignedDuration::from_hours(24 * days);
        json!({ "eventId": id, "userId": "u1", "type": "page_view", "occurredAt": format!("{time:.3}") })
    };
    let events = json!([at("a", 1), at("b", 29), at("c", 32), at("d", 400)]);
    for query in ["", "?project=berlin"] {
        server.post(query, events.to_string()).await.assert_counts(202, [4, 0, 0]);
    }
    let forget = async |query: &str| admin(&server, "POST", &format!("/admin/forget{query}"), json!({})).await;
    let forgotten = forget("?project=berlin").await;
    assert_eq!((forgotten.status.as_u16(), &forgotten.json["forgotten"]), (200, &json!(2)), "{}", forgotten.text);
    assert_eq!(forget("?project=berlin").await.json["forgotten"], 0);
    assert_eq!(journey(&server, "u1", "?project=berlin").await, 2);
    let user = server.get("/users?project=berlin").await.json["users"][0].clone();
    assert_eq!((&user["events"], &user["firstSeen"]), (&json!(2), &at("b", 29)["occurredAt"]), "{user}");
    forget("").await.assert_error(409, "no_retention");
    assert_eq!(journey(&server, "u1", "").await, 4, "the other project keeps its events");
}

/// Runs the program on the data folder of a running server. Returns its output.
async fn run(server: &Server, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martech-server"));
    command.args(arguments).current_dir(server.dir.path()).arg("--data-dir").arg(server.dir.path());
    command.env("MARTECH_TOKEN", &server.token).env("MARTECH_ADMIN_TOKEN", &server.token);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_accept_a_project() {
    let server = two_shops(&[], json!({})).await;
    fs::write(server.dir.path().join("events.ndjson"), event("u1", "a").to_string()).unwrap();
    let url = format!("http://{}", server.addr);
    run(&server, &["import", "events.ndjson", "--url", &url, "--project", "berlin"]).await;
    assert_eq!((journey(&server, "u1", "?project=berlin").await, journey(&server, "u1", "").await), (1, 0));
    let user = |arguments: &[&str]| {
        [&["user"], arguments, &["--url", &url]].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    for arguments in [
        user(&["add", "owner@shop.example"]),
        user(&["add", "bea@shop.example", "--role", "admin", "--project", "berlin"]),
        user(&["add", "ann@shop.example"]),
        user(&["role", "ann@shop.example", "analyst", "--project", "berlin"]),
    ] {
        run(&server, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let arguments = user(&["list", "--project", "berlin"]);
    let listed = run(&server, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let roles: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(
        roles,
        [["owner@shop.example", "owner"], ["bea@shop.example", "admin"], ["ann@shop.example", "analyst"]]
    );
    // Without a server, the command imports into the folder.
    let dir = server.stopped().await;
    fs::write(dir.path().join("more.ndjson"), event("u1", "b").to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_martech-server"));
    command.args(["import", "more.ndjson", "--project", "berlin", "--data-dir", "."]).current_dir(dir.path());
    assert!(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap().status.success());
    let server = Server::start_in(dir, &[]).await;
    assert_eq!((journey(&server, "u1", "?project=berlin").await, journey(&server, "u1", "").await), (2, 0));
}

#[tokio::test]
async fn existing_user_accepts_invitation_with_their_password() {
    let server = two_shops(&[], json!({})).await;
    let owner = owner(&server).await;
    let ann = invited(&server, &owner, "", "ann", "analyst").await;
    let bea = invited(&server, &owner, "?project=berlin", "bea", "admin").await;
    let invite = json!({ "role": "analyst", "email": "ann@shop.example" });
    let invitation = ask(&server, &bea, "POST", "/admin/invitations?project=berlin", invite).await;
    let sign_up = async |password: &str| {
        let body = json!({ "name": "Ann", "email": "ann@shop.example", "password": password,
            "invitation": invitation.json["token"] });
        server.send_json("POST", "/api/auth/sign-up/email", &[], &body).await
    };
    // The link without the password does not reveal that the account exists.
    sign_up("not her password").await.assert_error(403, "INVALID_INVITATION");
    let audit = ask(&server, &owner, "GET", "/admin/audit", json!({})).await;
    assert_eq!(audit.json["entries"][0]["action"], "signInFailed", "counts as a password guess");
    ask(&server, &ann, "GET", "/users?project=berlin", json!({})).await.assert_error(403, "forbidden");
    let taken = sign_up("correct horse").await;
    assert_eq!(taken.json["user"]["roles"], json!({ "default": "analyst", "berlin": "analyst" }), "{}", taken.text);
    assert_eq!(ask(&server, &ann, "GET", "/users?project=berlin", json!({})).await.status, 200);
    sign_up("correct horse").await.assert_error(403, "INVALID_INVITATION");
}

/// The server checks the role again after it has received the body.
#[tokio::test]
async fn owner_removed_mid_request_cannot_change_projects() {
    let server = two_shops(&[], json!({})).await;
    let owner = owner(&server).await;
    for (number, (method, path, body)) in [
        ("PATCH", "/admin/projects/default", r#"{"retentionDays":1}"#),
        ("PATCH", "/admin/projects/berlin", r#"{"retentionDays":1}"#),
        ("POST", "/admin/projects", r#"{"id":"munich"}"#),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("dora{number}");
        let dora = invited(&server, &owner, "", &name, "owner").await;
        let (begin, end) = body.split_at(body.len() - 1);
        let mut raw = server.connect().await;
        raw.write(format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {dora}\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))
        .await;
        // The server waits for the body. The user was an owner when the request began.
        raw.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
        raw.write(begin).await;
        let dismissed = ask(&server, &owner, "DELETE", &format!("/admin/members/{name}@shop.example"), json!({})).await;
        assert_eq!(dismissed.status, 204, "{}", dismissed.text);
        raw.write(end).await;
        raw.answer().await.assert_error(403, "forbidden");
    }
    let shops = ask(&server, &owner, "GET", "/admin/projects", json!({})).await;
    let shops = shops.json["projects"].as_array().unwrap();
    assert_eq!(shops.len(), 2);
    assert!(shops.iter().all(|shop| shop["retentionDays"].is_null()), "{shops:?}");
    let removed = ask(&server, &owner, "DELETE", "/admin/projects/berlin", json!({})).await;
    assert_eq!(removed.status, 204, "the remaining owner can still remove projects");
}

#[tokio::test]
async fn admin_cannot_manage_members_of_other_projects() {
    let server = two_shops(&[], json!({})).await;
    let owner = owner(&server).await;
    let admin = invited(&server, &owner, "", "adam", "admin").await;
    let ann = invited(&server, &owner, "?project=berlin", "ann", "analyst").await;
    invited(&server, &owner, "", "ben", "analyst").await;
    let reset = async |who: &str, whose: &str| {
        let path = format!("/admin/members/{whose}@shop.example/password");
        ask(&server, who, "POST", &path, json!({ "newPassword": "battery staple" })).await
    };
    let remove = async |who: &str| ask(&server, who, "DELETE", "/admin/members/ann@shop.example", json!({})).await;
    reset(&admin, "ann").await.assert_error(403, "forbidden");
    remove(&admin).await.assert_error(403, "forbidden");
    assert_eq!(ask(&server, &ann, "GET", "/users?project=berlin", json!({})).await.status, 200, "still signed in");
    assert_eq!(reset(&admin, "ben").await.status, 204, "a member of this project only");
    // With the admin role in both projects, they may.
    let role = json!({ "role": "admin" });
    let path = "/admin/members/adam@shop.example?project=berlin";
    assert_eq!(ask(&server, &owner, "PATCH", path, role).await.status, 200);
    assert_eq!(reset(&admin, "ann").await.status, 204);
    assert_eq!(remove(&admin).await.status, 204);
}

#[tokio::test]
async fn missing_and_forbidden_projects_return_identical_errors() {
    let server = two_shops(&["--public-ingest", "off"], json!({})).await;
    let owner = owner(&server).await;
    let ann = invited(&server, &owner, "", "ann", "admin").await;
    let (read, write) = (key(&server, "default", "read").await, key(&server, "default", "write").await);
    let told = async |who: &str, method: &str, path: &str| {
        let there = ask(&server, who, method, &path.replace("{}", "berlin"), json!({ "name": "x" })).await;
        let not = ask(&server, who, method, &path.replace("{}", "munich"), json!({ "name": "x" })).await;
        let words = |answer: &crate::harness::Answer, id: &str| {
            (answer.status, answer.json["code"].clone(), answer.json["message"].as_str().unwrap().replace(id, "ID"))
        };
        assert_eq!(words(&there, "berlin"), words(&not, "munich"), "{method} {path}");
        assert!(there.status.is_client_error(), "{}", there.text);
    };
    for who in [ann.as_str(), &read, "nobody", "mt_read_made-up"] {
        for path in ["/users?project={}", "/stats?project={}", "/admin/members?project={}", "/admin/keys?project={}"] {
            told(who, "GET", path).await;
        }
        told(who, "PATCH", "/admin/projects/{}").await;
        told(who, "DELETE", "/admin/projects/{}").await;
    }
    for who in [ann.as_str(), &write, "nobody", "mt_write_made-up"] {
        told(who, "POST", "/events?project={}").await;
    }
    ask(&server, &server.token, "GET", "/users?project=munich", json!({})).await.assert_error(404, "no_such_project");
}

#[tokio::test]
async fn concurrent_requests_create_a_project_once() {
    let server = Server::start().await;
    let made = futures_util::future::join_all(
        (0..6).map(|_| admin(&server, "POST", "/admin/projects", json!({ "id": "munich" }))),
    );
    let made: Vec<u16> = made.await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|status| **status == 409).count(), 5, "{made:?}");
}

#[tokio::test]
async fn project_is_removed_with_its_events() {
    let server = two_shops(&[], json!({})).await;
    server.post("?project=berlin", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    let remove =
        async |query: &str| admin(&server, "DELETE", &format!("/admin/projects/berlin{query}"), json!({})).await;
    remove("?events=burn").await.assert_error(400, "invalid_parameter").assert_field("events");
    remove("?colour=red").await.assert_error(400, "invalid_parameter");
    let folder = server.dir.path().join("projects/berlin");
    assert!(folder.is_dir());
    assert_eq!(remove("?events=delete").await.status, 204);
    assert!(!folder.exists());
    assert_eq!(fs::read_dir(server.dir.path().join("removed")).unwrap().count(), 0);
    remove("?events=delete").await.assert_error(404, "no_such_project");
    let default = admin(&server, "DELETE", "/admin/projects/default?events=delete", json!({})).await;
    default.assert_error(409, "default_project");
    assert_eq!(admin(&server, "POST", "/admin/projects", json!({ "id": "berlin" })).await.status, 201);
    assert_eq!(journey(&server, "u1", "?project=berlin").await, 0);
    assert_eq!(remove("?events=keep").await.status, 204);
    let audit = admin(&server, "GET", "/admin/audit", json!({})).await;
    let entries = audit.json["entries"].as_array().unwrap();
    let removals = entries.iter().filter(|entry| entry["action"] == "projectRemoved");
    let details: Vec<_> = removals.map(|entry| entry["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["its events remain", "with its events"]);
}

#[tokio::test]
async fn sample_shop_is_created_and_removed() {
    let server =
        Server::start_with(&[&CHEAP[..], &["--time-zone", "Europe/Berlin", "--currency", "JPY"]].concat()).await;
    let owner = owner(&server).await;
    let ann = invited(&server, &owner, "", "ann", "admin").await;
    ask(&server, &ann, "POST", "/admin/sample-shop", json!({})).await.assert_error(403, "forbidden");
    let made = ask(&server, &owner, "POST", "/admin/sample-shop", json!({})).await;
    assert_eq!((made.status.as_u16(), &made.json["project"]["name"]), (201, &json!("Sample shop")), "{}", made.text);
    ask(&server, &owner, "POST", "/admin/sample-shop", json!({})).await.assert_error(409, "project_exists");
    // Midnight may have passed since.
    let stats = server.get("/stats?project=sample&interval=month&from=2000-01-01&compare=none").await;
    assert_eq!(stats.json["totals"]["events"], made.json["events"]);
    assert_eq!(stats.json["totals"]["revenue"][0]["currency"], "JPY");
    assert_eq!(stats.json["top"]["products"].as_array().unwrap().len(), 10);
    assert_eq!(server.get("/users").await.json["total"], 0, "the default project has none of the events");
    let removed = ask(&server, &owner, "DELETE", "/admin/projects/sample?events=delete", json!({})).await;
    assert_eq!(removed.status, 204);
    server.get("/stats?project=sample").await.assert_error(404, "no_such_project");
    let audit = admin(&server, "GET", "/admin/audit", json!({})).await;
    let created = audit.json["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "projectCreated");
    assert_eq!(created.unwrap()["detail"], "a sample shop");
}
