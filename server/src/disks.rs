//! Whose disks lie in the directories, asked before anything is written: a start that must be
//! refused is refused here.
//!
//! - D1: every directory that was given is handed to the store, also one that is not there: it is
//!   shown as absent, and taken in when it comes. Only what another process may use is not.
//! - D2: root keys are those of the store's own disks; a disk of another store says nothing.

use crate::places::Places;
use engine::EngineError;
use engine::disks::DiskAt;
use engine::disks::recognise::{Plan, Role, decide, look_at_all};
use engine::env::real::{DiskThreads, RealDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The disks of a start, and what is known of them.
pub struct Recognised {
    /// What to open.
    pub disks: Vec<DiskAt>,
    /// Their threads: what was asked of a disk may still be under way when nobody waits for it.
    pub threads: Vec<DiskThreads>,
    /// The directories of the store, or those that it begins on: where its root keys belong.
    pub homes: Vec<PathBuf>,
    /// Whether the store begins now.
    pub is_new: bool,
}

/// Looks at the directories and changes nothing.
///
/// # Errors
/// One line: why no store can be served.
pub async fn recognise(dirs: &[PathBuf], places: &Places) -> Result<Recognised, String> {
    let watched: Vec<&PathBuf> = dirs.iter().filter(|dir| places.may_watch(dir)).collect();
    let disks = watched.iter().map(|dir| disk_at(dir)).collect::<Result<Vec<_>, _>>()?;
    let (disks, threads): (Vec<_>, Vec<_>) = disks.into_iter().unzip();
    let decided = decide(&look_at_all(disks.clone()).await);
    let plan = decided.map_err(|error| refusal(dirs, places, &error))?;
    let held = places.dirs();
    let homes = watched
        .into_iter()
        .zip(&plan.roles)
        .filter(|(dir, role)| is_home(role, &plan) && held.contains(&dir.as_path()))
        .map(|(dir, _)| dir.clone())
        .collect();
    Ok(Recognised { disks, threads, homes, is_new: plan.roster.disks.is_empty() })
}

fn disk_at(dir: &Path) -> Result<(DiskAt, DiskThreads), String> {
    let place = dir.to_string_lossy().into_owned();
    let disk = RealDisk::at(dir).map_err(|error| format!("cannot serve {place}: {error}"))?;
    let threads = disk.threads();
    Ok((DiskAt { place, disk: Arc::new(disk) }, threads))
}

/// A blank disk that joins a store has no keys of it yet.
fn is_home(role: &Role, plan: &Plan) -> bool {
    match role {
        Role::Member { .. } | Role::Returning { .. } | Role::Newcomer(Some(_)) => true,
        Role::Newcomer(None) => plan.roster.disks.is_empty(),
        Role::Unused(..) => false,
    }
}

fn refusal(dirs: &[PathBuf], places: &Places, error: &EngineError) -> String {
    let shown: Vec<_> = dirs.iter().map(|dir| dir.to_string_lossy()).collect();
    let reason = match error {
        EngineError::Foreign(reason) => reason.clone(),
        error => error.to_string(),
    };
    let gaps: Vec<_> = places.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    let gaps = if gaps.is_empty() { String::new() } else { format!(" ({})", gaps.join("; ")) };
    format!("no store can be served from {}: {reason}{gaps}", shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files, places};

    /// Recognises the disks `names` below a root, some of which were made before.
    #[track_caller]
    fn recognised(root: &Path, names: &[&str]) -> Result<Recognised, String> {
        let dirs: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
        let places = places::take(&dirs)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(recognise(&dirs, &places))
    }

    #[test]
    fn new_store_has_its_keys_on_all_disks() {
        let root = tempfile::tempdir().unwrap();
        let found = recognised(root.path(), &["a", "b"]).unwrap();
        assert_eq!(found.homes, [root.path().join("a"), root.path().join("b")]);
        assert!(found.is_new && found.disks.len() == 2);
    }

    #[test]
    fn refusal_says_why_and_names_the_directories() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            files::create_dir_durably(&root.path().join(name)).unwrap();
        }
        files::write_secret(&root.path().join("b/photo"), "").unwrap();
        let line = recognised(root.path(), &["a", "b"]).err().unwrap();
        assert!(line.contains("b: it has no stave.disk but holds other files (photo)"), "{line}");
        assert!(line.starts_with("no store can be served from /"), "{line}");
    }
}
