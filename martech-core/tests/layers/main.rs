//! The layers of the library: each module uses only modules below it.

#[path = "arrows.rs"]
mod arrows;

use std::path::Path;

use arrows::Sources;

/// From the lowest to the highest.
const LAYERS: [&str; 24] = [
    "setters",
    "varint timing sync fs event",
    "store query",
    "analytics openapi",
    "journal sink",
    "spool memory",
    // The lake, from its error to its threads.
    "lake::error lake::permits",
    "lake::options lake::blocking lake::rows",
    "lake::files",
    "lake::snapshot",
    "lake::engine lake::read",
    "lake::write lake::maintain",
    "lake::worker",
    "lake",
    // The store on MongoDB.
    "mongodb::document",
    "mongodb::error",
    "mongodb::monitor mongodb::options mongodb::permits",
    "mongodb::server_info",
    "mongodb::event_collection",
    "mongodb::index",
    "mongodb::query",
    "mongodb::probe mongodb::stats mongodb::survey",
    "mongodb",
    "testing",
];

#[test]
fn modules_use_only_lower_layers() {
    let sources = arrows::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let arrows = arrows::arrows(&sources);
    assert!(arrows.len() > 300, "{} arrows found", arrows.len());
    let violations = arrows::violations(&arrows, &LAYERS);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    let circles = arrows::circles(&arrows);
    assert!(circles.is_empty(), "modules that use each other: {circles:?}");
}

fn sources(modules: &[(&str, &str)]) -> Sources {
    modules.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect()
}

fn found(modules: &[(&str, &str)]) -> Vec<(String, String)> {
    arrows::arrows(&sources(modules)).into_iter().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

#[test]
fn finds_each_form_of_path() {
    let others = ["", "a", "b", "b::d", "b::d::e", "b::c::f"].map(|module| (module, ""));
    let arrows = |text: &str| {
        let modules: Vec<_> = others.into_iter().chain([("b::c", text)]).collect();
        found(&modules).into_iter().map(|(_, to)| to).collect::<Vec<_>>()
    };
    assert_eq!(arrows("use crate::{a::X, b::d::{self, e::Y}};"), ["a", "b::d", "b::d::e"]);
    assert_eq!(arrows("pub(super) use super::d::e::{Y as Z, *};"), ["b::d::e"]);
    assert_eq!(arrows("fn g() { super::super::a::x(crate::b::y) }"), ["a", "b"]);
    assert_eq!(arrows("use self::f::X; use f::Y;"), ["b::c::f"]);
    assert_eq!(arrows("use std::fmt; use serde::de; pub(in super::super) fn x() {}"), [""; 0]);
    assert_eq!(arrows("pub(in crate::b) fn x() {}"), [""; 0]);
    assert_eq!(arrows("use crate::X;"), [""], "the crate root");
    assert_eq!(arrows("pub use self::f::X; pub(super) use super::d::Y;"), ["b::d"], "a child may be re-exported");
}

#[test]
fn ignores_comments_literals_and_tests() {
    let text = r##"
        // use crate::a;
        const T: &str = "use crate::a; \" use crate::a;"; const R: &str = r#"" use crate::a;"#;
        fn quote<'a>(c: char) -> bool { c == '"' || c == '\'' }
        #[cfg(test)] mod tests { use crate::a::{X}; fn f() { if true {} } }
        #[cfg(all(test, unix))] use crate::a;
        #[cfg(unix)] use crate::b;
    "##;
    assert_eq!(found(&[("", ""), ("a", ""), ("b", ""), ("c", text)]), pairs(&[("c", "b")]));
}

#[test]
fn reports_upward_and_sideways_use() {
    let layers = ["low side", "mid::inner", "mid", "high"];
    let violations = |modules: &[(&str, &str)]| arrows::violations(&arrows::arrows(&sources(modules)), &layers);
    let down = [
        ("", "use crate::high;"),
        ("high", "use crate::mid::inner::X;"),
        ("mid", ""),
        ("mid::inner", "use crate::low;"),
        ("low", ""),
    ];
    assert_eq!(violations(&down), [""; 0]);
    assert_eq!(violations(&[("low", "use crate::high;"), ("high", "")]), ["low uses high, which is not below it"]);
    assert_eq!(
        violations(&[("mid", ""), ("mid::inner", "use super::X;")]),
        ["mid::inner uses mid, which is not below it"]
    );
    assert_eq!(violations(&[("low", "use crate::side;"), ("side", "")]), ["low uses side, which is not below it"]);
    assert_eq!(violations(&[("new", "use crate::low;"), ("low", "")]), ["new is in no layer"]);
    assert_eq!(violations(&[("", ""), ("low", "use crate::X;")]), ["low uses the crate root, which is in no layer"]);
}

#[test]
fn reports_circles() {
    let circles = |modules: &[(&str, &str)]| arrows::circles(&arrows::arrows(&sources(modules)));
    assert!(circles(&[("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "")]).is_empty());
    let circle = [("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "use crate::b::X;")];
    assert_eq!(circles(&circle), [["b", "c"]]);
}
