//! The OpenAPI description and Swagger UI.

use axum::http::Method;
use serde_json::Value;

use super::{contract::Contract, harness::Server};

async fn contract() -> (Server, &'static Contract) {
    let server = Server::start().await;
    let answer = server.get("/api-docs/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    (server, Contract::told(answer.json))
}

#[tokio::test]
async fn every_operation_has_a_summary_and_valid_examples() {
    let (_server, contract) = contract().await;
    let mut ids = Vec::new();
    for (method, path, operation) in contract.operations() {
        let at = format!("{method} {path}");
        ids.push(operation["operationId"].as_str().unwrap());
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{at}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{at}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{at}: {parameter}");
        }
        if let Some(content) = operation["requestBody"].pointer("/content/application~1json") {
            contract.validate(&format!("{at} request"), &content["schema"], &content["example"]).unwrap();
        }
        let mut good = 0;
        for (status, response) in operation["responses"].as_object().unwrap() {
            if let Some(content) = response.pointer("/content/text~1event-stream") {
                assert!(content["example"].is_string() && content["schema"].is_object(), "{at} {status}");
                good += 1;
                continue;
            }
            let Some(content) = response.pointer("/content/application~1json") else {
                let lines = response.pointer("/content/application~1x-ndjson/example");
                assert!(status == "204" || lines.is_some_and(Value::is_string), "{at} {status}");
                good += 1;
                continue;
            };
            let at = format!("{at} {status}");
            if status.starts_with('2') {
                good += 1;
                contract.validate(&format!("{at} example"), &content["schema"], &content["example"]).unwrap();
                continue;
            }
            for (name, example) in content["examples"].as_object().into_iter().flatten() {
                let value = &contract.resolve(example["$ref"].as_str().unwrap())["value"];
                contract.validate(&format!("{at} {name}"), &content["schema"], value).unwrap();
            }
        }
        assert!(good > 0, "{at} describes no success");
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two operations have the same id");
}

#[tokio::test]
async fn every_reference_resolves() {
    fn check(contract: &Contract, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                    contract.resolve(name);
                }
                members.values().for_each(|member| check(contract, member));
            }
            Value::Array(items) => items.iter().for_each(|item| check(contract, item)),
            _ => {}
        }
    }
    let (_server, contract) = contract().await;
    assert_eq!(contract.description["openapi"], "3.1.0");
    check(contract, &contract.description);
}

#[tokio::test]
async fn serves_swagger_ui_without_external_assets() {
    let server = Server::start().await;
    let page = server.get("/api-docs/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
    for part in page.text.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
        assert!(!part.contains("//"), "{part} is on another host");
        let answer = server.get(&format!("/api-docs/{}", part.trim_start_matches("./"))).await;
        assert_eq!(answer.status, 200, "{part}");
    }
    let initializer = server.get("/api-docs/swagger-initializer.js").await;
    assert!(initializer.text.contains("/api-docs/openapi.json"), "{}", initializer.text);
    server.get("/api-docs/nothing.js").await.assert_error(404, "not_found");
    let moved = server.get("/api-docs").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, Some("/api-docs/")));
    let request = server.request(Method::POST, "/api-docs/").body(Default::default()).unwrap();
    server.send(request).await.assert_error(405, "method_not_allowed");
}
