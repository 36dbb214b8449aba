//! The files of projects whose events are deleted. They are first renamed to the folder [`FOLDER`] of the data folder,
//! in one step, so that no project can find half of them. Then they are deleted. What a crash leaves is deleted at the
//! next start.

use std::{fs, io, path::Path};

use martech_core::fs::{Disk, FileSystem};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::identity::ProjectId;

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

/// Deletes everything that was set aside. Logs a failure; the next start tries again.
pub(super) async fn delete(data_dir: &Path) {
    let removed = data_dir.join(FOLDER);
    let deleted = spawn_blocking({
        let removed = removed.clone();
        move || match fs::remove_dir_all(removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    });
    if let Err(error) = deleted.await.unwrap_or_else(|panic| Err(panic.into())) {
        tracing::warn!(path = %removed.display(), %error, "cannot delete the files of a removed project");
    }
}
