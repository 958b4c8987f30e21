//! The small files of a disk: identity, roster, manifest.

use super::report::{Report, hex64, hex128};
use crate::config::Detail;
use engine::format::identity::Identity;
use engine::format::manifest::{Manifest, VolumeEntry};
use engine::format::roster::Roster;

/// Where rosters and manifests name their store.
const DEPLOYMENT_ID: std::ops::Range<usize> = 16..32;

/// Looks at an identity.
pub fn check_identity(report: &mut Report<'_>, bytes: &[u8]) -> Option<Identity> {
    match Identity::decode(bytes) {
        Ok(identity) => {
            let fields = [
                ("deployment_id", hex128(identity.deployment_id)),
                ("disk_id", hex128(identity.disk_id)),
            ];
            report.item(Detail::Items, "identity", &fields);
            Some(identity)
        }
        Err(error) => {
            report.damage(0, &error.to_string());
            None
        }
    }
}

/// The store that a roster or manifest names, to be believed once its checksum holds.
fn named_store(report: &mut Report<'_>, bytes: &[u8], expected: Option<u128>) -> Option<u128> {
    let named = bytes.get(DEPLOYMENT_ID).and_then(|bytes| bytes.try_into().ok());
    let Some(named) = named.map(u128::from_le_bytes) else {
        report.damage(0, "too short");
        return None;
    };
    if expected.is_some_and(|expected| expected != named) {
        report.damage(DEPLOYMENT_ID.start as u64, "it names another store than the disk does");
    }
    Some(named)
}

/// Looks at a roster; `expected` is the disk that it should be of.
pub fn check_roster(
    report: &mut Report<'_>,
    bytes: &[u8],
    expected: Option<Identity>,
) -> Option<(Identity, Roster)> {
    let (identity, roster) = match Roster::decode(bytes) {
        Ok(decoded) => decoded,
        Err(error) => {
            report.damage(0, &error.to_string());
            return None;
        }
    };
    if expected.is_some_and(|expected| expected != identity) {
        report.damage(DEPLOYMENT_ID.start as u64, "it was written to another disk");
    }
    let fields = [
        ("epoch", roster.epoch.into()),
        ("parity", roster.parity.into()),
        ("disks", roster.disks.len().into()),
        ("deployment_id", hex128(identity.deployment_id)),
        ("disk_id", hex128(identity.disk_id)),
    ];
    report.item(Detail::Items, "roster", &fields);
    for disk in &roster.disks {
        let fields = [
            ("number", disk.number.0.into()),
            ("disk_id", hex128(disk.disk_id)),
            ("active", disk.is_active.into()),
            ("metadata", disk.is_leg.into()),
            ("place", disk.place.as_str().into()),
        ];
        report.item(Detail::Items, "disk", &fields);
    }
    Some((identity, roster))
}

/// Looks at a manifest; `expected` is the store that it should be of.
pub fn check_manifest(
    report: &mut Report<'_>,
    bytes: &[u8],
    expected: Option<u128>,
) -> Option<Manifest> {
    let deployment_id = named_store(report, bytes, expected)?;
    let manifest = match Manifest::decode(bytes, deployment_id) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.damage(0, &error.to_string());
            return None;
        }
    };
    let fields = [
        ("sequence", manifest.sequence.into()),
        ("journal_generation", hex64(manifest.journal_generation)),
        ("checkpoint", manifest.checkpoint.into()),
        ("runs", manifest.runs.len().into()),
        ("volumes", manifest.volumes.len().into()),
        ("deployment_id", hex128(deployment_id)),
    ];
    report.item(Detail::Items, "manifest", &fields);
    for run in &manifest.runs {
        report.item(Detail::Items, "run", &[("id", hex64(*run))]);
    }
    for entry in &manifest.volumes {
        show_volume(report, &manifest, entry);
    }
    Some(manifest)
}

fn show_volume(report: &mut Report<'_>, manifest: &Manifest, entry: &VolumeEntry) {
    let usage = manifest.usage.iter().find(|(id, _)| *id == entry.id).map(|(_, usage)| usage);
    let members: Vec<String> = entry
        .members
        .iter()
        .map(|member| {
            let damaged = if member.is_damaged { "!" } else { "" };
            format!("{}@{}{damaged}", member.disk.0, member.epoch)
        })
        .collect();
    let fields = [
        ("id", hex64(entry.id.0)),
        ("geometry", entry.geometry.to_string().into()),
        ("epoch", entry.epoch.into()),
        ("sealed_len", entry.sealed_len.into()),
        ("members", members.join(",").into()),
        ("live_len", usage.map(|usage| usage.live_len).into()),
        ("fenced", usage.map(|usage| usage.is_fenced).into()),
    ];
    report.item(Detail::Items, "volume", &fields);
}
