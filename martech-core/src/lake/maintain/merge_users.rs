//! The merge of users files into one file.

use std::sync::Arc;

use crate::{
    analytics::UserSummary,
    lake::{
        engine::Engine,
        error::{LakeError, Result},
        files::{catalog::UsersEntry, events_writer::Folders, live::UsersFile, users_file::UsersWriter},
        read::users::{
            for_each_user,
            source::{FileSource, Measure, Span},
        },
    },
};

/// Merges several users files into one. Fails with [`LakeError::Closed`] once the lake is closed.
pub(crate) fn merge_files(engine: &Engine, files: &[Arc<UsersFile>], folders: &mut Folders) -> Result<UsersEntry> {
    let mut writer = UsersWriter::create(engine.files.layout(), engine.files.take_file_id())?;
    let whole = |file: &Arc<UsersFile>| FileSource::open(file, Measure::Everything, &Span::default());
    let mut sources = files.iter().map(whole).collect::<Result<Vec<_>>>()?;
    let mut users = 0_u64;
    for_each_user(&mut sources, None, |user_id, holders, sources| {
        users += 1;
        if users.is_multiple_of(4096) && engine.is_closed() {
            return Err(LakeError::Closed);
        }
        let mut whole: Option<UserSummary> = None;
        for &holder in holders {
            match (&mut whole, sources[holder].summary()?) {
                (Some(whole), Some(part)) => whole.merge(&part),
                (whole, part) => *whole = part,
            }
        }
        whole.map_or(Ok(()), |whole| writer.push(user_id, &whole))
    })?;
    writer.finish(folders)
}
