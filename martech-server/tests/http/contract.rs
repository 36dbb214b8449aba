//! Checks responses against the description at `/api-docs/openapi.json`. The description must cover every response that
//! any test receives: its status, its shape and its error code.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::harness::Answer;

/// Path prefixes of pages for people, which are not part of the API.
const PAGES: [&str; 3] = ["/api-docs", "/dashboard", "/sign-up"];

/// The OpenAPI description, with compiled validators.
pub(crate) struct Contract {
    pub(crate) description: Value,
    validators: Mutex<HashMap<String, Validator>>,
}

static CONTRACT: OnceLock<Contract> = OnceLock::new();

impl Contract {
    /// Stores the description of the first server. All servers have the same description.
    pub(crate) fn told(description: Value) -> &'static Self {
        CONTRACT.get_or_init(|| Self { description, validators: Mutex::default() })
    }

    pub(crate) fn known() -> Option<&'static Self> {
        CONTRACT.get()
    }

    /// Returns the method, path and description of each operation.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.description["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
    }

    /// Asserts that the description covers a response.
    #[track_caller]
    pub(crate) fn check(&self, method: &Method, path: &str, answer: &Answer) {
        if PAGES.iter().any(|page| path.starts_with(page)) || matches!(*method, Method::HEAD | Method::OPTIONS) {
            return;
        }
        let name = method.as_str().to_ascii_lowercase();
        let mut here = self.operations().filter(|(_, template, _)| matches(template, path)).peekable();
        let (status, told) = (answer.status.as_u16(), || format!("{method} {path}: {} {}", answer.status, answer.text));
        if here.peek().is_none() {
            assert!(status == 404 || answer.status.is_client_error(), "this path is not described: {}", told());
            return;
        }
        // A template with literal segments is more specific than one with parameters.
        let described: Vec<_> = here.filter(|(other, ..)| *other == name).collect();
        let Some((_, template, operation)) =
            described.iter().min_by_key(|(_, template, _)| template.matches('{').count())
        else {
            assert!(answer.status.is_client_error(), "this method is not described: {}", told());
            return;
        };
        let response = &operation["responses"][status.to_string()];
        assert!(response.is_object(), "this status is not described: {}", told());
        let media = answer.header("content-type").and_then(|media| media.split(';').next());
        if let Some(media) = media.filter(|media| *media != "application/json") {
            assert!(response["content"][media].is_object(), "{media} is not described: {}", told());
            return;
        }
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert_eq!(answer.text, "", "no body is described: {}", told());
            return;
        }
        if answer.json.is_null() && answer.text != "null" {
            // The body has numbers that `serde_json` does not parse, such as 1e400.
            assert_eq!(answer.header("content-type"), Some("application/json"), "{}", told());
            return;
        }
        let at = format!("{name} {template} {status}");
        if let Err(error) = self.validate(&at, schema, &answer.json) {
            panic!("{error}: {}", told());
        }
        if status >= 400 && answer.json.get("code").is_some() {
            let code = &answer.json["code"];
            assert!(self.codes(response).any(|known| known == code), "this error is not described: {}", told());
        }
    }

    /// Returns the error codes that the examples of a response list.
    fn codes<'a>(&'a self, response: &'a Value) -> impl Iterator<Item = &'a Value> {
        let examples = response["content"]["application/json"]["examples"].as_object();
        examples.into_iter().flat_map(Map::values).map(|example| {
            let example = example["$ref"].as_str().map_or(example, |name| self.resolve(name));
            &example["value"]["code"]
        })
    }

    pub(crate) fn resolve(&self, name: &str) -> &Value {
        self.description.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} leads nowhere"))
    }

    /// Validates a value against a schema. Caches the compiled validator under `at`.
    pub(crate) fn validate(&self, at: &str, schema: &Value, value: &Value) -> Result<(), String> {
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(at.to_owned()).or_insert_with(|| {
            let whole =
                json!({ "allOf": [schema], "components": { "schemas": self.description["components"]["schemas"] } });
            jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap()
        });
        validator.validate(value).map_err(|error| format!("{at}: {error} at {}", error.instance_path()))
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut parts, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), found.next()) {
            (None, None) => return true,
            (Some(part), Some(found)) if part == found || part.starts_with('{') && !found.is_empty() => {}
            _ => return false,
        }
    }
}
