//! The tables of the documentation are made from the code.
//!
//! `MARTECH_TEST_WRITE_DOCS=1 cargo test -p martech-server --lib documentation` writes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    path::Path,
};

use clap::{Command, CommandFactory};

use crate::{App, Cli, ServeArgs, http::openapi, routes::metrics};

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
    let dir = tempfile::tempdir().unwrap();
    let args = ServeArgs::parse_from(["--data-dir".as_ref(), dir.path().as_os_str()]);
    let state = App::open(&args).await.unwrap().state();
    let mut rows = BTreeMap::new();
    for family in metrics::examples(&state) {
        let labels = family.get_metric().iter().flat_map(|metric| metric.get_label());
        let mut labels: Vec<_> = labels.map(|label| format!("`{}`", label.name())).collect();
        labels.sort();
        labels.dedup();
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        let row = format!("| `{}` | {kind} | {} | {} |\n", family.name(), labels.join(", "), cell(family.help()));
        rows.insert(family.name().to_owned(), row);
    }
    let rows: String = rows.into_values().collect();
    check("observability.md", "metrics", &format!("| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}"));
}
