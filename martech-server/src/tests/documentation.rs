//! The tables of the documentation are made from the code.
//!
//! `MARTECH_TEST_WRITE_DOCS=1 cargo test -p martech-server --lib documentation` writes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::{Display, Write},
    fs,
    path::Path,
};

use clap::{Arg, Command, CommandFactory};
use serde_json::Value;

use crate::{
    App, Cli, ServeArgs,
    http::openapi,
    routes::{self, ApiState, metrics},
};

/// Compares the text between two markers of a document with `table`, or writes it.
fn check(document: &str, name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name}: made from the code -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{document} has no {begin}"));
    let (old, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{document} has no {end}"));
    let table = format!("\n{table}\n");
    if env::var_os("MARTECH_TEST_WRITE_DOCS").is_some() {
        fs::write(&path, [before, &begin, &table, &end, after].concat()).unwrap();
    } else {
        assert!(
            old == table,
            "the table {name} in {document} is outdated; write it as src/tests/documentation.rs says"
        );
    }
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Returns names as code, separated by commas.
fn code_list(names: impl IntoIterator<Item = impl Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn settings() {
    let mut command: Command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").unwrap();
    let mut groups: Vec<(&str, String)> = Vec::new();
    for arg in serve.get_arguments() {
        let (Some(flag), Some(variable)) = (arg.get_long(), arg.get_env()) else { continue };
        let heading = arg.get_help_heading().unwrap_or("Server");
        let at = groups.iter().position(|(name, _)| *name == heading).unwrap_or_else(|| {
            groups.push((heading, "| flag | variable | default | meaning |\n|---|---|---|---|\n".to_owned()));
            groups.len() - 1
        });
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = Some(defaults.join(",")).filter(|text| !text.is_empty());
        let default = default.map(|text| format!("`{}`", text.replace(',', ", "))).unwrap_or_default();
        let meaning = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        // The first paragraph ends without a stop.
        let meaning = meaning.replacen("\n\n", ". ", 1);
        let meaning = meaning.trim_end_matches('.');
        let variable = variable.to_string_lossy();
        writeln!(groups[at].1, "| `--{flag}` | `{variable}` | {default} | {} |", cell(meaning)).unwrap();
    }
    let table: Vec<_> = groups.iter().map(|(name, rows)| format!("### {name}\n\n{rows}")).collect();
    check("configuration.md", "settings", &table.join("\n"));
}

#[test]
fn variables() {
    let mut command: Command = Cli::command();
    command.build();
    let settings: BTreeSet<_> =
        command.find_subcommand("serve").unwrap().get_arguments().filter_map(Arg::get_env).collect();
    let mut rows: BTreeMap<String, (Vec<&str>, String)> = BTreeMap::new();
    for command in command.get_subcommands() {
        let arguments = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
        for arg in arguments.filter(|arg| !arg.is_hide_set()) {
            let (Some(flag), Some(variable)) = (arg.get_long(), arg.get_env()) else { continue };
            if settings.contains(variable) {
                continue;
            }
            let head = format!("| `--{flag}` | `{}` |", variable.to_string_lossy());
            let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let (commands, _) = rows.entry(head).or_insert_with(|| (Vec::new(), meaning));
            if !commands.contains(&command.get_name()) {
                commands.push(command.get_name());
            }
        }
    }
    let mut table = "| flag | variable | commands | meaning |\n|---|---|---|---|\n".to_owned();
    for (head, (commands, meaning)) in rows {
        writeln!(table, "{head} {} | {} |", code_list(commands), cell(&meaning)).unwrap();
    }
    check("configuration.md", "variables", &table);
}

/// The routes of administration and health. Those of events, queries and accounts have their own sections.
#[tokio::test]
async fn routes() {
    let api = described().await;
    let mut table = "| route | parameters | body | effect |\n|---|---|---|---|\n".to_owned();
    for (path, methods) in api["paths"].as_object().unwrap() {
        let is_listed = path.starts_with("/admin/") || ["/livez", "/readyz", "/health"].contains(&path.as_str());
        for (method, operation) in methods.as_object().unwrap().iter().filter(|_| is_listed) {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let parameters = parameters.filter(|parameter| parameter["in"] == "query");
            let parameters = code_list(parameters.map(|parameter| parameter["name"].as_str().unwrap()));
            let fields = code_list(fields(&api, &operation["requestBody"]["content"]["application/json"]["schema"]));
            let effect = operation["summary"].as_str().unwrap().trim_end_matches('.');
            let method = method.to_uppercase();
            writeln!(table, "| `{method} {path}` | {parameters} | {fields} | {effect} |").unwrap();
        }
    }
    check("http-api.md", "routes", &table);
}

/// Returns the OpenAPI description.
async fn described() -> Value {
    let api = routes::described(&state().await).into_openapi();
    serde_json::to_value(openapi::finish(api)).unwrap()
}

/// Returns the state of a server with default settings.
async fn state() -> ApiState {
    let dir = tempfile::tempdir().unwrap();
    let args = ServeArgs::parse_from(["--data-dir".as_ref(), dir.path().as_os_str()]);
    App::open(&args).await.unwrap().state()
}

/// Returns the fields of a schema that is a reference, with `?` after optional ones.
fn fields(api: &Value, schema: &Value) -> Vec<String> {
    let Some(name) = schema["$ref"].as_str() else { return Vec::new() };
    let schema = api.pointer(name.strip_prefix('#').unwrap()).unwrap();
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let mark = |field: &String| if required.iter().any(|name| *name == field) { "" } else { "?" };
    schema["properties"].as_object().unwrap().keys().map(|field| format!("{field}{}", mark(field))).collect()
}

#[tokio::test]
async fn api_description_has_no_links_to_rust_items() {
    let api = described().await.to_string();
    for link in ["[`", "](Self", "](crate", "](super", "#impl"] {
        let at = api.find(link);
        assert_eq!(at.map(|at| &api[at.saturating_sub(60)..at]), None, "{link}");
    }
}

#[tokio::test]
async fn actions() {
    let api = described().await;
    let names = api["components"]["schemas"]["Action"]["enum"].as_array().unwrap();
    let names = code_list(names.iter().map(|name| name.as_str().unwrap()));
    check("http-api.md", "actions", &format!("{names}.\n"));
}

#[test]
fn errors() {
    let mut table = "| code | status | example of a message |\n|---|---|---|\n".to_owned();
    let mut seen = BTreeSet::new();
    for (status, body) in openapi::all_errors() {
        let (code, message) = (body["code"].as_str().unwrap(), body["message"].as_str().unwrap());
        if seen.insert((code.to_owned(), status)) {
            writeln!(table, "| `{code}` | {} | {} |", status.as_u16(), cell(message)).unwrap();
        }
    }
    check("http-api.md", "errors", &table);
}

#[tokio::test]
async fn metrics() {
    let state = state().await;
    let mut rows = BTreeMap::new();
    for family in metrics::examples(&state) {
        let labels = family.get_metric().iter().flat_map(|metric| metric.get_label());
        let labels = code_list(labels.map(|label| label.name()).collect::<BTreeSet<_>>());
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        let row = format!("| `{}` | {kind} | {} | {} |\n", family.name(), labels, cell(family.help()));
        rows.insert(family.name().to_owned(), row);
    }
    let rows: String = rows.into_values().collect();
    check("observability.md", "metrics", &format!("| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}"));
}
