//! What a server answered, back from JSON to the structure that it was made of.
//!
//! Fields that are new are passed over; what is missing, or is not what it should be, is an error:
//! a status that was guessed would be worse than none.

use engine::object::{
    DiskSpace, DiskState, DiskStatus, RepairStatus, ScrubStatus, StoreStatus, VolumesAtMargin,
};
use s3api::status::JSON_VERSION;
use serde_json::Value;

/// States that the JSON may name.
const STATES: [DiskState; 5] = [
    DiskState::Healthy,
    DiskState::Suspect,
    DiskState::ReadOnly,
    DiskState::Absent,
    DiskState::Refused,
];

/// Reads a status. Its named metrics are left out: nothing here shows them.
///
/// # Errors
/// One line.
pub fn parse(text: &str) -> Result<StoreStatus, String> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("the server's answer is no JSON: {error}"))?;
    let root = Fields { value: &value };
    let version = root.number("version")?;
    if version != JSON_VERSION {
        return Err(format!(
            "the server's status has version {version}, this is a stave for {JSON_VERSION}: use \
             the server's own"
        ));
    }
    let geometry = root.object("geometry")?;
    Ok(StoreStatus {
        readable: root.flag("readable")?,
        writable: root.flag("writable")?,
        space: space(&root)?,
        metrics: Vec::new(),
        margin: root.number_if("margin")?.map(small).transpose()?,
        margin_full: small(root.number("margin_full")?)?,
        geometry: (small(geometry.number("data")?)?, small(geometry.number("parity")?)?),
        disks: root.list("disks", disk)?,
        volumes: root.list("volumes", volumes)?,
        repair: repair(&root.object("repair")?)?,
        scrub: scrub(&root.object("scrub")?)?,
        reclaimable_len: root.number("reclaimable_bytes")?,
        live_len: root.number("live_bytes")?,
        segments_len: root.number("segments_bytes")?,
    })
}

fn space(fields: &Fields<'_>) -> Result<DiskSpace, String> {
    let space = fields.object("space")?;
    Ok(DiskSpace { total: space.number("total_bytes")?, free: space.number("free_bytes")? })
}

fn disk(disk: &Fields<'_>) -> Result<DiskStatus, String> {
    let (word, reason) = (disk.text("state")?, disk.text("reason")?);
    let known = STATES.into_iter().find(|state| state.word() == word);
    // A state that this program does not know is not a healthy one.
    let (state, reason) = match known {
        Some(state) => (state, reason.to_owned()),
        None => (DiskState::Suspect, format!("{word}: {reason}")),
    };
    Ok(DiskStatus {
        place: disk.text("place")?.to_owned(),
        disk_id: disk.text("disk_id")?.to_owned(),
        state,
        reason,
        is_leg: disk.flag("has_metadata")?,
        space: space(disk)?,
        segments: disk.number("segments")?,
        errors: disk.number("errors")?,
        rot: disk.number("rot")?,
    })
}

fn volumes(volumes: &Fields<'_>) -> Result<VolumesAtMargin, String> {
    Ok(VolumesAtMargin {
        margin: volumes.number_if("margin")?.map(small).transpose()?,
        count: volumes.number("count")?,
        len: volumes.number("bytes")?,
        is_degraded: volumes.flag("degraded")?,
    })
}

fn repair(repair: &Fields<'_>) -> Result<RepairStatus, String> {
    Ok(RepairStatus {
        volumes_left: repair.number("volumes_left")?,
        left_len: repair.number("left_bytes")?,
        rebuilt_len: repair.number("rebuilt_bytes")?,
        moved_len: repair.number("moved_bytes")?,
        members_rebuilt: repair.number("members_rebuilt")?,
        records_rewritten: repair.number("records_rewritten")?,
        eta_s: repair.number_if("eta_seconds")?,
    })
}

fn scrub(scrub: &Fields<'_>) -> Result<ScrubStatus, String> {
    Ok(ScrubStatus {
        read_len: scrub.number("read_bytes")?,
        round_len: scrub.number("round_bytes")?,
        rounds: scrub.number("rounds")?,
        damaged: scrub.number("damaged")?,
        missing: scrub.number("missing")?,
        eta_s: scrub.number_if("eta_seconds")?,
    })
}

fn small<T: TryFrom<u64>>(number: u64) -> Result<T, String> {
    T::try_from(number)
        .map_err(|_| format!("the server's status has a number beyond reason: {number}"))
}

/// The fields of an object.
struct Fields<'a> {
    value: &'a Value,
}

impl<'a> Fields<'a> {
    fn find<T>(&self, name: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T, String> {
        let found = self.value.get(name).and_then(read);
        found.ok_or_else(|| format!("the server's status has no right {name:?}"))
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        self.find(name, Value::as_u64)
    }

    fn number_if(&self, name: &str) -> Result<Option<u64>, String> {
        self.find(name, |value| match value {
            Value::Null => Some(None),
            value => value.as_u64().map(Some),
        })
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        self.find(name, Value::as_bool)
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        self.find(name, Value::as_str)
    }

    fn object(&self, name: &str) -> Result<Self, String> {
        self.find(name, |value| value.is_object().then_some(Self { value }))
    }

    fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Fields<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let items = self.find(name, Value::as_array)?;
        items.iter().map(|value| read(&Fields { value })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::degraded;
    use super::*;
    use s3api::status::to_json;

    #[test]
    fn status_comes_back_as_it_was() {
        let status = degraded();
        assert_eq!(parse(&to_json(&status)).as_ref(), Ok(&status));
        let lost = StoreStatus { margin: None, ..status };
        assert_eq!(parse(&to_json(&lost)).as_ref(), Ok(&lost));
        let empty = StoreStatus::default();
        assert_eq!(parse(&to_json(&empty)).as_ref(), Ok(&empty));
    }

    #[test]
    fn what_is_new_is_passed_over_and_what_is_wrong_is_not() {
        let text = to_json(&degraded());
        let newer = text.replacen("\"readable\"", "\"colour\":[1],\"readable\"", 1);
        assert_eq!(parse(&newer), Ok(degraded()));
        for (from, to, part) in [
            ("\"version\":1", "\"version\":2", "version 2"),
            ("\"readable\":true", "\"readable\":\"yes\"", "readable"),
            ("\"margin\":1", "\"margin\":-1", "margin"),
            ("\"margin\":1", "\"margin\":4294967296", "beyond reason"),
            ("\"margin_full\":", "\"margin_null\":", "margin_full"),
            ("\"parity\":2", "\"parity\":256", "beyond reason"),
            ("\"place\":\"/d1\",", "", "place"),
        ] {
            let line = parse(&text.replacen(from, to, 1)).expect_err(from);
            assert!(line.contains(part) && !line.contains('\n'), "{line}");
        }
        for text in ["", "<xml/>", "[]", "{}", "1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_state_that_is_not_known_is_not_healthy() {
        let text = to_json(&degraded()).replacen("\"healthy\"", "\"on fire\"", 2);
        let disk = parse(&text).expect("a status").disks.remove(0);
        assert_eq!((disk.state, disk.reason.as_str()), (DiskState::Suspect, "on fire: "));
    }
}
