use std::{ffi::OsStr, fs};

use martech_core::{
    Store, StoreError,
    event::{Event, EventRules, EventType},
    sink::NotStored,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::{
    App,
    config::ServeArgs,
    identity::{Actor, ProjectChange},
    import::{ImportError, ImportOptions},
    projects::RemovalPolicy,
};

/// The uploads of a server.
struct Shop {
    dir: TempDir,
    app: App,
}

impl Shop {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let line = ["--data-dir".as_ref(), dir.path().as_os_str(), OsStr::new("--min-free-space=0B")];
        let app = App::open(&ServeArgs::parse_from(line)).await.unwrap();
        Self { dir, app }
    }

    fn projects(&self) -> Projects {
        self.app.state().projects.clone()
    }

    fn uploads(&self) -> Uploads {
        self.app.state().uploads.clone()
    }

    /// Opens the uploads again, as a restart does, on a disk of which so much must be free.
    fn again(&self, floor: u64) -> Uploads {
        let path = self.dir.path().to_owned();
        Uploads::open(path.clone(), self.projects(), Arc::new(DiskSpace::watch(path, floor)))
    }

    fn default(&self) -> Project {
        self.projects().default().clone()
    }

    async fn make(&self, id: &str) -> Project {
        let (id, change) = (id.parse::<ProjectId>().unwrap(), ProjectChange::default());
        self.projects().make(&Actor::Operator, id.clone(), change, Timestamp::now()).await.unwrap();
        self.projects().find(&id).await.unwrap()
    }

    async fn remove(&self, project: &Project, policy: RemovalPolicy) {
        self.projects().remove(&Actor::Operator, project.id(), policy, Timestamp::now()).await.unwrap();
    }

    fn folders(&self, project: &Project) -> usize {
        fs::read_dir(project.id().folder(self.dir.path()).join("imports")).map_or(0, Iterator::count)
    }
}

async fn incoming(uploads: &Uploads, project: &Project) -> Result<Incoming, UploadError> {
    uploads.receive(project.import_permit().unwrap(), 0).await
}

async fn received(uploads: &Uploads, project: &Project, name: &str, content: &str) -> Result<Upload, UploadError> {
    let mut incoming = incoming(uploads, project).await?;
    incoming.write(content.as_bytes()).await?;
    incoming.finish(name.to_owned()).await
}

/// Starts an import, and returns what completes with its result.
async fn started(uploads: &Uploads, project: &Project, id: &str, options: ImportOptions) -> oneshot::Receiver<Upload> {
    let (end, ended) = oneshot::channel();
    uploads.run(project, id, options, async move |upload| _ = end.send(upload)).await.unwrap();
    ended
}

fn rows(count: usize) -> String {
    let rows: String = (0..count).map(|n| format!("u{},search,2026-01-01,{n}\n", n % 100)).collect();
    format!("userId,type,occurredAt,number\n{rows}")
}

#[tokio::test]
async fn keeps_what_arrived_completely() {
    let shop = Shop::open().await;
    let (uploads, project) = (shop.uploads(), shop.default());
    let mut receiving = incoming(&uploads, &project).await.unwrap();
    receiving.write(b"a,b\n").await.unwrap();
    assert_eq!(shop.folders(&project), 1);
    drop(receiving);
    assert_eq!(shop.folders(&project), 0, "a sender that goes away leaves nothing");

    let upload = received(&uploads, &project, "a.csv", "a,b\n1,2\n").await.unwrap();
    assert_eq!(uploads.get(&project, &upload.id).unwrap().bytes, 8);
    let again = shop.again(0);
    let found = again.get(&project, &upload.id).unwrap();
    assert_eq!((found.columns, found.sample), (upload.columns, upload.sample));
    assert!(matches!(again.get(&shop.make("berlin").await, &upload.id), Err(UploadError::Unknown)));
}

#[tokio::test]
async fn files_on_their_way_count_as_uploads() {
    let shop = Shop::open().await;
    let (uploads, project, berlin) = (shop.uploads(), shop.default(), shop.make("berlin").await);
    let mut all = Vec::new();
    for _ in 0..MAX_UPLOADS {
        all.push(incoming(&uploads, &project).await.unwrap());
    }
    assert!(matches!(incoming(&uploads, &project).await, Err(UploadError::TooMany)));
    assert!(incoming(&uploads, &berlin).await.is_ok());
    drop(all.pop());
    assert!(incoming(&uploads, &project).await.is_ok());
}

#[tokio::test]
async fn bounds_the_uploads_of_all_projects() {
    let shop = Shop::open().await;
    let uploads = shop.uploads();
    let mut all = Vec::new();
    for n in 0..MAX_ON_SERVER / MAX_UPLOADS {
        let project = shop.make(&format!("shop-{n}")).await;
        for _ in 0..MAX_UPLOADS {
            all.push(incoming(&uploads, &project).await.unwrap());
        }
    }
    assert!(matches!(incoming(&uploads, &shop.default()).await, Err(UploadError::TooManyOnServer)));
    drop(all.pop());
    assert!(incoming(&uploads, &shop.default()).await.is_ok());
}

#[tokio::test]
async fn removes_old_uploads() {
    let shop = Shop::open().await;
    let (uploads, project) = (shop.uploads(), shop.default());
    let upload = received(&uploads, &project, "a.csv", "a,b\n1,2\n").await.unwrap();
    let after = |time: Duration| Timestamp::from_millis(upload.created_at.millis() + time.as_millis() as i64);
    delete(uploads.take_old(after(KEPT)));
    assert!(uploads.get(&project, &upload.id).is_ok());
    delete(uploads.take_old(after(KEPT + Duration::from_millis(1))));
    assert!(matches!(uploads.get(&project, &upload.id), Err(UploadError::Unknown)));
    assert_eq!(shop.folders(&project), 0);
}

#[tokio::test]
async fn a_restart_removes_old_uploads_and_ends_imports() {
    let shop = Shop::open().await;
    let (uploads, project) = (shop.uploads(), shop.default());
    let old = received(&uploads, &project, "old.csv", "a,b\n1,2\n").await.unwrap();
    let killed = received(&uploads, &project, "killed.csv", "a,b\n1,2\n").await.unwrap();
    let folder = |upload: &Upload| Folder::of(shop.dir.path(), project.id(), &upload.id);
    folder(&old).save(&Upload { created_at: Timestamp::from_millis(0), ..old.clone() }).unwrap();
    folder(&killed).save(&Upload { state: State::Running, ..killed.clone() }).unwrap();
    let uploads = shop.again(0);
    assert!(matches!(uploads.get(&project, &old.id), Err(UploadError::Unknown)));
    let killed = uploads.get(&project, &killed.id).unwrap();
    assert_eq!(killed.state, State::Cancelled);
    assert!(killed.error.is_some() && killed.finished_at.is_some());
    assert_eq!(shop.folders(&project), 1);
}

#[tokio::test]
async fn a_stopping_server_receives_nothing() {
    let shop = Shop::open().await;
    let (uploads, project) = (shop.uploads(), shop.default());
    let mut receiving = incoming(&uploads, &project).await.unwrap();
    receiving.write(b"a,b\n1,2\n").await.unwrap();
    uploads.close(Duration::from_secs(1)).await;
    uploads.stopped().await;
    assert!(matches!(incoming(&uploads, &project).await, Err(UploadError::Stopping)));
}

/// Another server removes the project: this one only closes it, as the sync does.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_closes_ends_its_import() {
    let shop = Shop::open().await;
    let (uploads, project) = (shop.uploads(), shop.make("berlin").await);
    let upload = received(&uploads, &project, "a.csv", &rows(200_000)).await.unwrap();
    let ended = started(&uploads, &project, &upload.id, ImportOptions::default()).await;
    let mut receiving = incoming(&uploads, &project).await.unwrap();
    receiving.write(b"a,b\n1,2\n").await.unwrap();
    let permit = project.import_permit().unwrap();
    let store = permit.store();

    // The project waits for its permits.
    let mut remove = std::pin::pin!(shop.remove(&project, RemovalPolicy::Keep));
    tokio::select! {
        () = &mut remove => panic!("the project closed before its import ended"),
        () = permit.closing() => {}
    }
    assert!(project.import_permit().is_none());
    assert!(matches!(receiving.finish("b.csv".to_owned()).await, Err(UploadError::NoProject(_))));
    let event = Event::builder("u1", EventType::SEARCH).build(&EventRules::default()).unwrap();
    assert!(store.append(&[event]).await.is_err(), "the store of a closing project stores nothing");
    drop((store, permit));
    remove.await;
    let upload = ended.await.unwrap();
    assert_eq!((upload.state, upload.error.as_deref()), (State::Cancelled, Some("the project was removed")));
    assert!(upload.counts.stored < 200_000, "{}", upload.counts);
}

#[tokio::test]
async fn a_later_project_with_the_same_id_sees_no_uploads_of_the_former() {
    let shop = Shop::open().await;
    let (uploads, former) = (shop.uploads(), shop.make("berlin").await);
    let upload = received(&uploads, &former, "a.csv", "a,b\n1,2\n").await.unwrap();
    shop.remove(&former, RemovalPolicy::Keep).await;
    // Projects differ in the millisecond of their creation.
    while Timestamp::now() <= former.created_at() {}
    let later = shop.make("berlin").await;
    for uploads in [&uploads, &shop.again(0)] {
        assert_eq!(uploads.list(&later).len(), 0);
        assert!(matches!(uploads.get(&later, &upload.id), Err(UploadError::Unknown)));
    }
    received(&uploads, &later, "b.csv", "a,b\n1,2\n").await.unwrap();
    assert_eq!(shop.folders(&later), 2);
    uploads.forget_removed().await;
    assert_eq!((uploads.list(&later).len(), shop.folders(&later)), (1, 1));
    shop.remove(&later, RemovalPolicy::Keep).await;
    uploads.forget_removed().await;
    assert_eq!((uploads.table().entries.len(), shop.folders(&later)), (0, 0));
}

#[tokio::test]
async fn an_import_stops_when_the_disk_is_almost_full() {
    let shop = Shop::open().await;
    let project = shop.default();
    let upload = received(&shop.uploads(), &project, "a.csv", &rows(100_000)).await.unwrap();
    let full = shop.again(1 << 60);
    let rejects = Folder::of(shop.dir.path(), project.id(), &upload.id).rejects();
    fs::write(&rejects, "{}\n").unwrap();
    let options = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let upload = started(&full, &project, &upload.id, options).await.await.unwrap();
    assert_eq!(upload.state, State::Failed);
    assert!(upload.error.unwrap().contains("the disk of the server is almost full"));
    assert!(!rejects.exists());
    assert!(matches!(incoming(&full, &project).await, Err(UploadError::NoRoom)));
}

/// Detection reads little of a large file. The import reads all of it, up to a limit.
#[tokio::test]
async fn damage_behind_the_beginning_ends_the_import() {
    let shop = Shop::open().await;
    let (uploads, project) = (shop.uploads(), shop.default());
    // A line that is too long makes the plain file larger than what is checked when the file comes.
    let mut plain = rows(10).into_bytes();
    plain.resize(300 << 20, b'x');
    let mut packed = zstd::encode_all(&plain[..], 1).unwrap();
    packed.truncate(packed.len() - 5);
    let mut receiving = incoming(&uploads, &project).await.unwrap();
    receiving.write(&packed).await.unwrap();
    let upload = receiving.finish("a.csv.zst".to_owned()).await.unwrap();
    assert_eq!((upload.columns.len(), upload.sample.len()), (4, 5));
    let ended = started(&uploads, &project, &upload.id, ImportOptions::default()).await.await.unwrap();
    assert_eq!((ended.state, ended.counts.read), (State::Failed, 0));
    assert!(ended.error.as_ref().unwrap().contains("damaged"), "{:?}", ended.error);
}

#[test]
fn failures_name_no_folders() {
    let inside = || std::io::Error::other("/var/lib/shop/events/date=2026-01-01/1.parquet");
    let path = || std::path::PathBuf::from("/var/lib/shop/imports/1/rejects.ndjson");
    let refused = NotStored::RetriesExhausted(Arc::new(StoreError::fatal(inside().to_string())));
    for error in [
        ImportError::Rejects { path: path(), source: inside() },
        ImportError::Write { path: path(), source: inside() },
        ImportError::Temporary { dir: path(), source: inside() },
        ImportError::NotStored(refused),
    ] {
        let message = error::public_message(&error);
        assert!(!message.contains("/var/lib") && message.contains("log"), "{message}");
    }
    let named = ImportError::Options("orders--final.csv: the file is empty".to_owned());
    assert_eq!(error::public_message(&named), "orders--final.csv: the file is empty");
}
