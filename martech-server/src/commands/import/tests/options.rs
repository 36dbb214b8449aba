//! Options are checked, and completed by the settings of the project.

use super::*;

#[test]
fn command_line_definition_is_valid() {
    <Command as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn reports_invalid_commands_before_importing() {
    let shop = Shop::new();
    let file = shop.file("a.csv", "x,y\n1,2\n");
    let fails = |file: &Path, options: &[&str]| {
        let error = shop.import_to(shop.store.clone(), file, options).unwrap_err();
        error.chain()
    };
    assert!(fails(&file, &["--map", "userId=z"]).contains("x, y"));
    assert!(fails(&shop.dir.path().join("none.csv"), &[]).contains("none.csv"));
    assert!(fails(&shop.file("a.txt", "x"), &[]).contains("--delimiter"));
    assert!(fails(&shop.file("rejects", "x"), &["--format", "csv"]).contains("overwrite"));
    assert!(fails(&file, &["--format", "ndjson", "--delimiter", ";"]).contains("JSON"));
    assert!(fails(&file, &["--decimal", ",", "--thousands", ","]).contains("--thousands"));
    assert!(fails(&shop.file("b.csv", "h\0e\0a\0d\0"), &[]).contains("--encoding utf-16le"));
    assert!(fails(&shop.file("c.csv", "\0h\0e\0a\0d"), &[]).contains("--encoding utf-16be"));
    assert!(fails(&shop.file("d.csv", "PK\x03\x04..."), &[]).contains("workbook"));
}

#[test]
fn rejects_a_file_that_is_given_twice() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(1));
    let mut args = shop.args(&file, &[]);
    args.rejects = None;
    args.files.push(shop.dir.path().join("./a.ndjson"));
    assert!(plan(&args).is_err_and(|error| error.to_string().contains("given twice")));
}

#[test]
fn dry_run_stores_nothing() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(10).replacen("u3", "", 1));
    let report = import(&shop.args(&file, &["--dry-run"]), |_| ()).unwrap();
    let report = &report.files[0];
    assert_eq!(counts(report), [10, 9, 0, 1]);
    let told = report.to_string();
    assert!(told.contains("10 read, 9 valid, 1 rejected, nothing stored; first event: {\"eventId\":"), "{told}");
    assert_eq!(report.complaints().len(), 1, "the reason of the one that was rejected");
    let mut left: Vec<_> = fs::read_dir(shop.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.ndjson", "rejects"]);
}

fn project_record() -> Value {
    let time = "2026-01-01T00:00:00Z";
    serde_json::json!({"id": "berlin", "name": "Berlin", "currency": "EUR", "eventTypes": ["wishlist"], "createdAt": time, "updatedAt": time})
}

#[test]
fn an_unknown_project_error_lists_existing_projects() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(1));
    let import = |project| import(&shop.args(&file, &["--project", project]), |_| ());
    let told = import("hamburg").unwrap_err().to_string();
    assert_eq!(told, "there is no project hamburg; existing projects: default");
    let folder = shop.dir.path().join("projects/berlin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("project.json"), project_record().to_string()).unwrap();
    let told = import("hamburg").unwrap_err().to_string();
    assert_eq!(told, "there is no project hamburg; existing projects: berlin, default");
    assert_eq!(counts(&import("berlin").unwrap().files[0]), [1, 1, 0, 0]);
}

#[test]
fn applies_the_settings_of_the_project() {
    let shop = Shop::new();
    let record = serde_json::from_value(project_record()).unwrap();
    let file = shop.file("a.csv", "userId,type,occurredAt,total\nu,purchase,2026-11-22,5\nu,wishlist,2026-11-22,\n");
    let rules = |options: &[&str]| {
        let args = shop.args(&file, options).of_project(Some(&record));
        (args.currency.unwrap().to_string(), args.event_types.unwrap().get("wishlist").is_some())
    };
    assert_eq!(rules(&[]), ("EUR".to_owned(), true));
    assert_eq!(rules(&["--currency", "CHF", "--event-types", "dance"]), ("CHF".to_owned(), false));
    assert_eq!(shop.args(&file, &[]).of_project(None).currency.unwrap().to_string(), "USD");

    let folder = shop.dir.path().join("projects/berlin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("project.json"), project_record().to_string()).unwrap();
    let report = import(&shop.args(&file, &["--project", "berlin"]), |_| ()).unwrap();
    assert_eq!(counts(&report.files[0]), [2, 2, 0, 0]);
}
