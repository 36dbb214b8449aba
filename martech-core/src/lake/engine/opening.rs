//! Opening a lake: lock, catalog, files, journal.

use std::{collections::BTreeSet, io, sync::Arc};

use super::{Engine, JournalDamage, state::State};
use crate::{
    journal::{Journal, JournalOptions, Recovery},
    lake::{
        error::{Context, LakeError, Result},
        files::{
            catalog::{Catalog, Persisted},
            layout::Layout,
            live::{EventsFile, Shared, UsersFile, Version},
            set::FileSet,
            upgrade,
        },
        options::LakeOptions,
        rows::{hot::Chunk, row::day_of},
    },
};

/// Opens the lake in `options.dir`, or creates it.
pub(crate) fn open(mut options: LakeOptions) -> Result<Engine> {
    // A roll that starts too late finds the journal full.
    options.roll_bytes = options.roll_bytes.min(usize::try_from(options.journal_capacity / 4).unwrap_or(usize::MAX));
    let layout = Layout { fs: options.fs.clone(), root: options.dir.clone() };
    layout.fs.create_dir_all(&layout.root).context("cannot create the folder", &layout.root)?;
    let lock = layout.take_lock()?;
    layout.create()?;
    let shared = Arc::new(Shared::new(layout));
    let layout = &shared.layout;
    layout.remove(&layout.catalog().with_extension("tmp"))?;
    // A process may have died after it renamed the catalog and before the name was durable. The name must be
    // durable before files that the catalog does not name, and frames that the journal no longer needs, are removed
    // below.
    layout.fs.sync_dir(&layout.root).context("cannot sync the folder", &layout.root)?;
    let on_disk = load_catalog(layout)?;
    let is_new = on_disk.is_none();
    let catalog = on_disk.unwrap_or_default();
    let version = version_of(&catalog, &shared);
    check_files(&version, layout)?;

    let journal_options = JournalOptions::new(options.journal_capacity);
    let (journal, recovery) = Journal::open(options.fs.clone(), &shared.layout.journal(), journal_options)?;
    if is_new {
        // From here on, the folder is known to have a catalog and a journal. If one is missing later, that is
        // damage.
        catalog.store(&shared.layout)?;
    }
    let persisted = catalog.persisted();
    let journal_damage = JournalDamage::new(&recovery, &journal, &catalog, &persisted);
    journal.start_at_least(catalog.sequence + 1)?;
    for damage in &recovery.damaged {
        tracing::error!(?damage, "set aside a damaged part of the journal; its events are missing");
    }
    for missing in &recovery.missing {
        tracing::error!(?missing, "journal frames are missing");
    }
    if journal_damage.cut_bytes > 0 {
        tracing::warn!(bytes = journal_damage.cut_bytes, "truncated an interrupted write at the end of the journal");
    }
    let mut state = State::new(version.clone(), options.roll_bytes);
    replay(&journal, &catalog, &persisted, &shared.layout, &mut state)?;
    if let Err(error) = journal.trim(persisted.through()) {
        tracing::warn!(%error, "cannot trim the journal; events in files stay in it until the next roll");
    }
    Ok(Engine::new(options, journal, state, FileSet::new(shared, catalog, version), lock, journal_damage))
}

impl JournalDamage {
    fn new(recovery: &Recovery, journal: &Journal, catalog: &Catalog, persisted: &Persisted) -> Self {
        let missing = recovery.missing.iter().filter(|range| *range.end() > persisted.through()).count();
        // Rolled frames were durable, so a journal that ends before them has lost its end.
        let cut_short = usize::from(journal.stats().last_sequence < catalog.sequence);
        Self { damage: recovery.damaged.len().max(missing).max(cut_short) as u64, cut_bytes: recovery.truncated_bytes }
    }
}

/// Loads the catalog. Returns `None` in a new folder. A missing catalog in a folder with data is an error, because all
/// files would be removed as orphans.
fn load_catalog(layout: &Layout) -> Result<Option<Catalog>> {
    let repairing = layout.repairing();
    match layout.fs.open_to_read(&repairing) {
        Ok(_) => return Err(LakeError::Repairing(layout.root.clone())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).context("cannot open", repairing),
        Err(_) => {}
    }
    upgrade::upgrade(layout)?;
    let catalog = Catalog::load(layout)?;
    if catalog.is_none() && !layout.is_blank()? {
        return Err(LakeError::Damaged {
            path: layout.catalog(),
            message: "the file is missing, but the folder contains data".to_owned(),
        });
    }
    Ok(catalog)
}

/// Returns the files that a catalog names.
fn version_of(catalog: &Catalog, shared: &Arc<Shared>) -> Version {
    let events = catalog.events.iter().map(|entry| EventsFile::events(*entry, shared));
    Version::new(events, catalog.users.iter().map(|entry| UsersFile::users(*entry, shared)))
}

/// Checks that every file that the catalog names exists. Removes all other files, which a crash left.
fn check_files(version: &Version, layout: &Layout) -> Result<()> {
    let there: BTreeSet<_> = layout.data_files()?.into_iter().collect();
    let events = version.events().flat_map(|file| file.paths());
    let named: BTreeSet<_> = events.chain(version.users.iter().flat_map(|file| file.paths())).cloned().collect();
    if let Some(path) = named.iter().find(|path| !there.contains(*path)) {
        return Err(LakeError::Damaged {
            path: path.clone(),
            message: "the file is missing, but the catalog lists it".to_owned(),
        });
    }
    for path in there.difference(&named) {
        if let Err(error) = layout.remove(path) {
            tracing::warn!(%error, "cannot remove an unused file; it stays until the next start");
        }
    }
    remove_unused_facts(version, layout);
    let folders = layout.fs.list(&layout.events()).context("cannot list", layout.events())?;
    for folder in folders.into_iter().filter(|entry| entry.is_dir) {
        // An upgrade was interrupted before it removed the folders of the old format. Others may have files.
        let _ = layout.fs.remove_dir(&folder.path);
    }
    Ok(())
}

/// Removes facts of files that no catalog names.
fn remove_unused_facts(version: &Version, layout: &Layout) {
    let used: BTreeSet<_> =
        version.events().map(|file| layout.facts_file(file.id())).chain([layout.facts_seed()]).collect();
    let there = layout.fs.list(&layout.facts()).unwrap_or_default();
    for entry in there.into_iter().filter(|entry| !used.contains(&entry.path)) {
        // Facts that stay do no harm: each says to which event file it belongs.
        let _ = layout.remove(&entry.path);
    }
}

/// Reads the rows that are in no file into memory.
fn replay(
    journal: &Journal,
    catalog: &Catalog,
    persisted: &Persisted,
    layout: &Layout,
    state: &mut State,
) -> Result<()> {
    for frame in journal.read(persisted.through()) {
        let frame = frame?;
        let chunk = Chunk::decode(frame.payload).map_err(|error| LakeError::Damaged {
            path: layout.journal(),
            message: format!("frame {} contains no valid events: {error}", frame.sequence),
        })?;
        let chunk = if frame.sequence <= catalog.sequence {
            chunk.filtered(|row| !persisted.holds(frame.sequence, day_of(row.occurred_at)))
        } else {
            chunk
        };
        if chunk.len() == 0 {
            continue;
        }
        let ticket = state.begin_write(chunk.keys().collect(), chunk.size());
        state.complete_write(ticket, Arc::new(chunk), frame.sequence.max(catalog.sequence));
    }
    Ok(())
}
