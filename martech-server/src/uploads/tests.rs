use std::{fs, path::Path};

use super::*;
use crate::import::ImportError;

fn project() -> ProjectId {
    ProjectId::default()
}

async fn received(uploads: &Uploads, name: &str, content: &str) -> Result<Upload, UploadError> {
    let mut incoming = uploads.receive(&project()).await?;
    incoming.write(content.as_bytes()).await?;
    incoming.finish(name.to_owned()).await
}

fn folders(dir: &Path) -> usize {
    fs::read_dir(dir.join("imports")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn keeps_what_arrived_completely() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(dir.path().to_owned());
    let mut incoming = uploads.receive(&project()).await.unwrap();
    incoming.write(b"a,b\n").await.unwrap();
    assert_eq!(folders(dir.path()), 1);
    drop(incoming);
    assert_eq!(folders(dir.path()), 0, "a sender that goes away leaves nothing");

    let upload = received(&uploads, "a.csv", "a,b\n1,2\n").await.unwrap();
    assert_eq!(uploads.get(&project(), &upload.id).unwrap().bytes, 8);
    let again = Uploads::open(dir.path().to_owned());
    let found = again.get(&project(), &upload.id).unwrap();
    assert_eq!((found.columns, found.sample), (upload.columns, upload.sample));
    assert!(matches!(again.get(&"berlin".parse().unwrap(), &upload.id), Err(UploadError::Unknown)));
}

#[tokio::test]
async fn files_on_their_way_count_as_uploads() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(dir.path().to_owned());
    let mut all = Vec::new();
    for _ in 0..MAX_UPLOADS {
        all.push(uploads.receive(&project()).await.unwrap());
    }
    assert!(matches!(uploads.receive(&project()).await, Err(UploadError::TooMany)));
    assert!(uploads.receive(&"berlin".parse().unwrap()).await.is_ok());
    drop(all.pop());
    assert!(uploads.receive(&project()).await.is_ok());
}

#[tokio::test]
async fn removes_old_uploads() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(dir.path().to_owned());
    let upload = received(&uploads, "a.csv", "a,b\n1,2\n").await.unwrap();
    let after = |time: Duration| Timestamp::from_millis(upload.created_at.millis() + time.as_millis() as i64);
    uploads.remove_old(after(KEPT));
    assert!(uploads.get(&project(), &upload.id).is_ok());
    uploads.remove_old(after(KEPT + Duration::from_millis(1)));
    assert!(matches!(uploads.get(&project(), &upload.id), Err(UploadError::Unknown)));
    assert_eq!(folders(dir.path()), 0);
}

#[tokio::test]
async fn a_restart_removes_old_uploads_and_ends_imports() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(dir.path().to_owned());
    let old = received(&uploads, "old.csv", "a,b\n1,2\n").await.unwrap();
    let killed = received(&uploads, "killed.csv", "a,b\n1,2\n").await.unwrap();
    let folder = |upload: &Upload| Folder::of(dir.path(), &project(), &upload.id);
    folder(&old).save(&Upload { created_at: Timestamp::from_millis(0), ..old.clone() }).unwrap();
    folder(&killed).save(&Upload { state: State::Running, ..killed.clone() }).unwrap();
    let uploads = Uploads::open(dir.path().to_owned());
    assert!(matches!(uploads.get(&project(), &old.id), Err(UploadError::Unknown)));
    let killed = uploads.get(&project(), &killed.id).unwrap();
    assert_eq!(killed.state, State::Cancelled);
    assert!(killed.error.is_some() && killed.finished_at.is_some());
    assert_eq!(folders(dir.path()), 1);
}

#[tokio::test]
async fn a_stopping_server_receives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(dir.path().to_owned());
    let mut incoming = uploads.receive(&project()).await.unwrap();
    incoming.write(b"a,b\n1,2\n").await.unwrap();
    uploads.close(Duration::from_secs(1)).await;
    uploads.stopped().await;
    assert!(matches!(uploads.receive(&project()).await, Err(UploadError::Stopping)));
}

#[test]
fn failures_name_fields_and_no_folders() {
    let error = ImportError::Options("orders--final.csv: the file is empty".to_owned());
    assert_eq!(error::told(&error), "orders--final.csv: the file is empty");
    let path = std::path::PathBuf::from("/var/lib/shop/imports/1/rejects.ndjson");
    let error = ImportError::Rejects { path, source: std::io::Error::other("full") };
    assert!(!error::told(&error).contains("/var/lib"));
}
