//! What the health of a store comes to in one word, and all of it as JSON.
//!
//! - J1: a field that is there keeps its name and meaning; new ones may come. `version` grows when
//!   that cannot be kept.
//! - J2: what is not known is `null`, never zero.

use crate::json::{self, JsonWriter};
use engine::object::{
    DiskSpace, DiskState, DiskStatus, RepairStatus, ScrubStatus, StoreStatus, VolumesAtMargin,
};

/// Version of the JSON (J1).
pub const JSON_VERSION: u64 = 1;

/// The health of a store in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Everything is as it should be.
    Healthy,
    /// Everything is served, with less redundancy than there should be.
    Degraded,
    /// Reads, writes, or the bodies of some objects are not to be had.
    Failing,
}

impl Health {
    /// What a status comes to.
    pub fn of(status: &StoreStatus) -> Self {
        // Without a margin something is beyond repair just now.
        if !status.readable || !status.writable || status.margin.is_none() {
            return Self::Failing;
        }
        let is_degraded = status.margin < Some(status.margin_full)
            || status.disks.iter().any(|disk| disk.state != DiskState::Healthy)
            || status.volumes.iter().any(|volumes| volumes.is_degraded)
            || status.repair.volumes_left > 0
            || status.scrub.missing > 0;
        if is_degraded { Self::Degraded } else { Self::Healthy }
    }

    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// The whole status as one line of JSON.
pub fn to_json(status: &StoreStatus) -> String {
    json::document(|json| {
        json.number("version", JSON_VERSION);
        json.text("health", Health::of(status).word());
        json.flag("readable", status.readable);
        json.flag("writable", status.writable);
        json.number_if("margin", status.margin.map(u64::from));
        json.number("margin_full", status.margin_full.into());
        json.object("geometry", |json| {
            json.number("data", status.geometry.0.into());
            json.number("parity", status.geometry.1.into());
        });
        json.object("space", |json| space(json, status.space));
        json.number("live_bytes", status.live_len);
        json.number("segments_bytes", status.segments_len);
        json.number("reclaimable_bytes", status.reclaimable_len);
        json.list("disks", &status.disks, disk);
        json.list("volumes", &status.volumes, volumes);
        json.object("repair", |json| repair(json, &status.repair));
        json.object("scrub", |json| scrub(json, &status.scrub));
        json.object("metrics", |json| {
            for (name, _, value) in &status.metrics {
                json.number(name, *value);
            }
        });
    })
}

fn space(json: &mut JsonWriter, space: DiskSpace) {
    json.number("total_bytes", space.total);
    json.number("free_bytes", space.free);
}

fn disk(json: &mut JsonWriter, disk: &DiskStatus) {
    json.text("place", &disk.place);
    json.text("disk_id", &disk.disk_id);
    json.text("state", disk.state.word());
    json.text("reason", &disk.reason);
    json.flag("has_metadata", disk.is_leg);
    json.object("space", |json| space(json, disk.space));
    json.number("segments", disk.segments);
    json.number("errors", disk.errors);
    json.number("rot", disk.rot);
}

fn volumes(json: &mut JsonWriter, volumes: &VolumesAtMargin) {
    json.number_if("margin", volumes.margin.map(u64::from));
    json.number("count", volumes.count);
    json.number("bytes", volumes.len);
    json.flag("degraded", volumes.is_degraded);
}

fn repair(json: &mut JsonWriter, repair: &RepairStatus) {
    json.number("volumes_left", repair.volumes_left);
    json.number("left_bytes", repair.left_len);
    json.number("rebuilt_bytes", repair.rebuilt_len);
    json.number("moved_bytes", repair.moved_len);
    json.number("members_rebuilt", repair.members_rebuilt);
    json.number("records_rewritten", repair.records_rewritten);
    json.number_if("eta_seconds", repair.eta_s);
}

fn scrub(json: &mut JsonWriter, scrub: &ScrubStatus) {
    json.number("read_bytes", scrub.read_len);
    json.number("round_bytes", scrub.round_len);
    json.number("rounds", scrub.rounds);
    json.number("damaged", scrub.damaged);
    json.number("missing", scrub.missing);
    json.number_if("eta_seconds", scrub.eta_s);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> StoreStatus {
        StoreStatus {
            readable: true,
            writable: true,
            margin: Some(2),
            margin_full: 2,
            geometry: (4, 2),
            disks: vec![DiskStatus { place: "/d1".into(), ..DiskStatus::default() }],
            ..StoreStatus::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut StoreStatus), expected: Health) {
        let mut status = healthy();
        change(&mut status);
        assert_eq!(Health::of(&status), expected);
    }

    #[test]
    fn anything_amiss_is_told() {
        use Health::{Degraded, Failing, Healthy};
        check(|_| {}, Healthy);
        check(|status| status.scrub.damaged = 3, Healthy);
        check(|status| status.margin = Some(1), Degraded);
        check(|status| status.disks[0].state = DiskState::Suspect, Degraded);
        check(|status| status.repair.volumes_left = 1, Degraded);
        check(|status| status.scrub.missing = 1, Degraded);
        let volumes = VolumesAtMargin { is_degraded: true, ..VolumesAtMargin::default() };
        check(|status| status.volumes.push(volumes), Degraded);
        check(|status| status.writable = false, Failing);
        check(|status| status.readable = false, Failing);
        check(|status| status.margin = None, Failing);
    }

    #[test]
    fn json_has_every_field_and_null_for_what_is_unknown() {
        let mut status = healthy();
        status.margin = None;
        status.disks[0].reason = "a \"reason\"".into();
        status.volumes.push(VolumesAtMargin { margin: Some(1), count: 7, ..Default::default() });
        status.repair.eta_s = Some(60);
        status.metrics.push(("stave_x_total", "X.", 3));
        assert_eq!(
            to_json(&status),
            "{\"version\":1,\"health\":\"failing\",\"readable\":true,\"writable\":true,\
             \"margin\":null,\"margin_full\":2,\"geometry\":{\"data\":4,\"parity\":2},\
             \"space\":{\"total_bytes\":0,\"free_bytes\":0},\"live_bytes\":0,\
             \"segments_bytes\":0,\"reclaimable_bytes\":0,\"disks\":[{\"place\":\"/d1\",\
             \"disk_id\":\"\",\"state\":\"healthy\",\"reason\":\"a \\\"reason\\\"\",\
             \"has_metadata\":false,\"space\":{\"total_bytes\":0,\"free_bytes\":0},\
             \"segments\":0,\"errors\":0,\"rot\":0}],\"volumes\":[{\"margin\":1,\"count\":7,\
             \"bytes\":0,\"degraded\":false}],\"repair\":{\"volumes_left\":0,\"left_bytes\":0,\
             \"rebuilt_bytes\":0,\"moved_bytes\":0,\"members_rebuilt\":0,\
             \"records_rewritten\":0,\"eta_seconds\":60},\"scrub\":{\"read_bytes\":0,\
             \"round_bytes\":0,\"rounds\":0,\"damaged\":0,\"missing\":0,\"eta_seconds\":null},\
             \"metrics\":{\"stave_x_total\":3}}"
        );
    }
}
