//! Project ids, which are also names of folders and databases.

use std::{
    borrow::Borrow,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The project that every server has.
pub(crate) const DEFAULT_PROJECT: &str = "default";

/// The folder of all projects but `default`, in the data folder.
pub(crate) const FOLDER: &str = "projects";

/// The id of a project: 1 to 32 lowercase letters, digits and hyphens. The first character is not a hyphen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(pattern = "^[a-z0-9][a-z0-9-]{0,31}$")]
pub(crate) struct ProjectId(String);

impl ProjectId {
    pub(crate) const EXPECTED: &'static str =
        "1 to 32 lowercase letters, digits and hyphens, not starting with a hyphen, such as shop-berlin";

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folder of the project's files in a data folder.
    pub(crate) fn folder(&self, data_dir: &Path) -> PathBuf {
        if self.is_default() { data_dir.to_owned() } else { data_dir.join(FOLDER).join(&self.0) }
    }

    pub(crate) fn is_default(&self) -> bool {
        self.0 == DEFAULT_PROJECT
    }
}

/// Returns the folders that projects may have in a data folder, that of the default project first.
pub(crate) fn project_folders(data_dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let others = fs::read_dir(data_dir.join(FOLDER)).into_iter().flatten().flatten().map(|folder| folder.path());
    std::iter::once(data_dir.to_owned()).chain(others)
}

impl Default for ProjectId {
    fn default() -> Self {
        Self(DEFAULT_PROJECT.to_owned())
    }
}

impl FromStr for ProjectId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_sound = (1..=32).contains(&text.len()) && text.bytes().all(is_plain) && !text.starts_with('-');
        if is_sound { Ok(Self(text.to_owned())) } else { Err(Self::EXPECTED) }
    }
}

impl TryFrom<String> for ProjectId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProjectId> for String {
    fn from(id: ProjectId) -> Self {
        id.0
    }
}

impl Borrow<str> for ProjectId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_plain_folder_names() {
        for id in ["default", "shop-berlin", "2", "a-b-2026", &"x".repeat(32)] {
            assert_eq!(id.parse::<ProjectId>().map(String::from), Ok(id.to_owned()));
        }
        for wrong in ["", "-a", "Shop", "a_b", "a.b", "../x", "a/b", "ä", " a", &"x".repeat(33)] {
            assert!(wrong.parse::<ProjectId>().is_err(), "{wrong}");
        }
    }
}
