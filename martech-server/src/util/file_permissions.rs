//! File permissions of the data folder: no other user of the machine has access.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use rustix::{fs::Mode, process::umask};

/// Sets the umask of the process, so that it creates folders with mode 0700 and files with mode 0600.
pub(crate) fn restrict_umask() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// The entries of a data folder.
const OURS: [&str; 16] = [
    "LOCK",
    "accounts.redb",
    "admin-token",
    "catalog",
    "damaged",
    "dead-letters.ndjson",
    "dead-letters.1.ndjson",
    "events",
    "facts",
    "ids",
    "imports",
    "journal",
    "projects",
    "removed",
    "spool",
    "users",
];

/// Removes access of other users that an older server has granted. A folder with mode 0700 protects everything below
/// it, so only the top level is checked. The data folder itself is changed only if it holds no foreign files.
pub(crate) fn tighten(dir: &Path) {
    let mut is_shared = false;
    for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        match OURS.iter().any(|name| entry.file_name() == *name) {
            true => told(&entry.path(), close(&entry.path())),
            false => is_shared = true,
        }
    }
    if !is_shared {
        return told(dir, close(dir));
    }
    if fs::metadata(dir).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!(
            path = %dir.display(),
            "other users can enter the data folder, which also holds other files; chmod 700 it or use a separate folder"
        );
    }
}

/// Removes access of other users. Returns whether the mode has changed. Symbolic links are skipped.
fn close(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    let mode = metadata.permissions().mode();
    if metadata.is_symlink() || mode & 0o077 == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7700))?;
    Ok(true)
}

fn told(path: &Path, closed: io::Result<bool>) {
    match closed {
        Ok(false) => {}
        Ok(true) => tracing::warn!(path = %path.display(), "removed access for other users"),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot remove access for other users; run chmod on this path");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn make(path: &Path, mode: u32) {
        match path.extension() {
            Some(_) => fs::write(path, "x").unwrap(),
            None => fs::create_dir(path).unwrap(),
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn tightens_permissions_of_an_older_server() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("data");
        make(&dir, 0o755);
        make(&dir.join("accounts.redb"), 0o644);
        make(&dir.join("journal"), 0o755);
        make(&dir.join("events"), 0o750);
        make(&dir.join("removed"), 0o755);
        tighten(&dir);
        assert_eq!(mode(&dir.join("accounts.redb")), 0o600);
        for path in [dir.clone(), dir.join("journal"), dir.join("events"), dir.join("removed")] {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
        }
    }

    #[test]
    fn keeps_permissions_of_a_shared_folder() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("data");
        make(&dir, 0o755);
        make(&dir.join("journal"), 0o755);
        make(&dir.join("photos"), 0o755);
        tighten(&dir);
        assert_eq!((mode(&dir), mode(&dir.join("photos")), mode(&dir.join("journal"))), (0o755, 0o755, 0o700));
    }
}
