use std::sync::Arc;

use super::{
    super::{
        catalog::UsersEntry,
        error::{LakeError, Result},
        files::UsersFile,
        inner::Inner,
        writing::Folders,
    },
    file::UsersWriter,
    source::{Ascending, FileSource, Measure, Span},
};
use crate::analytics::UserSummary;

/// Calls `each` once for every user before `end`, ascending, with the indexes of the sources that stand on the user.
pub(super) fn for_each_user<S: Ascending>(
    sources: &mut [S],
    end: Option<&str>,
    mut each: impl FnMut(&str, &[usize], &[S]) -> Result<()>,
) -> Result<()> {
    let mut bound = String::new();
    let mut holders = Vec::new();
    while let Some(first) =
        (0..sources.len()).filter_map(|index| Some((sources[index].user()?, index))).min().map(|(_, index)| index)
    {
        if end.is_some_and(|end| sources[first].user().is_some_and(|user| user >= end)) {
            break;
        }
        // Before the first user of the other sources, only this source has users.
        let others = (0..sources.len()).filter(|index| *index != first);
        let bounded = others.filter_map(|index| sources[index].user()).chain(end).min().map(|user| {
            bound.clear();
            bound.push_str(user);
        });
        while sources[first].user().is_some_and(|user| bounded.is_none() || user < bound.as_str()) {
            let user = sources[first].user().unwrap_or_default();
            each(user, &[first], sources)?;
            sources[first].advance()?;
        }
        if bounded.is_none() {
            continue;
        }
        holders.clear();
        holders.extend((0..sources.len()).filter(|index| sources[*index].user() == Some(bound.as_str())));
        if holders.is_empty() || end == Some(bound.as_str()) {
            continue;
        }
        each(&bound, &holders, sources)?;
        for &holder in &holders {
            sources[holder].advance()?;
        }
    }
    Ok(())
}

/// Merges several users files into one.
pub(in super::super) fn merge_files(
    inner: &Inner,
    files: &[Arc<UsersFile>],
    folders: &mut Folders,
) -> Result<UsersEntry> {
    let mut writer = UsersWriter::create(&inner.shared.layout, inner.take_file_id())?;
    let whole = |file: &Arc<UsersFile>| FileSource::open(file, Measure::Everything, &Span::default());
    let mut sources = files.iter().map(whole).collect::<Result<Vec<_>>>()?;
    let mut users = 0_u64;
    for_each_user(&mut sources, None, |user_id, holders, sources| {
        users += 1;
        if users.is_multiple_of(4096) && inner.state().closed {
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
