//! Receives a file.

use std::{
    fs::File,
    io::{self, Write},
};

use martech_core::event::Timestamp;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{
    Entry, MAX_BYTES, MAX_ON_SERVER, MAX_UPLOADS, State, Upload, UploadError, Uploads, folder::Folder,
    upload::delimiter_name,
};
use crate::{
    import::{self, Counts, Detected, Reading, Source},
    projects::ImportPermit,
};

/// Bytes that are gathered for one write.
const GATHERED: usize = 256 * 1024;

/// A file that is being received. It is removed if this is dropped before [`finish`](Self::finish).
#[derive(Debug)]
pub(crate) struct Incoming {
    uploads: Uploads,
    permit: ImportPermit,
    id: String,
    folder: Folder,
    /// `None` while a write runs.
    file: Option<File>,
    gathered: Vec<u8>,
    bytes: u64,
    is_kept: bool,
}

impl Uploads {
    /// Begins to receive a file with the size that its sender has announced. It counts as an upload from now on. The
    /// caller must drop it when the project is [closing](ImportPermit::closing).
    pub(crate) async fn receive(&self, permit: ImportPermit, announced: u64) -> Result<Incoming, UploadError> {
        let project = permit.project();
        {
            if *self.inner.stopping.borrow() {
                return Err(UploadError::Stopping);
            }
            let mut table = self.table();
            let kept = table.entries.values().filter(|entry| entry.upload.is_of(project)).count();
            let all = table.entries.len() + table.incoming.values().sum::<usize>();
            let incoming = table.incoming.get(project.id()).copied().unwrap_or_default();
            if kept + incoming >= MAX_UPLOADS {
                return Err(UploadError::TooMany);
            }
            if all >= MAX_ON_SERVER {
                return Err(UploadError::TooManyOnServer);
            }
            if !self.inner.disk_space.has_spare(announced) {
                return Err(UploadError::NoRoom);
            }
            *table.incoming.entry(project.id().clone()).or_default() += 1;
        }
        let id = Uuid::new_v4().simple().to_string();
        let folder = Folder::of(&self.inner.data_dir, project.id(), &id);
        let mut incoming = Incoming {
            uploads: self.clone(),
            permit,
            id,
            folder: folder.clone(),
            file: None,
            gathered: Vec::new(),
            bytes: 0,
            is_kept: false,
        };
        incoming.file = Some(blocking(move || folder.create()).await?);
        Ok(incoming)
    }
}

impl Incoming {
    /// Adds bytes to the file.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_BYTES {
            return Err(UploadError::TooLarge);
        }
        if !self.uploads.inner.disk_space.has_spare(0) {
            return Err(UploadError::NoRoom);
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < GATHERED { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), UploadError> {
        let lost = || io::Error::other("an earlier write has failed");
        let (mut file, mut gathered) = (self.file.take().ok_or_else(lost)?, std::mem::take(&mut self.gathered));
        let write = move || {
            file.write_all(&gathered)?;
            gathered.clear();
            Ok((file, gathered))
        };
        let (file, gathered) = blocking(write).await?;
        (self.file, self.gathered) = (Some(file), gathered);
        Ok(())
    }

    /// Ends the file, and detects its format.
    ///
    /// # Errors
    ///
    /// Returns [`UploadError::Unreadable`] if the file is damaged, empty or of no known format.
    pub(crate) async fn finish(mut self, file_name: String) -> Result<Upload, UploadError> {
        self.flush().await?;
        let (folder, file, reading) = (self.folder.clone(), self.file.take(), StopOnDrop(Reading::default()));
        let (source, handle) = (Source::File(folder.file(), file_name.clone()), reading.0.clone());
        let detect = async {
            let _permit = self.uploads.inner.detecting.acquire().await;
            let detecting = spawn_blocking(move || {
                file.map_or(Ok(()), |file| file.sync_data())?;
                import::detect(&source, &handle).map_err(UploadError::Unreadable)
            });
            detecting.await.map_err(io::Error::other)?
        };
        let project = self.permit.project();
        let detected = tokio::select! {
            detected = detect => detected?,
            () = self.uploads.stopped() => return Err(UploadError::Stopping),
            () = self.permit.closing() => return Err(UploadError::NoProject(project.id().clone())),
        };
        let Detected { format, delimiter, encoding, columns, sample } = detected;
        let upload = Upload {
            id: self.id.clone(),
            project: project.id().clone(),
            project_created_at: self.permit.created_at(),
            file_name,
            bytes: self.bytes,
            format,
            delimiter: delimiter.map(delimiter_name),
            encoding: encoding.map(|encoding| encoding.name().to_ascii_lowercase()),
            columns,
            sample,
            created_at: Timestamp::now(),
            state: State::Uploaded,
            dry_run: None,
            counts: Counts::default(),
            bytes_read: 0,
            reasons: Vec::new(),
            rejects_omitted: 0,
            first_event: None,
            error: None,
            finished_at: None,
        };
        let (description, into) = (upload.clone(), folder.clone());
        blocking(move || into.save(&description)).await?;
        self.is_kept = true;
        let entry = Entry { upload: upload.clone(), folder, running: None };
        self.uploads.table().entries.insert(upload.id.clone(), entry);
        Ok(upload)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        {
            let mut table = self.uploads.table();
            let project = self.permit.project().id();
            if let Some(incoming) = table.incoming.get_mut(project) {
                *incoming -= 1;
                if *incoming == 0 {
                    table.incoming.remove(project);
                }
            }
        }
        if !self.is_kept
            && let Err(error) = self.folder.remove()
        {
            tracing::warn!(%error, "cannot remove an incomplete upload; the next start removes it");
        }
    }
}

/// Stops the reading of a file whose sender has gone.
struct StopOnDrop(Reading);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs work that waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, UploadError> {
    Ok(spawn_blocking(work).await.map_err(io::Error::other)??)
}
