//! Other work while a project is being created with its events.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::*;
use crate::records::RecordsError;

const PATIENCE: Duration = Duration::from_secs(20);

/// A creation that waits in front of its second batch.
struct Filling {
    made: JoinHandle<Result<u64, ProjectError>>,
    second: oneshot::Sender<()>,
}

impl Filling {
    async fn begin(projects: &Projects) -> Self {
        let (begun, has_begun) = oneshot::channel();
        let (second, has_second) = oneshot::channel();
        let (mut begun, mut has_second) = (Some(begun), Some(has_second));
        let batches = ["u1", "u2"].into_iter().map(move |user| {
            match begun.take() {
                Some(begun) => begun.send(()).unwrap(),
                None => has_second.take().unwrap().blocking_recv().unwrap(),
            }
            Ok(vec![event(user)])
        });
        let projects = projects.clone();
        let made = tokio::spawn(async move { make_filled(&projects, batches).await });
        timeout(PATIENCE, has_begun).await.unwrap().unwrap();
        Self { made, second }
    }

    async fn end(self) -> Result<u64, ProjectError> {
        self.second.send(()).unwrap();
        timeout(PATIENCE, self.made).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn other_projects_are_created_changed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = &app.state().projects;
    let filling = Filling::begin(projects).await;
    let others = async {
        let (id, actor, now): (ProjectId, _, _) = ("other".parse().unwrap(), Actor::Operator, Timestamp::now());
        projects.make(&actor, id.clone(), ProjectChange::default(), now).await.unwrap();
        projects.change(&actor, &id, ProjectChange::default(), now).await.unwrap();
        projects.sync().await.unwrap();
        projects.find(&id).await.unwrap();
        projects.remove(&actor, &id, RemovalPolicy::Delete, now).await.unwrap();
        projects.delete_events(&id).await.unwrap();
    };
    timeout(PATIENCE, others).await.expect("other projects do not wait");
    assert_eq!(filling.end().await.unwrap(), 2);
    assert_eq!(users(projects).await, 2);
}

#[tokio::test]
async fn nothing_else_uses_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = &app.state().projects;
    let filling = Filling::begin(projects).await;
    let same_id = async {
        let again = make_filled(projects, std::iter::empty()).await;
        assert!(matches!(again, Err(ProjectError::Exists(_))), "{again:?}");
        let again = make(projects).await;
        assert!(matches!(again, Err(ProjectError::Exists(_))), "{again:?}");
        let removed = projects.remove(&Actor::Operator, &shop(), RemovalPolicy::Delete, Timestamp::now()).await;
        assert!(matches!(removed, Err(ProjectError::Unknown(_))), "{removed:?}");
        // The request that removed an earlier project may still be here.
        projects.delete_events(&shop()).await.unwrap();
        projects.sync().await.unwrap();
    };
    timeout(PATIENCE, same_id).await.expect("other requests do not wait");
    assert!(folder(dir.path()).exists());
    assert_eq!(filling.end().await.unwrap(), 2);
    assert_eq!((users(projects).await, removal(projects).await), (2, None));
    remove(projects, RemovalPolicy::Delete).await;
    projects.delete_events(&shop()).await.unwrap();
    assert_eq!(make_filled(projects, [Ok(vec![event("u3")])].into_iter()).await.unwrap(), 1);
}

#[tokio::test]
async fn shutdown_ends_it_and_leaves_no_project() {
    let dir = tempfile::tempdir().unwrap();
    let app = opened(dir.path()).await;
    let projects = app.state().projects.clone();
    let filling = Filling::begin(&projects).await;
    let closing = tokio::spawn(closed(app));
    while !projects.inner.stopping.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    let filled = filling.end().await;
    assert!(matches!(filled, Err(ProjectError::Records(RecordsError::Closed))), "{filled:?}");
    timeout(PATIENCE, closing).await.unwrap().unwrap();
    assert!(is_clean(dir.path()));
    let refused = make_filled(&projects, std::iter::empty()).await;
    assert!(matches!(refused, Err(ProjectError::Records(RecordsError::Closed))), "{refused:?}");
    drop(projects);
    let app = opened(dir.path()).await;
    assert!(matches!(app.state().projects.find(&shop()).await, Err(ProjectError::Unknown(_))));
    assert_eq!(removal(&app.state().projects).await, None);
}
