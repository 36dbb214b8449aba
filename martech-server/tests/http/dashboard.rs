//! The files of the dashboard.

use std::io::Read;

use axum::http::{Method, StatusCode, header};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};

use crate::harness::{Answer, Server};

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(server, Method::GET, path, headers).await
}

async fn head(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(server, Method::HEAD, path, headers).await
}

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn root_leads_to_the_dashboard() {
    let server = Server::start().await;
    for (path, location) in [("/", "/dashboard/"), ("/sign-up", "/dashboard/sign-up")] {
        let answer = head(&server, path, &[]).await;
        assert!(answer.status.is_redirection(), "{path}: {answer:?}");
        assert_eq!(answer.header("location"), Some(location));
    }
}

#[tokio::test]
async fn every_address_of_a_page_shows_the_same_page() {
    let server = Server::start().await;
    let index = get(&server, "/dashboard/", &[]).await;
    assert_eq!(index.status, StatusCode::OK);
    assert_eq!(index.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(index.text.contains("id=\"root\""));
    assert!(!index.text.contains("http"), "no links to other sites");
    assert!(!index.text.contains("<style") && !index.text.contains(" style="), "the policy forbids inline styles");
    for path in [
        // A redirect would lose the query, which holds the view.
        "/dashboard?range=7d",
        "/dashboard/sign-up",
        "/dashboard/users/ann@shop.example",
        "/dashboard/users/a%2Fb.js",
        "/dashboard/no/page",
    ] {
        let page = get(&server, path, &[]).await;
        assert_eq!((page.status, &page.text), (StatusCode::OK, &index.text), "{path}");
    }
    get(&server, "/dashboard/missing.js", &[]).await.assert_error(404, "not_found");
}

#[tokio::test]
async fn page_loads_only_its_own_files() {
    let server = Server::start().await;
    let index = get(&server, "/dashboard/", &[]).await;
    let files: Vec<&str> = index.text.split('"').filter(|text| text.starts_with("/dashboard/")).collect();
    assert!(files.len() >= 3, "a script, a style and an icon: {files:?}");
    for file in files {
        let answer = get(&server, file, &[]).await;
        let expected = match file.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other}"),
        };
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some(expected)), "{file}");
    }
}

#[tokio::test]
async fn files_come_in_the_best_encoding_that_the_client_accepts() {
    let server = Server::start().await;
    let path = "/dashboard/index.js";
    let plain = get(&server, path, &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("BR;q=0.5, gzip", Some("br")),
        ("br;q=0, gzip;q=0.1", Some("gzip")),
        ("gzip", Some("gzip")),
        ("gzip;q=0.0", None),
        ("br;Q=0, gzip;Q=0.5", Some("gzip")),
        ("identity", None),
        ("deflate, brotli", None),
    ] {
        let answer = head(&server, path, &[("accept-encoding", accepted)]).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("content-type"), plain.header("content-type"));
    }
    let request = server.request(Method::GET, path).header(header::ACCEPT_ENCODING, "gzip");
    let packed =
        server.open(request.body(Full::default()).unwrap()).await.into_body().collect().await.unwrap().to_bytes();
    let mut unpacked = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.text);
}

#[tokio::test]
async fn unchanged_files_are_not_sent_again() {
    let server = Server::start().await;
    let path = "/dashboard/index.js";
    let mut tags = Vec::new();
    for accepted in ["br", "gzip", "identity"] {
        let first = head(&server, path, &[("accept-encoding", accepted)]).await;
        let tag = first.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let again = get(&server, path, &[("accept-encoding", accepted), ("if-none-match", &known)]).await;
            assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
            assert_eq!(again.header("etag"), Some(tag.as_str()));
            assert_eq!(again.header("content-security-policy"), first.header("content-security-policy"));
        }
        let changed = head(&server, path, &[("accept-encoding", accepted), ("if-none-match", "\"other\"")]).await;
        assert_eq!(changed.status, StatusCode::OK);
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3, "each encoding has a tag of its own");
}
