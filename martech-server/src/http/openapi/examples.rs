//! Adds the examples of `examples.json` to the description. The format is `{operationId: {request, response}}`.

use serde_json::{Map, Value};
use utoipa::openapi::{OpenApi, RefOr};

use super::operations;

const EXAMPLES: &str = include_str!("examples.json");

/// Adds the examples of all requests and successful responses.
pub(super) fn add(api: &mut OpenApi) {
    let mut examples: Map<String, Value> = serde_json::from_str(EXAMPLES).expect("the tests have read it");
    for (_, operation) in operations(api) {
        let id = operation.operation_id.as_deref().unwrap_or_default();
        let Some(Value::Object(mut example)) = examples.remove(id) else { continue };
        if let (Some(request), Some(RefOr::T(body))) = (example.remove("request"), &mut operation.request_body)
            && let Some(RefOr::T(content)) = body.content.get_mut("application/json")
        {
            content.example = Some(request);
        }
        let Some(answer) = example.remove("response") else { continue };
        let good = operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
        for (_, response) in good {
            if let RefOr::T(response) = response
                && let Some(RefOr::T(content)) = response.content.get_mut("application/json")
            {
                content.example = Some(answer.clone());
            }
        }
    }
}
