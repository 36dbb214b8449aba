//! Parameters and response shapes of the query routes. The tests of `martech-core` cover the meaning of the figures.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, event};

async fn with_events(count: u32) -> Server {
    let server = Server::start().await;
    let events: Vec<Value> = (0..count)
        .map(|n| {
            let mut event = event("u1", &format!("e{n}"));
            event["occurredAt"] = json!(format!("2026-01-05T10:{:02}:00Z", n % 60));
            event
        })
        .collect();
    server.post("", Value::from(events).to_string()).await.assert_counts(202, [count.into(), 0, 0]);
    server
}

#[tokio::test]
async fn rejects_unknown_repeated_and_invalid_parameters() {
    let server = Server::start().await;
    let cases = [
        ("/users?limt=5", "limt"),
        ("/users?limit=0", "limit"),
        ("/users?limit=1001", "limit"),
        ("/users?limit=-1", "limit"),
        ("/users?limit=5&limit=6", "limit"),
        ("/users?sort=name", "sort"),
        ("/users?order=up", "order"),
        ("/users?currency=%24", "currency"),
        ("/users?cursor=nonsense", "cursor"),
        ("/users/u1/journey?from=yesterday", "from"),
        ("/users/u1/journey?from=2026-01-02&to=2026-01-01", "to"),
        ("/users/u1/journey?type=9lives", "type"),
        ("/users/u1/journey?order=up", "order"),
        ("/users/u1/journey?cursor=nonsense", "cursor"),
        ("/stats?tz=Mars/Olympus", "tz"),
        ("/stats?tz=Etc/Unknown", "tz"),
        ("/users/u1/journey?tz=Factory", "tz"),
        ("/stats?from=2026-01-05T10:00:00+01:00", "from"),
        ("/stats?interval=minute", "interval"),
        ("/stats?from=2026-02-30", "from"),
        ("/stats?from=2026-01-02&to=2026-01-02", "to"),
        ("/stats?from=1970-01-01&to=2026-01-01&interval=hour", "interval"),
        ("/stats?q=u", "q"),
    ];
    for (path, field) in cases {
        server.get(path).await.assert_error(400, "invalid_parameter").assert_field(field);
    }
    let blank = server.get("/users/u1/journey?to=2026-01-05T10:00:00+01:00").await;
    assert!(blank.json["message"].as_str().unwrap().contains("%2B"), "{}", blank.text);
    let long = format!("/users/{}/journey", "x".repeat(129));
    server.get(&long).await.assert_error(400, "invalid_parameter").assert_field("userId");
    server.command("/admin/roll?now=1").await.assert_error(400, "invalid_parameter").assert_field("now");
}

#[tokio::test]
async fn pages_through_a_journey_by_cursor() {
    let server = with_events(5).await;
    let mut path = "/users/u1/journey?limit=2&order=desc".to_owned();
    let mut minutes = Vec::new();
    loop {
        let page = server.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.json["userId"], "u1");
        minutes.extend(page.json["events"].as_array().unwrap().iter().map(|event| event["occurredAt"].clone()));
        let Some(cursor) = page.json["nextCursor"].as_str() else { break };
        path = format!("/users/u1/journey?limit=2&order=desc&cursor={cursor}");
    }
    let expected: Vec<_> = (0..5).rev().map(|minute| json!(format!("2026-01-05T10:{minute:02}:00.000Z"))).collect();
    assert_eq!(minutes, expected);
    // A cursor is valid only for the query that returned it.
    let page = server.get("/users/u1/journey?limit=2").await;
    let cursor = page.json["nextCursor"].as_str().unwrap();
    let answer = server.get(&format!("/users/u1/journey?order=desc&cursor={cursor}")).await;
    answer.assert_error(400, "invalid_parameter").assert_field("cursor");
}

#[tokio::test]
async fn filters_a_journey_by_time_and_type() {
    let server = with_events(5).await;
    let count = async |query: &str| {
        let answer = server.get(&format!("/users/u1/journey?{query}")).await;
        answer.json["events"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).len()
    };
    assert_eq!(count("from=2026-01-05T10:01:00Z&to=2026-01-05T10:03:00Z").await, 2);
    assert_eq!(count("from=2026-01-05&to=2026-01-06").await, 5);
    // In Los Angeles, 2026-01-05 begins at 08:00 UTC, before the first event.
    assert_eq!(count("to=2026-01-05&tz=America/Los_Angeles").await, 0);
    assert_eq!(count("from=2026-01-05T10:00:00%2B01:00&to=2026-01-05T11:00:00%2B01:00").await, 0);
    assert_eq!(count("type=page_view,search").await, 5);
    assert_eq!(count("type=search&type=purchase").await, 0);
}

#[tokio::test]
async fn unknown_user_has_an_empty_journey() {
    let server = Server::start().await;
    let journey = server.get("/users/nobody/journey").await;
    assert_eq!((journey.status.as_u16(), journey.json), (200, json!({ "userId": "nobody", "events": [] })));
}

#[tokio::test]
async fn accepts_percent_encoded_user_ids() {
    let server = Server::start().await;
    let id = "ann/b c?ü%";
    server.post("", event(id, "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    let journey = server.get("/users/ann%2Fb%20c%3F%C3%BC%25/journey").await;
    assert_eq!(journey.json["userId"], id);
    assert_eq!(journey.json["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn returns_users_and_stats_in_their_shapes() {
    let server = Server::start().await;
    let mut order = event("u1", "a");
    order["type"] = json!("purchase");
    order["properties"] = json!({ "total": "12.50" });
    server.post("", json!([order, event("u2", "b")]).to_string()).await.assert_counts(202, [2, 0, 0]);

    let users = server.get("/users?sort=revenue&limit=1").await;
    let time = "2026-01-05T10:00:00.000Z";
    assert_eq!(
        users.json["users"],
        json!([{
            "userId": "u1", "firstSeen": time, "lastSeen": time, "events": 1, "sessions": 1, "orders": 1,
            "revenue": [{ "currency": "USD", "amount": "12.50" }],
        }])
    );
    assert_eq!(users.json["total"], 2);
    let cursor = users.json["nextCursor"].as_str().unwrap();
    let rest = server.get(&format!("/users?sort=revenue&limit=1&cursor={cursor}")).await;
    assert_eq!(rest.json["users"][0]["userId"], "u2");
    assert!(rest.json.get("nextCursor").is_none());

    let stats = server.get("/stats?from=2026-01-05&to=2026-01-06&tz=Europe/Berlin").await;
    assert_eq!(stats.json["totals"]["orders"], 1, "{}", stats.text);
    assert_eq!(stats.json["totals"]["averageOrderValue"], json!([{ "currency": "USD", "amount": "12.50" }]));
    assert_eq!(stats.json["tz"], "Europe/Berlin");
    assert_eq!(stats.json["series"].as_array().unwrap().len(), 1);
    assert_eq!(stats.json["previous"]["events"], 0);
}

#[tokio::test]
async fn compares_stats_with_another_period() {
    let server = Server::start().await;
    let mut now = event("u1", "a");
    let mut then = event("u1", "b");
    now["occurredAt"] = json!("2026-01-05T10:00:00Z");
    then["occurredAt"] = json!("2025-01-06T10:00:00Z");
    server.post("", json!([now, then]).to_string()).await.assert_counts(202, [2, 0, 0]);
    let stats = async |compare: &str| {
        let stats = server.get(&format!("/stats?from=2026-01-05&to=2026-01-07{compare}")).await;
        assert_eq!((stats.status.as_u16(), &stats.json["totals"]["events"]), (200, &json!(1)), "{}", stats.text);
        stats.json["previous"].clone()
    };
    let year = stats("&compare=previousYear").await;
    assert_eq!((&year["from"], &year["to"]), (&json!("2025-01-05T00:00:00Z"), &json!("2025-01-07T00:00:00Z")));
    let empty = json!({ "start": "2025-01-05T00:00:00Z", "events": 0, "users": 0, "newUsers": 0, "sessions": 0,
        "orders": 0, "revenue": [], "averageOrderValue": [], "revenuePerUser": [] });
    let mut second = empty.clone();
    second["start"] = json!("2025-01-06T00:00:00Z");
    for field in ["events", "users", "newUsers", "sessions"] {
        second[field] = json!(1);
    }
    second["conversion"] = json!(0.0);
    assert_eq!(year["series"], json!([empty, second]));
    assert_eq!(stats("&compare=previousPeriod").await, stats("").await);
    assert_eq!(stats("").await["from"], "2026-01-03T00:00:00Z");
    assert_eq!(stats("&compare=none").await, json!(null));
    for (parameter, value) in [("compare", "lastWeek"), ("weekStart", "tuesday")] {
        let refused = server.get(&format!("/stats?{parameter}={value}")).await;
        refused.assert_error(400, "invalid_parameter").assert_field(parameter);
    }
    let weeks = server.get("/stats?from=2026-01-05&to=2026-01-07&interval=week&weekStart=sunday").await;
    assert_eq!(weeks.json["series"][0]["start"], "2026-01-04T00:00:00Z");
}

/// Sends a GET with the admin token, and asks for CSV.
async fn csv(server: &Server, path: &str) -> Answer {
    let bearer = format!("Bearer {}", server.token);
    let answer = server.send_with("GET", path, &[("authorization", &bearer), ("accept", "text/csv")], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(answer.header("vary"), Some("accept"));
    answer
}

#[tokio::test]
async fn answers_as_csv() {
    let server = Server::start().await;
    let order = |user: &str, id: &str, total: &str, currency: &str| {
        let mut order = event(user, id);
        order["type"] = json!("purchase");
        order["properties"] = json!({ "total": total, "currency": currency, "note": "a, \"b\"" });
        order
    };
    let mut visit = event("=cmd()", "d");
    visit["sessionId"] = json!("-1");
    visit["anonymousId"] = json!("x;=1+1;");
    let all =
        json!([order("u1", "a", "12.5", "EUR"), order("u1", "b", "-3", "EUR"), order("u2", "c", "7", "JPY"), visit]);
    server.post("", all.to_string()).await.assert_counts(202, [4, 0, 0]);

    let stats = csv(&server, "/stats?from=2026-01-05&to=2026-01-07").await;
    let expected = "start,events,users,newUsers,sessions,orders,revenue_EUR,revenue_JPY\r\n\
                    2026-01-05T00:00:00Z,4,3,3,3,3,9.50,7\r\n2026-01-06T00:00:00Z,0,0,0,0,0,,\r\n";
    assert_eq!(stats.text, expected);
    let name = "attachment; filename=\"default-stats-2026-01-05-2026-01-07.csv\"";
    assert_eq!(stats.header("content-disposition"), Some(name));
    assert_eq!(stats.header("link"), None);

    let users = csv(&server, "/users?sort=userId&limit=2").await;
    let time = "2026-01-05T10:00:00.000Z";
    let expected = format!(
        "userId,firstSeen,lastSeen,events,sessions,orders,revenue_EUR\r\n'=cmd(),{time},{time},1,1,0,\r\n\
         u1,{time},{time},2,1,2,9.50\r\n"
    );
    assert_eq!(users.text, expected);
    let next = users.header("link").unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    assert!(next.starts_with("?sort=userId&limit=2&cursor="), "{next}");
    let rest = csv(&server, &format!("/users{next}")).await;
    assert_eq!(rest.text.lines().count(), 2, "{}", rest.text);
    assert!(rest.text.contains("revenue_JPY\r\nu2,") && rest.text.ends_with(",7\r\n"), "{}", rest.text);
    assert_eq!(
        (rest.header("link"), rest.header("content-disposition")),
        (None, Some("attachment; filename=\"default-users.csv\""))
    );

    let journey = csv(&server, "/users/=cmd()/journey").await;
    let (head, row) = journey.text.split_once("\r\n").unwrap();
    assert_eq!(head, "eventId,userId,type,occurredAt,receivedAt,sessionId,anonymousId,properties");
    assert!(row.contains(&format!(",'=cmd(),page_view,{time},")) && row.ends_with(",'-1,\"x;'=1+1;\",\r\n"), "{row}");
    let journey = csv(&server, "/users/u1/journey?limit=1&order=desc").await;
    // The properties are one cell, with the quotes of the JSON doubled.
    let json = r#"{"currency":"EUR","note":"a, \"b\"","total":"12.5"}"#;
    assert!(journey.text.ends_with(&format!(",,,\"{}\"\r\n", json.replace('"', "\"\""))), "{}", journey.text);
    assert!(journey.header("link").unwrap().contains("?limit=1&order=desc&cursor="));
}

#[tokio::test]
async fn json_is_the_default_format() {
    let server = with_events(1).await;
    let bearer = format!("Bearer {}", server.token);
    for accept in ["*/*", "application/json", "text/html, */*;q=0.8", "text/csv;q=0.5, application/json", "image/png"] {
        let headers = [("authorization", &*bearer), ("accept", accept)];
        for path in ["/stats", "/users", "/users/u1/journey"] {
            let answer = server.send_with("GET", path, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
            assert_eq!(answer.header("vary"), Some("accept"));
            assert!(answer.json.is_object() && answer.header("content-disposition").is_none());
        }
    }
    // Errors are always JSON.
    let headers = [("authorization", &*bearer), ("accept", "text/csv")];
    server.send_with("GET", "/stats?interval=never", &headers, "").await.assert_error(400, "invalid_parameter");
}

#[tokio::test]
async fn stats_default_to_last_30_days_in_configured_zone() {
    let server = Server::start_with(&["--time-zone", "Asia/Tokyo"]).await;
    let body = json!({ "userId": "u1", "type": "page_view" });
    server.post("", body.to_string()).await.assert_counts(202, [1, 0, 0]);
    let stats = server.get("/stats").await;
    assert_eq!(stats.json["totals"]["events"], 1, "{}", stats.text);
    assert_eq!((&stats.json["tz"], &stats.json["interval"]), (&json!("Asia/Tokyo"), &json!("day")));
    assert_eq!(stats.json["series"].as_array().unwrap().len(), 30);
}

#[tokio::test]
async fn roll_and_compaction_do_not_change_responses() {
    let server = with_events(5).await;
    let before = server.get("/users/u1/journey").await.json;
    let rolled = server.command("/admin/roll").await;
    assert_eq!((rolled.status.as_u16(), &rolled.json["hotEvents"]), (200, &json!(0)), "{}", rolled.text);
    assert_eq!(server.command("/admin/compact").await.status, 200);
    assert_eq!(server.get("/users/u1/journey").await.json, before);
}

#[tokio::test]
async fn health_reports_each_check() {
    let server = with_events(3).await;
    let health = server.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json["status"]), (200, &json!("ok")), "{}", health.text);
    assert_eq!(health.json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health.json["checks"]["lake"]["status"], "ok");
    assert_eq!(health.json["checks"]["lake"]["events"], 3);
    assert_eq!(health.json["checks"]["journal"]["status"], "ok");
    assert_eq!((&health.json["sink"]["stored"], &health.json["sink"]["pending"]), (&json!(3), &json!(0)));
    assert!(health.json["uptimeSeconds"].is_u64());
}
