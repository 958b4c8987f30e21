//! What the store tells of itself, as metrics: our own names, and those of MinIO whose meaning is
//! the same here, which existing dashboards and alerts ask for.
//!
//! - S1: a margin that there is not is told as -1, not left out: an alert on `stave_margin < 1`
//!   must not fall silent when it matters most.
//! - S2: an estimate that there is not is left out.

use super::text::{Text, kind_of, labels};
use crate::status::Health;
use engine::object::{DiskState, DiskStatus, StoreStatus, VolumesAtMargin};

/// Every state of a disk, so that none is left out of the counts.
const DISK_STATES: [DiskState; 5] = [
    DiskState::Healthy,
    DiskState::Suspect,
    DiskState::ReadOnly,
    DiskState::Absent,
    DiskState::Refused,
];

/// Name, meaning, value.
type Figure = (&'static str, &'static str, u64);

/// A figure of each disk.
type DiskFigure = (&'static str, &'static str, fn(&DiskStatus) -> u64);

/// A figure of volumes.
type VolumesFigure = (&'static str, &'static str, fn(&VolumesAtMargin) -> u64);

/// Writes all of it.
pub(super) fn render(text: &mut Text, store: Option<&StoreStatus>) {
    text.single("stave_store_up", "Whether the store tells its status.", store.is_some().into());
    let Some(store) = store else {
        return;
    };
    singles(text, &service(store));
    singles(text, &store.metrics);
    redundancy(text, store);
    disks(text, &store.disks);
    volumes(text, store);
    singles(text, &healing(store));
    estimates(text, store);
    minio(text, store);
}

fn singles(text: &mut Text, figures: &[Figure]) {
    for (name, help, value) in figures {
        text.single(name, help, *value);
    }
}

fn service(store: &StoreStatus) -> [Figure; 7] {
    [
        ("stave_store_readable", "Whether reads are served.", store.readable.into()),
        ("stave_store_writable", "Whether writes are acknowledged.", store.writable.into()),
        ("stave_store_total_bytes", "Room for clients in all.", store.space.total),
        ("stave_store_free_bytes", "Room for clients that is left.", store.space.free),
        ("stave_store_live_bytes", "Bodies in volumes that something refers to.", store.live_len),
        ("stave_store_segments_bytes", "All segments on all disks.", store.segments_len),
        ("stave_store_reclaimable_bytes", "What reclaim will free.", store.reclaimable_len),
    ]
}

fn redundancy(text: &mut Text, store: &StoreStatus) {
    let help = "Disks that may still be lost before anything acknowledged suffers; -1: something \
                is beyond repair just now.";
    text.family("stave_margin", "gauge", help);
    let margin = store.margin.map_or_else(|| "-1".to_owned(), |margin| margin.to_string());
    text.line("stave_margin", "", &margin);
    let help = "That margin once everything is healed.";
    text.single("stave_margin_full", help, store.margin_full.into());
    let name = "stave_geometry_columns";
    text.family(name, "gauge", "Columns of new volumes.");
    text.sample(name, "kind=\"data\"", store.geometry.0.into());
    text.sample(name, "kind=\"parity\"", store.geometry.1.into());
}

fn disks(text: &mut Text, disks: &[DiskStatus]) {
    text.family("stave_disks", "gauge", "Disks by state.");
    for state in DISK_STATES {
        let count = disks.iter().filter(|disk| disk.state == state).count();
        text.sample("stave_disks", &labels(&[("state", state.word())]), count as u64);
    }
    text.family("stave_disk_state", "gauge", "The state that each disk is in.");
    for disk in disks {
        let labels = labels(&[
            ("place", &disk.place),
            ("disk_id", &disk.disk_id),
            ("state", disk.state.word()),
        ]);
        text.sample("stave_disk_state", &labels, 1);
    }
    let figures: [DiskFigure; 6] = [
        ("stave_disk_total_bytes", "Size of the disk.", |disk| disk.space.total),
        ("stave_disk_free_bytes", "Room on the disk.", |disk| disk.space.free),
        ("stave_disk_segments", "Members of volumes on the disk.", |disk| disk.segments),
        ("stave_disk_metadata", "Whether it holds a copy of the metadata.", |disk| {
            disk.is_leg.into()
        }),
        ("stave_disk_errors_total", "Operations that failed since the start.", |disk| disk.errors),
        ("stave_disk_rot_total", "Reads that gave damaged bytes since the start.", |disk| disk.rot),
    ];
    for (name, help, value) in figures {
        text.family(name, kind_of(name), help);
        for disk in disks {
            let labels = labels(&[("place", &disk.place), ("disk_id", &disk.disk_id)]);
            text.sample(name, &labels, value(disk));
        }
    }
}

fn volumes(text: &mut Text, store: &StoreStatus) {
    let families: [VolumesFigure; 2] = [
        ("stave_volumes_at_margin", "Volumes by how many more members they may lose.", |it| {
            it.count
        }),
        ("stave_volumes_at_margin_bytes", "Bytes of their segments.", |it| it.len),
    ];
    for (name, help, value) in families {
        text.family(name, "gauge", help);
        for volumes in &store.volumes {
            let margin = volumes.margin.map_or("-1".to_owned(), |margin| margin.to_string());
            let is_degraded = if volumes.is_degraded { "true" } else { "false" };
            let labels = labels(&[("margin", &margin), ("degraded", is_degraded)]);
            text.sample(name, &labels, value(volumes));
        }
    }
}

fn healing(store: &StoreStatus) -> [Figure; 11] {
    let (repair, scrub) = (&store.repair, &store.scrub);
    [
        ("stave_repair_volumes_left", "Volumes that wait to be healed.", repair.volumes_left),
        ("stave_repair_left_bytes", "Bytes to be written for them.", repair.left_len),
        ("stave_repair_rebuilt_bytes_total", "Bytes rebuilt.", repair.rebuilt_len),
        ("stave_repair_moved_bytes_total", "Bytes read and written for it.", repair.moved_len),
        ("stave_repair_members_total", "Members of volumes rebuilt.", repair.members_rebuilt),
        ("stave_repair_records_total", "Records rewritten in place.", repair.records_rewritten),
        ("stave_scrub_read_bytes", "Bytes of this round that were read.", scrub.read_len),
        ("stave_scrub_round_bytes", "Bytes of the whole round.", scrub.round_len),
        ("stave_scrub_rounds_total", "Rounds completed.", scrub.rounds),
        ("stave_scrub_damaged_total", "Records found damaged or missing.", scrub.damaged),
        ("stave_scrub_missing", "Extents that no volume holds: lost bodies.", scrub.missing),
    ]
}

fn estimates(text: &mut Text, store: &StoreStatus) {
    let figures = [
        ("stave_repair_eta_seconds", "Until everything is healed.", store.repair.eta_s),
        ("stave_scrub_eta_seconds", "Until the round is done.", store.scrub.eta_s),
    ];
    for (name, help, value) in figures {
        if let Some(value) = value {
            text.single(name, help, value);
        }
    }
}

/// The names of MinIO. There, a drive is online that can be used; here, one that is read.
fn minio(text: &mut Text, store: &StoreStatus) {
    let is_online = |disk: &DiskStatus| {
        matches!(disk.state, DiskState::Healthy | DiskState::Suspect | DiskState::ReadOnly)
    };
    let total = store.disks.len() as u64;
    let online = store.disks.iter().filter(|disk| is_online(disk)).count() as u64;
    let raw = |value: fn(&DiskStatus) -> u64| store.disks.iter().map(value).sum::<u64>();
    let is_served = Health::of(store) != Health::Failing;
    let figures: [Figure; 13] = [
        ("minio_cluster_capacity_raw_total_bytes", "Size of disks.", raw(|it| it.space.total)),
        ("minio_cluster_capacity_raw_free_bytes", "Room on disks.", raw(|it| it.space.free)),
        ("minio_cluster_capacity_usable_total_bytes", "Room for clients.", store.space.total),
        ("minio_cluster_capacity_usable_free_bytes", "Room that is left.", store.space.free),
        ("minio_cluster_drive_total", "Drives.", total),
        ("minio_cluster_drive_online_total", "Drives that are read.", online),
        ("minio_cluster_drive_offline_total", "Drives that are not.", total - online),
        ("minio_cluster_health_status", "1 while everything is served.", is_served.into()),
        ("minio_cluster_nodes_online_total", "Nodes that answer.", 1),
        ("minio_cluster_nodes_offline_total", "Nodes that do not.", 0),
        ("minio_node_drive_total", "Drives.", total),
        ("minio_node_drive_online_total", "Drives that are read.", online),
        ("minio_node_drive_offline_total", "Drives that are not.", total - online),
    ];
    for (name, help, value) in figures {
        // Gauges, whatever their names end in: so it is there.
        text.family(name, "gauge", help);
        text.sample(name, "", value);
    }
    let figures: [(DiskFigure, &str); 4] = [
        (("minio_node_drive_total_bytes", "Size.", |disk| disk.space.total), "gauge"),
        (("minio_node_drive_free_bytes", "Room.", |disk| disk.space.free), "gauge"),
        (
            ("minio_node_drive_used_bytes", "What is taken.", |disk| {
                disk.space.total.saturating_sub(disk.space.free)
            }),
            "gauge",
        ),
        (("minio_node_drive_errors_ioerror", "Failures.", |disk| disk.errors), "counter"),
    ];
    for ((name, help, value), kind) in figures {
        text.family(name, kind, help);
        for disk in store.disks.iter().filter(|disk| !disk.place.is_empty()) {
            text.sample(name, &labels(&[("drive", &disk.place)]), value(disk));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::object::DiskSpace;

    fn status() -> StoreStatus {
        let space = DiskSpace { total: 1000, free: 400 };
        let disk = |place: &str, state| DiskStatus {
            place: place.into(),
            disk_id: "id".into(),
            state,
            space,
            errors: 2,
            ..DiskStatus::default()
        };
        let volumes = VolumesAtMargin { margin: Some(1), count: 7, len: 70, is_degraded: true };
        let lost = VolumesAtMargin { margin: None, count: 1, len: 3, is_degraded: true };
        let mut status = StoreStatus {
            readable: true,
            writable: true,
            space: DiskSpace { total: 500, free: 200 },
            margin: Some(1),
            margin_full: 2,
            geometry: (4, 2),
            disks: vec![
                disk("/d 1", DiskState::Healthy),
                disk("/d\"2", DiskState::ReadOnly),
                disk("", DiskState::Absent),
            ],
            volumes: vec![lost, volumes],
            ..StoreStatus::default()
        };
        status.repair.eta_s = Some(90);
        status
    }

    fn text_of(status: &StoreStatus) -> String {
        let mut text = Text(String::new());
        render(&mut text, Some(status));
        text.0
    }

    #[test]
    fn everything_that_the_status_tells_is_a_metric() {
        let text = text_of(&status());
        for line in [
            "stave_margin 1",
            "stave_margin_full 2",
            "stave_geometry_columns{kind=\"parity\"} 2",
            "stave_disks{state=\"healthy\"} 1",
            "stave_disks{state=\"read-only\"} 1",
            "stave_disks{state=\"suspect\"} 0",
            "stave_disk_state{place=\"/d\\\"2\",disk_id=\"id\",state=\"read-only\"} 1",
            "stave_disk_free_bytes{place=\"/d 1\",disk_id=\"id\"} 400",
            "# TYPE stave_disk_errors_total counter",
            "stave_volumes_at_margin{margin=\"-1\",degraded=\"true\"} 1",
            "stave_volumes_at_margin_bytes{margin=\"1\",degraded=\"true\"} 70",
            "stave_repair_eta_seconds 90",
            "stave_scrub_rounds_total 0",
            "minio_cluster_drive_online_total 2",
            "minio_cluster_drive_offline_total 1",
            "minio_cluster_capacity_usable_free_bytes 200",
            "minio_cluster_health_status 1",
            "minio_node_drive_used_bytes{drive=\"/d 1\"} 600",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("scrub_eta"), "S2");
        assert!(!text.contains("drive=\"\""), "a disk that is nowhere is no drive");
    }

    #[test]
    fn a_lost_margin_is_told_and_not_left_out() {
        let text = text_of(&StoreStatus { margin: None, ..status() });
        assert!(text.contains("\nstave_margin -1\n"), "S1: {text}");
        assert!(text.contains("\nminio_cluster_health_status 0\n"), "{text}");
    }

    #[test]
    fn every_family_is_described_once_and_has_its_samples_below_it() {
        let text = text_of(&status());
        let mut families = std::collections::BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap();
                assert!(families.insert(family), "{family} twice");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, family, "{line}");
            }
        }
    }
}
