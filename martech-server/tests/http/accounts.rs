//! Accounts, sessions and roles, as clients see them.

use axum::http::{Method, header};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, event};

const PASSWORD: &str = "correct horse";

/// Starts a server with cheap password hashing.
async fn start(more: &[&str]) -> Server {
    Server::start_with(&[&["--password-memory", "512KiB", "--password-passes", "1"], more].concat()).await
}

/// A client and the credentials that it sends.
#[derive(Clone, Default)]
struct Browser {
    cookies: String,
    authorization: Option<String>,
    origin: Option<String>,
}

impl Browser {
    fn at(server: &Server) -> Self {
        Self { origin: Some(format!("http://{}", server.addr)), ..Self::default() }
    }

    fn bearer(token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..Self::default() }
    }

    async fn send(&self, server: &Server, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = server.request(method, path);
        let headers = [
            (header::COOKIE, Some(&self.cookies).filter(|cookies| !cookies.is_empty())),
            (header::AUTHORIZATION, self.authorization.as_ref()),
            (header::ORIGIN, self.origin.as_ref()),
        ];
        for (name, value) in headers {
            request = value.into_iter().fold(request, |request, value| request.header(&name, value));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        server.send(request.body(Full::new(body)).unwrap()).await
    }

    async fn get(&self, server: &Server, path: &str) -> Answer {
        self.send(server, Method::GET, path, None).await
    }

    async fn post(&self, server: &Server, path: &str, body: Value) -> Answer {
        self.send(server, Method::POST, path, Some(body)).await
    }

    /// Stores the cookies of a response, as a browser does.
    fn keep(&mut self, answer: &Answer) {
        let set: Vec<&str> =
            answer.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
        self.cookies = set
            .iter()
            .filter(|line| !line.contains("Max-Age=0"))
            .map(|line| line.split(';').next().unwrap())
            .collect::<Vec<_>>()
            .join("; ");
    }
}

fn person(name: &str) -> Value {
    json!({ "name": name, "email": format!("{name}@shop.example"), "password": PASSWORD })
}

/// Signs up the owner. Returns the browser with the session.
async fn owner(server: &Server) -> Browser {
    let mut body = person("owner");
    let answer = Browser::bearer(&server.token).post(server, "/api/auth/sign-up/email", body.take()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut browser = Browser::at(server);
    browser.keep(&answer);
    browser
}

/// Signs up a user whom the owner has invited. Returns the browser with the session.
async fn invited(server: &Server, owner: &Browser, name: &str, role: &str) -> Browser {
    let invitation = owner.post(server, "/admin/invitations", json!({ "role": role })).await;
    assert_eq!(invitation.status, 201, "{}", invitation.text);
    let mut body = person(name);
    body["invitation"] = invitation.json["token"].clone();
    let mut browser = Browser::at(server);
    let answer = browser.post(server, "/api/auth/sign-up/email", body).await;
    assert_eq!((answer.status.as_u16(), &answer.json["user"]["role"]), (200, &json!(role)), "{}", answer.text);
    browser.keep(&answer);
    browser
}

#[tokio::test]
async fn first_sign_up_requires_the_admin_token() {
    let server = start(&["--sign-up", "open"]).await;
    let answer = Browser::default().post(&server, "/api/auth/sign-up/email", person("eve")).await;
    answer.assert_error(403, "SET_UP_REQUIRED");
    owner(&server).await;
    let answer = Browser::default().post(&server, "/api/auth/sign-up/email", person("ann")).await;
    assert_eq!(answer.json["user"]["role"], "analyst", "{}", answer.text);
}

#[tokio::test]
async fn session_grants_access_until_sign_out() {
    let server = start(&[]).await;
    let mut browser = owner(&server).await;
    assert_eq!(browser.get(&server, "/stats").await.status, 200);
    let session = browser.get(&server, "/api/auth/get-session").await;
    assert_eq!(session.json["user"]["email"], "owner@shop.example");
    assert_eq!(session.header("cache-control"), Some("no-store"));
    let token = session.json["session"]["token"].as_str().unwrap().to_owned();
    assert_eq!(Browser::bearer(&token).get(&server, "/stats").await.status, 200, "the token is also a bearer token");

    let answer = browser.post(&server, "/api/auth/sign-out", json!({})).await;
    assert_eq!(answer.json, json!({ "success": true }));
    for old in [browser.clone(), Browser::bearer(&token)] {
        old.get(&server, "/stats").await.assert_error(401, "unauthorized");
        assert_eq!(old.get(&server, "/api/auth/get-session").await.text, "null");
    }
    browser.keep(&answer);
    assert_eq!(browser.cookies, "");

    let answer = Browser::default().post(&server, "/api/auth/sign-in/email", person("owner")).await;
    let welcome = &answer.json;
    assert_eq!((&welcome["redirect"], &welcome["user"]["name"]), (&json!(false), &json!("owner")));
    assert_eq!(Browser::bearer(welcome["token"].as_str().unwrap()).get(&server, "/users").await.status, 200);
}

#[tokio::test]
async fn cookies_match_the_format_of_better_auth() {
    let server = start(&[]).await;
    owner(&server).await;
    let sign_in = async |server: &Server, remember: bool| {
        let mut body = person("owner");
        body["rememberMe"] = json!(remember);
        let answer = Browser::default().post(server, "/api/auth/sign-in/email", body).await;
        answer
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let cookies = sign_in(&server, true).await;
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let (value, attributes) = cookies[0].split_once(';').unwrap();
    let value = value.strip_prefix("better-auth.session_token=").unwrap();
    assert!(value.len() > 43 + 44 && value.ends_with("%3D"), "{value}");
    for attribute in ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=604800"] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    assert!(!attributes.contains("Secure"), "{attributes}");

    let cookies = sign_in(&server, false).await;
    assert!(cookies.len() == 2 && cookies[1].starts_with("better-auth.dont_remember="), "{cookies:?}");
    assert!(cookies.iter().all(|cookie| !cookie.contains("Max-Age")), "{cookies:?}");

    // A forged signature is not accepted.
    let forged = Browser {
        cookies: cookies[0].split(';').next().unwrap().replacen("token=", "token=x", 1),
        ..Browser::default()
    };
    forged.get(&server, "/stats").await.assert_error(401, "unauthorized");

    let server = Server::start_in(
        server.stopped().await,
        &["--password-memory", "512KiB", "--password-passes", "1", "--public-url", "https://shop.example"],
    );
    let server = server.await;
    let cookies = sign_in(&server, true).await;
    assert!(
        cookies[0].starts_with("__Secure-better-auth.session_token=") && cookies[0].contains("Secure;"),
        "{cookies:?}"
    );
    // Cookies from before TLS are no longer valid, but do no harm next to a valid one.
    let secure = cookies[0].split(';').next().unwrap();
    let before = format!("better-auth.session_token={value}");
    for (cookies, status) in [(format!("{before}; {secure}"), 200), (before, 401)] {
        let browser = Browser { cookies, ..Browser::default() };
        assert_eq!(browser.get(&server, "/stats").await.status, status, "{}", browser.cookies);
    }
}

#[tokio::test]
async fn accepts_set_auth_token_as_bearer() {
    let server = start(&[]).await;
    owner(&server).await;
    let answer = Browser::default().post(&server, "/api/auth/sign-in/email", person("owner")).await;
    let signed = answer.header("set-auth-token").unwrap();
    let token = answer.json["token"].as_str().unwrap();
    assert!(signed.starts_with(&format!("{token}.")), "{signed}");
    for bearer in [token.to_owned(), signed.to_owned(), signed.replace('=', "%3D").replace('+', "%2B")] {
        let session = Browser::bearer(&bearer).get(&server, "/api/auth/get-session").await;
        assert_eq!(session.json["user"]["email"], "owner@shop.example", "{bearer}");
    }
    let forged = format!("{token}.{}", "A".repeat(43) + "=");
    assert_eq!(Browser::bearer(&forged).get(&server, "/api/auth/get-session").await.json, Value::Null);
}

#[tokio::test]
async fn rejects_state_changes_from_other_origins() {
    let server = start(&[]).await;
    let browser = owner(&server).await;
    let from = |origin: Option<&str>| Browser { origin: origin.map(str::to_owned), ..browser.clone() };
    for (path, body) in [
        ("/api/auth/sign-out", json!({})),
        ("/api/auth/update-user", json!({ "name": "x" })),
        ("/admin/invitations", json!({ "role": "owner" })),
        ("/admin/roll", json!({})),
        ("/api/auth/sign-in/email", person("owner")),
    ] {
        from(Some("http://evil.example")).post(&server, path, body.clone()).await.assert_error(403, "INVALID_ORIGIN");
        for silent in [None, Some("null")] {
            from(silent).post(&server, path, body.clone()).await.assert_error(403, "MISSING_OR_NULL_ORIGIN");
        }
    }
    // Sign-in needs a valid origin without a cookie too: another page could sign a user in to a different account.
    let stranger = Browser { origin: Some("http://evil.example".to_owned()), ..Browser::default() };
    stranger.post(&server, "/api/auth/sign-in/email", person("owner")).await.assert_error(403, "INVALID_ORIGIN");
    assert_eq!(from(Some("http://evil.example")).get(&server, "/stats").await.status, 200, "reading needs no origin");
    assert_eq!(browser.get(&server, "/api/auth/get-session").await.json["user"]["name"], "owner");
    // Events are accepted from all origins, because they do not use the cookie.
    let event = json!({ "userId": "u", "type": "page_view" });
    assert_eq!(from(Some("http://evil.example")).post(&server, "/events", event).await.status, 202);
}

#[tokio::test]
async fn accepts_forms_for_sign_up_and_sign_in() {
    let server = start(&["--sign-up", "open"]).await;
    let browser = owner(&server).await;
    let send = async |path: &str, headers: &[(&str, &str)], fields: &str| {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        server.send_with("POST", path, &headers, fields.to_owned()).await
    };
    let (up, in_) = ("/api/auth/sign-up/email", "/api/auth/sign-in/email");
    let answer = send(up, &[], "name=Ann+Other&email=ann%40shop.example&password=p%26ss+word%2B1").await;
    assert_eq!((answer.status.as_u16(), &answer.json["user"]["name"]), (200, &json!("Ann Other")), "{}", answer.text);
    let right = "email=ann%40shop.example&password=p%26ss+word%2B1";
    let answer = send(in_, &[], right).await;
    assert_eq!(answer.headers.get_all(header::SET_COOKIE).iter().count(), 1, "{}", answer.text);
    let answer = send(in_, &[], &format!("{right}&rememberMe=false")).await;
    assert_eq!(answer.headers.get_all(header::SET_COOKIE).iter().count(), 2, "{}", answer.text);
    send(in_, &[], &right.replace("word%2B", "wort%2B")).await.assert_error(401, "INVALID_EMAIL_OR_PASSWORD");

    for wrong in ["&x=1", &format!("{right}&rememberMe=on"), &format!("{right}&password=x")] {
        send(in_, &[], wrong).await.assert_error(400, "VALIDATION_ERROR");
    }
    // Any page can send a form, and no cookie shows that the form is from another site.
    for (headers, code) in [
        ([("origin", "null"), ("sec-fetch-site", "cross-site")], "MISSING_OR_NULL_ORIGIN"),
        ([("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")], "MISSING_OR_NULL_ORIGIN"),
        ([("referer", "http://evil.example/x"), ("sec-fetch-site", "cross-site")], "INVALID_ORIGIN"),
    ] {
        send(in_, &headers, right).await.assert_error(403, code);
        send(up, &headers, "name=b&email=b%40shop.example&password=password-1").await.assert_error(403, code);
    }
    // Other routes accept no forms.
    for path in ["/api/auth/update-user", "/api/auth/change-password", "/admin/invitations"] {
        let headers = [("cookie", browser.cookies.as_str()), ("origin", browser.origin.as_deref().unwrap())];
        send(path, &headers, "name=x").await.assert_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

#[tokio::test]
async fn reports_invalid_input_without_revealing_accounts_at_sign_in() {
    let server = start(&["--sign-up", "open"]).await;
    owner(&server).await;
    let sign_in = async |email: &str, password: &str| {
        Browser::default()
            .post(&server, "/api/auth/sign-in/email", json!({ "email": email, "password": password }))
            .await
    };
    let (wrong, nobody) =
        (sign_in("owner@shop.example", "wrong horse").await, sign_in("nobody@shop.example", PASSWORD).await);
    wrong.assert_error(401, "INVALID_EMAIL_OR_PASSWORD");
    nobody.assert_error(401, "INVALID_EMAIL_OR_PASSWORD");
    assert_eq!(wrong.json["message"], nobody.json["message"]);
    sign_in("nobody", PASSWORD).await.assert_error(400, "INVALID_EMAIL");

    let sign_up = async |changes: Value| {
        let mut body = person("ann");
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        Browser::default().post(&server, "/api/auth/sign-up/email", body).await
    };
    sign_up(json!({ "password": "short" })).await.assert_error(400, "PASSWORD_TOO_SHORT");
    sign_up(json!({ "password": "x".repeat(129) })).await.assert_error(400, "PASSWORD_TOO_LONG");
    sign_up(json!({ "email": "ann@" })).await.assert_error(400, "VALIDATION_ERROR").assert_field("email");
    sign_up(json!({ "email": "OWNER@shop.example" })).await.assert_error(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL");
    sign_up(json!({ "image": "http://x" })).await.assert_error(400, "VALIDATION_ERROR").assert_field("image");
    sign_up(json!({ "name": 7 })).await.assert_error(400, "VALIDATION_ERROR");
    sign_up(json!({ "invitation": "made up" })).await.assert_error(403, "INVALID_INVITATION");

    let request = async |content_type: &str, body: &str| {
        server.send_with("POST", "/api/auth/sign-in/email", &[("content-type", content_type)], body.to_owned()).await
    };
    request("application/json", "{").await.assert_error(400, "BAD_REQUEST");
    request("application/json", "[]").await.assert_error(400, "VALIDATION_ERROR");
    let fields = r#"["ann@shop.example", "correct horse battery", true]"#;
    request("application/json", fields).await.assert_error(400, "VALIDATION_ERROR");
    assert_eq!(request("text/html", "{}").await.status, 415);
    assert_eq!(request("application/json", &" ".repeat(70_000)).await.status, 413);
    Browser::default().get(&server, "/api/auth/nothing").await.assert_error(404, "not_found");
    Browser::default().get(&server, "/api/auth/sign-out").await.assert_error(405, "method_not_allowed");
    for path in ["list-sessions", "revoke-sessions", "revoke-other-sessions", "change-password", "update-user"] {
        let method = if path.starts_with("list") { Method::GET } else { Method::POST };
        let answer = Browser::default().send(&server, method, &format!("/api/auth/{path}"), Some(json!({}))).await;
        answer.assert_error(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn limits_password_guesses_per_address() {
    let server = start(&["--trusted-proxies", "127.0.0.1"]).await;
    owner(&server).await;
    let guess = async |address: &str| {
        let request =
            server.request(Method::POST, "/api/auth/sign-in/email").header(header::CONTENT_TYPE, "application/json");
        let mut body = person("owner");
        body["password"] = json!("a guess of it");
        let request =
            request.header("x-forwarded-for", address).body(Full::new(Bytes::from(body.to_string()))).unwrap();
        server.send(request).await
    };
    for _ in 0..5 {
        guess("192.0.2.1").await.assert_error(401, "INVALID_EMAIL_OR_PASSWORD");
    }
    let refused = guess("192.0.2.1").await;
    refused.assert_error(429, "TOO_MANY_REQUESTS");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((20..=30).contains(&wait), "{wait}");
    guess("192.0.2.2").await.assert_error(401, "INVALID_EMAIL_OR_PASSWORD");
}

#[tokio::test]
async fn roles_limit_what_members_may_do() {
    let server = start(&[]).await;
    let owner = owner(&server).await;
    let admin = invited(&server, &owner, "admin", "admin").await;
    let analyst = invited(&server, &owner, "analyst", "analyst").await;
    assert_eq!(analyst.get(&server, "/users").await.status, 200);
    analyst.get(&server, "/admin/members").await.assert_error(403, "forbidden");
    analyst.post(&server, "/admin/roll", json!({})).await.assert_error(403, "forbidden");
    assert_eq!(admin.post(&server, "/admin/roll", json!({})).await.status, 200);

    let members = admin.get(&server, "/admin/members").await.json["members"].clone();
    let id_of = |name: &str| {
        let found = members.as_array().unwrap().iter().find(|member| member["name"] == name);
        format!("/admin/members/{}", found.unwrap()["id"].as_str().unwrap())
    };
    let change = async |who: &Browser, name: &str, role: &str| {
        who.send(&server, Method::PATCH, &id_of(name), Some(json!({ "role": role }))).await
    };
    // Admins manage analysts, owners manage all members.
    change(&admin, "analyst", "admin").await.assert_error(403, "forbidden");
    change(&admin, "owner", "analyst").await.assert_error(403, "forbidden");
    admin.post(&server, "/admin/invitations", json!({ "role": "admin" })).await.assert_error(403, "forbidden");
    assert_eq!(change(&owner, "analyst", "admin").await.json["role"], "admin");
    assert_eq!(analyst.get(&server, "/admin/members").await.status, 200, "a role applies from the next request on");
    assert_eq!(change(&owner, "analyst", "analyst").await.json["role"], "analyst");

    // At least one owner remains.
    change(&owner, "owner", "admin").await.assert_error(409, "last_owner");
    let remove = async |who: &Browser, name: &str| who.send(&server, Method::DELETE, &id_of(name), None).await;
    remove(&owner, "owner").await.assert_error(409, "last_owner");
    assert_eq!(change(&owner, "admin", "owner").await.status, 200);
    assert_eq!(remove(&admin, "owner").await.status, 204);
    owner.get(&server, "/stats").await.assert_error(401, "unauthorized");
    remove(&admin, "owner").await.assert_error(404, "not_found");
    // The server stays set up: no sign-up becomes the owner again.
    let mut eve = person("eve");
    let answer = Browser::default().post(&server, "/api/auth/sign-up/email", eve.take()).await;
    answer.assert_error(403, "INVITATION_REQUIRED");
    let answer = Browser::bearer(&server.token).post(&server, "/api/auth/sign-up/email", person("eve")).await;
    assert_eq!(answer.json["user"]["role"], "analyst", "{}", answer.text);

    // An admin can reset the password of an analyst.
    let reset = format!("{}/password", id_of("analyst"));
    assert_eq!(admin.post(&server, &reset, json!({ "newPassword": "battery staple" })).await.status, 204);
    analyst.get(&server, "/stats").await.assert_error(401, "unauthorized");
    let again = json!({ "email": "analyst@shop.example", "password": "battery staple" });
    assert_eq!(Browser::default().post(&server, "/api/auth/sign-in/email", again).await.status, 200);
}

#[tokio::test]
async fn lists_and_revokes_invitations() {
    let server = start(&["--public-url", "http://shop.example"]).await;
    let owner = Browser { origin: Some("http://shop.example".to_owned()), ..owner(&server).await };
    let made = owner.post(&server, "/admin/invitations", json!({ "role": "admin", "email": "Ann@shop.example" })).await;
    let token = made.json["token"].as_str().unwrap();
    assert_eq!(made.json["link"], format!("http://shop.example/dashboard/sign-up#{token}"));
    let listed = owner.get(&server, "/admin/invitations").await;
    let listed = &listed.json["invitations"];
    assert_eq!(listed.as_array().unwrap().len(), 1, "the set-up invitation is not listed: {listed}");
    assert_eq!((&listed[0]["email"], &listed[0]["role"]), (&json!("ann@shop.example"), &json!("admin")));
    assert!(!listed.to_string().contains(token));
    let path = format!("/admin/invitations/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(owner.send(&server, Method::DELETE, &path, None).await.status, 204);
    owner.send(&server, Method::DELETE, &path, None).await.assert_error(404, "not_found");
    let mut ann = person("ann");
    ann["invitation"] = json!(token);
    Browser::default().post(&server, "/api/auth/sign-up/email", ann).await.assert_error(403, "INVALID_INVITATION");
    owner.post(&server, "/admin/invitations", json!({ "role": "boss" })).await.assert_error(400, "VALIDATION_ERROR");
    owner
        .post(&server, "/admin/invitations", json!({ "role": "admin", "email": "x" }))
        .await
        .assert_error(400, "INVALID_EMAIL");
    let server = Server::start_in(server.stopped().await, &["--sign-up", "closed"]).await;
    let invited = Browser::bearer(&server.token).post(&server, "/admin/invitations", json!({ "role": "admin" })).await;
    invited.assert_error(403, "SIGN_UP_CLOSED");
}

#[tokio::test]
async fn lists_sessions_without_their_tokens() {
    let server = start(&[]).await;
    let browser = owner(&server).await;
    let other = Browser::default().post(&server, "/api/auth/sign-in/email", person("owner")).await;
    let other_token = other.json["token"].as_str().unwrap();
    let list = browser.get(&server, "/api/auth/list-sessions").await;
    let own = browser.get(&server, "/api/auth/get-session").await.json["session"].clone();
    let sessions = list.json.as_array().unwrap();
    assert!(sessions.len() == 2 && sessions.contains(&own) && !list.text.contains(other_token), "{}", list.text);
    let handle = sessions.iter().find(|session| session["id"] != own["id"]).unwrap()["token"].clone();
    Browser::bearer(handle.as_str().unwrap()).get(&server, "/stats").await.assert_error(401, "unauthorized");
    let revoked = browser.post(&server, "/api/auth/revoke-session", json!({ "token": handle })).await;
    assert_eq!(revoked.json, json!({ "status": true }));
    Browser::bearer(other_token).get(&server, "/stats").await.assert_error(401, "unauthorized");
    assert_eq!(browser.get(&server, "/stats").await.status, 200);
}

#[tokio::test]
async fn accounts_and_sessions_survive_a_restart() {
    let server = start(&[]).await;
    let browser = owner(&server).await;
    let server = Server::start_in(server.stopped().await, &[]).await;
    let browser = Browser { origin: Some(format!("http://{}", server.addr)), ..browser };
    assert_eq!(browser.get(&server, "/api/auth/get-session").await.json["user"]["role"], "owner");
}

#[tokio::test]
async fn audit_log_lists_actions_for_admins() {
    let server = start(&["--trusted-proxies", "127.0.0.1"]).await;
    let owner = owner(&server).await;
    let analyst = invited(&server, &owner, "ann", "analyst").await;
    analyst.get(&server, "/admin/audit").await.assert_error(403, "forbidden");
    let wrong = json!({ "email": "owner@shop.example", "password": "a guess of it" });
    let headers = [("x-forwarded-for", "192.0.2.7")];
    server
        .send_json("POST", "/api/auth/sign-in/email", &headers, &wrong)
        .await
        .assert_error(401, "INVALID_EMAIL_OR_PASSWORD");
    let key = owner.post(&server, "/admin/keys", json!({ "name": "shop", "kind": "write" })).await;
    let path = format!("/admin/keys/{}", key.json["id"].as_str().unwrap());
    owner.send(&server, Method::DELETE, &path, None).await;
    analyst.post(&server, "/api/auth/sign-out", json!({})).await;

    let all = owner.get(&server, "/admin/audit").await;
    let entries = all.json["entries"].as_array().unwrap();
    let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["signedOut", "keyRevoked", "keyCreated", "signInFailed", "signedUp", "invited", "signedUp"]);
    let failed = &entries[3];
    assert_eq!(
        (&failed["target"], &failed["ipAddress"], &failed["actor"]),
        (&json!("owner@shop.example"), &json!("192.0.2.7"), &Value::Null)
    );
    let session = owner.get(&server, "/api/auth/get-session").await;
    assert_eq!((&entries[2]["actor"], &entries[2]["target"]), (&session.json["user"]["id"], &key.json["id"]));
    assert_eq!(entries[6]["actor"], "adminToken");
    // Entries describe their target, which may no longer exist.
    let details: Vec<&Value> = entries.iter().map(|entry| &entry["detail"]).collect();
    let expected = [
        json!("ann@shop.example"),
        json!("shop"),
        json!("shop"),
        Value::Null,
        json!("ann@shop.example"),
        json!("anybody: analyst"),
        json!("owner@shop.example"),
    ];
    assert_eq!(details, expected.iter().collect::<Vec<_>>());
    for secret in [PASSWORD, key.json["key"].as_str().unwrap()] {
        assert!(!all.text.contains(secret));
    }

    let (mut paged, mut path) = (Vec::new(), "/admin/audit?limit=3".to_owned());
    loop {
        let page = owner.get(&server, &path).await;
        paged.extend(page.json["entries"].as_array().unwrap().clone());
        let Some(cursor) = page.json["nextCursor"].as_str() else { break };
        path = format!("/admin/audit?limit=3&cursor={cursor}");
    }
    assert_eq!(&paged, entries);
    owner.get(&server, "/admin/audit?cursor=x").await.assert_error(400, "invalid_parameter").assert_field("cursor");
}

#[tokio::test]
async fn revokes_or_transfers_keys_of_removed_members() {
    let server = start(&[]).await;
    let owner = owner(&server).await;
    let reads =
        async |key: &Value| Browser::bearer(key["key"].as_str().unwrap()).get(&server, "/users").await.status.as_u16();
    for (number, query) in ["", "?keys=keep"].into_iter().enumerate() {
        let name = format!("admin{number}");
        let admin = invited(&server, &owner, &name, "admin").await;
        let key = admin.post(&server, "/admin/keys", json!({ "name": "report", "kind": "read" })).await.json;
        assert_eq!(reads(&key).await, 200);
        let path = format!("/admin/members/{name}@shop.example{query}");
        let removed = owner.send(&server, Method::DELETE, &path, None).await;
        let told = json!([{ "id": key["id"], "name": "report", "kind": "read" }]);
        let (field, status) = if query.is_empty() { ("revokedKeys", 401) } else { ("transferredKeys", 200) };
        assert_eq!((removed.status.as_u16(), &removed.json), (200, &json!({ field: told })));
        assert_eq!(reads(&key).await, status);
        // The audit log names the previous holder of the key.
        let action = if query.is_empty() { "keyRevoked" } else { "keyTransferred" };
        let audit = owner.get(&server, "/admin/audit").await.json["entries"].clone();
        let entry = audit.as_array().unwrap().iter().find(|entry| entry["action"] == action).unwrap();
        assert_eq!(
            (&entry["action"], &entry["detail"]),
            (&json!(action), &json!(format!("report, of {name}@shop.example")))
        );
    }
    // The owner holds the key that was transferred, and loses it with the role.
    let other = invited(&server, &owner, "other", "owner").await;
    let left = owner.get(&server, "/admin/keys").await.json["keys"].clone();
    assert_eq!(left.as_array().unwrap().len(), 1);
    let changed = other
        .send(&server, Method::PATCH, "/admin/members/owner@shop.example", Some(json!({ "role": "analyst" })))
        .await;
    assert_eq!((&changed.json["role"], &changed.json["revokedKeys"][0]["id"]), (&json!("analyst"), &left[0]["id"]));
    assert_eq!(other.get(&server, "/admin/keys").await.json["keys"], json!([]));
}

#[tokio::test]
async fn limits_and_audits_unknown_tokens_on_every_route() {
    let server = start(&["--trusted-proxies", "127.0.0.1"]).await;
    let owner = owner(&server).await;
    let ask = async |path: &str, from: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("x-forwarded-for", from), ("authorization", bearer.as_str())];
        server.send_with("GET", path, &headers, "").await
    };
    for (number, path) in ["/users", "/health", "/api/auth/get-session", "/admin/audit"].into_iter().enumerate() {
        let from = format!("192.0.2.{number}");
        for token in ["a-wrong-admin-token", "mt_read_made-up"].iter().cycle().take(30) {
            assert_ne!(ask(path, &from, token).await.status, 429);
        }
        let refused = ask(path, &from, "a-wrong-admin-token").await;
        refused.assert_error(429, "rate_limited");
        assert!(refused.header("retry-after").is_some());
        // The server does not check the right token either, so that guesses are useless. Other addresses can use it.
        ask(path, &from, &server.token).await.assert_error(429, "rate_limited");
        assert_eq!(ask(path, "198.51.100.1", &server.token).await.status, 200);
    }
    // Events are accepted regardless, and the responses do not reveal which token is right.
    let send = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("x-forwarded-for", "192.0.2.0"), ("authorization", bearer.as_str())];
        server.send_json("POST", "/events", &headers, &event("u1", token)).await.status
    };
    assert_eq!([send("a-wrong-admin-token").await, send(&server.token).await], [202, 202]);
    // An address that has presented the right token before is not blocked.
    for _ in 0..40 {
        ask("/users", "198.51.100.1", "a-wrong-admin-token").await;
    }
    assert_eq!(ask("/users", "198.51.100.1", &server.token).await.status, 200);
    let audit = owner.get(&server, "/admin/audit?limit=1000").await;
    let entries = audit.json["entries"].as_array().unwrap();
    let refused: Vec<_> = entries.iter().filter(|entry| entry["action"] == "tokenRefused").collect();
    assert!(refused.len() >= 90, "{}", refused.len());
    let first = refused.last().unwrap();
    assert_eq!((&first["detail"], &first["ipAddress"]), (&json!("a token at /users"), &json!("192.0.2.0")));
    assert!(!audit.text.contains("a-wrong-admin-token") && !audit.text.contains("made-up"));
}

#[tokio::test]
async fn uses_the_valid_one_of_two_session_cookies() {
    let server = start(&[]).await;
    let browser = owner(&server).await;
    let mut old = Browser::at(&server);
    old.keep(&Browser::default().post(&server, "/api/auth/sign-in/email", person("owner")).await);
    let stale = old.cookies.clone();
    assert_eq!(old.post(&server, "/api/auth/sign-out", json!({})).await.status, 200);
    for cookies in [format!("{stale}; {}", browser.cookies), format!("{}; {stale}", browser.cookies)] {
        let both = Browser { cookies, ..browser.clone() };
        assert_eq!(both.get(&server, "/api/auth/get-session").await.json["user"]["name"], "owner");
        assert_eq!(both.get(&server, "/stats").await.status, 200);
    }
    old.get(&server, "/stats").await.assert_error(401, "unauthorized");
}

#[tokio::test]
async fn health_hides_details_from_anonymous_clients() {
    let server = start(&[]).await;
    let owner = owner(&server).await;
    for who in [Browser::default(), Browser::bearer("nonsense"), Browser::bearer("mt_read_made-up")] {
        assert_eq!(who.get(&server, "/health").await.json, json!({ "status": "ok" }));
    }
    for who in [owner, Browser::bearer(&server.token)] {
        let health = who.get(&server, "/health").await.json;
        assert!(health["sink"]["accepted"].is_u64() && health["checks"]["lake"]["events"].is_u64(), "{health}");
    }
}

#[tokio::test]
async fn guesses_of_others_do_not_lock_users_out() {
    let flags = ["--password-memory", "512KiB", "--password-passes", "1", "--trusted-proxies", "127.0.0.1"];
    let server = Server::start_with(&flags).await;
    owner(&server).await;
    let sign_in = async |server: &Server, from: &str, password: &str| {
        let body = json!({ "email": "owner@shop.example", "password": password });
        server.send_json("POST", "/api/auth/sign-in/email", &[("x-forwarded-for", from)], &body).await.status.as_u16()
    };
    assert_eq!(sign_in(&server, "198.51.100.1", PASSWORD).await, 200);
    for number in 0..100 {
        assert_eq!(sign_in(&server, &format!("192.0.2.{number}"), "a guess of it").await, 401);
    }
    assert_eq!(sign_in(&server, "203.0.113.1", PASSWORD).await, 200, "an address that the user has never used");
    let server = Server::start_in(server.stopped().await, &flags).await;
    assert_eq!(sign_in(&server, "198.51.100.1", PASSWORD).await, 200);
}

#[tokio::test]
async fn rejects_common_passwords_everywhere() {
    let server = start(&["--sign-up", "open"]).await;
    let owner = owner(&server).await;
    let mut ann = person("ann");
    ann["password"] = json!("Password1");
    let answer = Browser::default().post(&server, "/api/auth/sign-up/email", ann).await;
    answer.assert_error(400, "PASSWORD_COMPROMISED");
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "qwertyuiop" });
    owner.post(&server, "/api/auth/change-password", change).await.assert_error(400, "PASSWORD_COMPROMISED");
    let reset = json!({ "newPassword": "12345678" });
    let path = "/admin/members/owner@shop.example/password";
    owner.post(&server, path, reset).await.assert_error(400, "PASSWORD_COMPROMISED");
}
