//! The files of projects whose events are deleted. They are first renamed to the folder [`FOLDER`] of the data folder,
//! in one step, so that no project can find half of them. Then they are deleted. What a crash leaves is deleted at the
//! next start.

use std::{fs, io, path::Path};

use martech_core::fs::{Disk, FileSystem};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::{identity::ProjectId, util::unless_missing};

const FOLDER: &str = "removed";

/// Moves the folder of a project out of the way, if there is one. Nothing must use it any more.
pub(super) async fn set_aside(data_dir: &Path, id: &ProjectId) -> io::Result<()> {
    let (from, removed) = (id.folder(data_dir), data_dir.join(FOLDER));
    let to = removed.join(format!("{id}.{}", Uuid::new_v4().simple()));
    let moved = spawn_blocking(move || {
        if !from.exists() {
            return Ok(());
        }
        Disk.create_dir_all(&removed)?;
        Disk.rename(&from, &to)?;
        Disk.sync_dir(&removed)?;
        from.parent().map_or(Ok(()), |parent| Disk.sync_dir(parent))
    });
    moved.await?
}

/// Deletes everything that was set aside, but not the folder [`FOLDER`]: [`set_aside`] may be about to use it. Logs a
/// failure; the next start tries again.
pub(super) async fn delete(data_dir: &Path) {
    let removed = data_dir.join(FOLDER);
    let deleted = spawn_blocking({
        let removed = removed.clone();
        move || {
            let entries = unless_missing(fs::read_dir(removed))?;
            entries.into_iter().flatten().try_for_each(|entry| {
                // Another call may have deleted it.
                unless_missing(fs::remove_dir_all(entry?.path())).map(drop)
            })
        }
    });
    if let Err(error) = deleted.await.unwrap_or_else(|panic| Err(panic.into())) {
        tracing::warn!(path = %removed.display(), %error, "cannot delete the files of a removed project");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn deletes_what_was_set_aside_and_keeps_the_folder_for_others() {
        let dir = tempfile::tempdir().unwrap();
        let (id, removed) = ("shop".parse().unwrap(), dir.path().join(FOLDER));
        // Nothing was set aside yet.
        delete(dir.path()).await;
        set_aside(dir.path(), &id).await.unwrap();
        assert!(!removed.exists());
        fs::create_dir_all(id.folder(dir.path()).join("events")).unwrap();
        set_aside(dir.path(), &id).await.unwrap();
        assert!(!id.folder(dir.path()).exists());
        assert_eq!(fs::read_dir(&removed).unwrap().count(), 1);
        delete(dir.path()).await;
        assert_eq!(fs::read_dir(&removed).unwrap().count(), 0);
    }
}
