//! How far a migration came, kept on disk so that the same command can go on after an interruption.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use martech_core::{
    event::{Event, EventId, EventRules, EventType, Timestamp},
    fs::{Disk, replace},
};
use serde::{Deserialize, Serialize};

use super::End;

/// What became of the events so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) copied: u64,
    /// They were there already.
    pub(super) duplicates: u64,
    pub(super) refused: u64,
}

/// The last event that is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    user_id: String,
    occurred_at: Timestamp,
    pub(super) event_id: EventId,
}

impl Place {
    pub(super) fn of(event: &Event) -> Self {
        Self { user_id: event.user_id.clone(), occurred_at: event.occurred_at, event_id: event.id }
    }

    /// An event that stands in this place.
    pub(super) fn into_event(self) -> Event {
        let rules = EventRules::default();
        let event = Event::builder("u", EventType::PAGE_VIEW).build(&rules).expect("an event that the rules allow");
        Event { id: self.event_id, user_id: self.user_id, occurred_at: self.occurred_at, ..event }
    }
}

/// A moment of a migration: everything up to the place is settled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) place: Option<Place>,
    pub(super) counts: Counts,
}

/// The state file of one migration.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    ends: [String; 2],
}

#[derive(Serialize, Deserialize)]
struct Content {
    from: String,
    to: String,
    #[serde(flatten)]
    state: State,
}

impl StateFile {
    pub(super) fn new(path: &Path, from: &End, to: &End) -> Self {
        Self { path: path.to_owned(), ends: [from, to].map(ToString::to_string) }
    }

    /// What an interrupted migration between just these stores left.
    pub(super) fn load(&self) -> Option<State> {
        let Content { from, to, state } = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        ([from, to] == self.ends).then_some(state)
    }

    pub(super) fn save(&self, state: &State) -> io::Result<()> {
        let [from, to] = self.ends.clone();
        let content = serde_json::to_vec(&Content { from, to, state: state.clone() })?;
        replace(&Disk, &std::path::absolute(&self.path)?, &content)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_that_of_its_two_stores() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let ends = ["a", "b"].map(|name| End::Folder(name.into()));
        let file = StateFile::new(&path, &ends[0], &ends[1]);
        assert_eq!(file.load(), None);
        let event = Event::builder("u1", EventType::SEARCH).build(&EventRules::default()).unwrap();
        let state =
            State { place: Some(Place::of(&event)), counts: Counts { read: 3, copied: 2, ..Counts::default() } };
        file.save(&state).unwrap();
        assert_eq!(file.load(), Some(state));
        assert_eq!(StateFile::new(&path, &ends[1], &ends[0]).load(), None, "the other way is another migration");
        let back = Place::of(&event).into_event();
        assert_eq!((back.id, back.user_id, back.occurred_at), (event.id, event.user_id, event.occurred_at));
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.load(), None);
    }
}
