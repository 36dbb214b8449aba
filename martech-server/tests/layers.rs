//! The layers of the server: each module uses only modules below it.

#[expect(dead_code, reason = "the library also looks for circles")]
#[path = "../../martech-core/tests/layers/arrows.rs"]
mod arrows;

use std::path::Path;

/// From the lowest to the highest.
const LAYERS: [&str; 30] = [
    "util sample",
    "observability",
    "records",
    "identity",
    "projects::rejects",
    "import",
    "projects::dead_letters",
    "projects::backend",
    "projects",
    "uploads",
    // HTTP, from its errors to its connections.
    "http::error",
    "http::peer http::framing http::headers http::params http::quality",
    "http::bodies http::csv",
    "http::rate_limits",
    "http::auth http::request_log",
    "http::openapi http::observe",
    "http::connections",
    "http",
    "routes::queries routes::page",
    "routes::state",
    "routes",
    "config",
    "app",
    "commands::output commands::signals commands::http_client",
    "commands::verify",
    "commands::import commands::migrate commands::user",
    "commands::cli",
    "commands::settings commands::unknown_variables",
    "commands",
    "testing",
];

#[test]
fn modules_use_only_lower_layers() {
    let sources = arrows::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let arrows = arrows::arrows(&sources);
    assert!(arrows.len() > 400, "{} arrows found", arrows.len());
    let violations = arrows::violations(&arrows, &LAYERS);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
