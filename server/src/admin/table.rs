//! A status as text for people. Pure.

use super::harmless;
use engine::object::{DiskState, DiskStatus, RepairStatus, ScrubStatus, StoreStatus};
use s3api::status::Health;
use std::fmt::Write;

/// Whether the terminal shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    None,
    /// By the escapes of ANSI.
    Ansi,
}

impl Colour {
    /// The text in the colour of a health.
    fn paint(self, health: Health, text: &str) -> String {
        let code = match (self, health) {
            (Self::None, _) => return text.into(),
            (Self::Ansi, Health::Healthy) => 32,
            (Self::Ansi, Health::Degraded) => 33,
            (Self::Ansi, Health::Failing) => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The whole text.
pub fn render(status: &StoreStatus, endpoint: &str, colour: Colour) -> String {
    let health = Health::of(status);
    let word = colour.paint(health, health.word());
    let mut text = format!("{} is {word}\n\n", harmless(endpoint));
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<11} {value}");
    };
    row("margin", margin(status));
    row("service", service(status));
    let (data, parity) = status.geometry;
    row("geometry", format!("{data}+{parity} for new volumes"));
    let (free, total) = (size(status.space.free), size(status.space.total));
    row("space", format!("{free} free of {total} for clients"));
    row(
        "data",
        format!(
            "{} of bodies in {} of segments, {} reclaimable",
            size(status.live_len),
            size(status.segments_len),
            size(status.reclaimable_len)
        ),
    );
    row("repair", repair(&status.repair));
    row("scrub", scrub(&status.scrub));
    text.push_str(&disks(&status.disks, colour));
    text.push_str(&volumes(status));
    text
}

fn margin(status: &StoreStatus) -> String {
    let full = status.margin_full;
    match status.margin {
        None => format!("none of {full}: something cannot be read just now"),
        Some(0) if full == 0 => "none: a lost disk is lost data".into(),
        Some(0) => format!("0 of {full}: the next lost disk may be lost data"),
        Some(1) => format!("1 of {full}: one more disk may be lost"),
        Some(margin) => format!("{margin} of {full}: {margin} more disks may be lost"),
    }
}

fn service(status: &StoreStatus) -> String {
    let reads = if status.readable { "reads are served" } else { "reads are NOT served" };
    let writes = if status.writable { "acknowledged" } else { "NOT acknowledged" };
    format!("{reads}, writes are {writes}")
}

fn repair(repair: &RepairStatus) -> String {
    let mut text = match repair.volumes_left {
        0 => "nothing to heal".to_owned(),
        count => {
            let volumes = counted(count, "volume");
            let left = remaining(repair.eta_s);
            format!("{volumes} to heal, {} to write, {left}", size(repair.left_len))
        }
    };
    let has_healed = repair.members_rebuilt > 0 || repair.records_rewritten > 0;
    if has_healed {
        let (members, records) = (
            counted(repair.members_rebuilt, "member"),
            counted(repair.records_rewritten, "record"),
        );
        let (rebuilt, moved) = (size(repair.rebuilt_len), size(repair.moved_len));
        let _ = write!(
            text,
            "\n            since the start: {members} rebuilt ({rebuilt}, {moved} moved), \
             {records} rewritten"
        );
    }
    text
}

fn scrub(scrub: &ScrubStatus) -> String {
    let rounds = counted(scrub.rounds, "round");
    let mut text = match (scrub.round_len, scrub.read_len) {
        (0, _) => format!("no round under way; {rounds} since the start"),
        (round, read) => {
            let percent = u128::from(read.min(round)) * 100 / u128::from(round);
            let left = remaining(scrub.eta_s);
            format!("{percent}% of {}, {left}; {rounds} since the start", size(round))
        }
    };
    if scrub.damaged > 0 || scrub.missing > 0 {
        let (damaged, missing) = (counted(scrub.damaged, "record"), scrub.missing);
        let _ = write!(text, "\n            {damaged} found damaged, {missing} missing extents");
    }
    text
}

/// Columns of a disk's line, without its reason.
fn disk_cells(disk: &DiskStatus) -> [String; 7] {
    let place = if disk.place.is_empty() {
        format!("({})", disk.disk_id.get(..8).unwrap_or(&disk.disk_id))
    } else {
        disk.place.clone()
    };
    let used = disk.space.total.saturating_sub(disk.space.free);
    let is_measured = disk.space.total > 0;
    let used = if is_measured {
        format!("{} of {}", size(used), size(disk.space.total))
    } else {
        "-".into()
    };
    [
        harmless(&place),
        disk.state.word().into(),
        if disk.is_leg { "yes" } else { "-" }.into(),
        used,
        disk.segments.to_string(),
        disk.errors.to_string(),
        disk.rot.to_string(),
    ]
}

fn disks(disks: &[DiskStatus], colour: Colour) -> String {
    if disks.is_empty() {
        return String::new();
    }
    let head = ["DISK", "STATE", "METADATA", "USED", "SEGMENTS", "ERRORS", "ROT"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(disks.iter().map(disk_cells));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::from("\n");
    for (index, row) in rows.iter().enumerate() {
        let disk = index.checked_sub(1).map(|index| &disks[index]);
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let is_number = column > 2;
            let cell =
                if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            let cell = match disk {
                Some(disk) if column == 1 => colour.paint(health_of(disk), &cell),
                _ => cell,
            };
            line.push_str(&cell);
            line.push_str("  ");
        }
        line.push_str(&disk.map(|disk| harmless(&disk.reason)).unwrap_or_default());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn health_of(disk: &DiskStatus) -> Health {
    match disk.state {
        DiskState::Healthy => Health::Healthy,
        DiskState::Suspect | DiskState::ReadOnly => Health::Degraded,
        DiskState::Absent | DiskState::Refused => Health::Failing,
    }
}

fn volumes(status: &StoreStatus) -> String {
    if status.volumes.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n VOLUMES  MARGIN            SIZE\n");
    for volumes in &status.volumes {
        let margin = volumes.margin.map_or("unreadable".to_owned(), |margin| margin.to_string());
        let note = if volumes.is_degraded { "  degraded" } else { "" };
        let (count, len) = (volumes.count, size(volumes.len));
        let _ = writeln!(text, "{count:>8}  {margin:<10}  {len:>10}{note}");
    }
    text
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Bytes in the largest unit that leaves a number before the point; the digit behind it is cut off,
/// not rounded, so that nothing is told larger than it is.
fn size(len: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if len < 1024 {
        return format!("{len} B");
    }
    let power = (len.ilog2() / 10) as usize;
    let tenths = (u128::from(len) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power - 1])
}

/// How long something takes on, as far as anybody knows.
fn remaining(seconds: Option<u64>) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        None => "time left unknown".into(),
        Some(seconds @ 0..MINUTE) => format!("about {seconds} s left"),
        Some(seconds @ MINUTE..HOUR) => format!("about {} min left", seconds / MINUTE),
        Some(seconds) if seconds < 2 * DAY => {
            format!("about {} h {} min left", seconds / HOUR, seconds % HOUR / MINUTE)
        }
        Some(seconds) => format!("about {} days left", seconds / DAY),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use engine::object::{DiskSpace, VolumesAtMargin};

    const GIB: u64 = 1 << 30;

    fn disk(place: &str, free: u64) -> DiskStatus {
        DiskStatus {
            place: place.into(),
            disk_id: "00112233445566778899aabbccddeeff".into(),
            space: DiskSpace { total: 1024 * GIB, free },
            segments: 12,
            is_leg: true,
            ..DiskStatus::default()
        }
    }

    /// A store of four disks, of which one turned read-only and one is gone.
    pub fn degraded() -> StoreStatus {
        let read_only = DiskStatus {
            state: DiskState::ReadOnly,
            reason: "takes no writes".into(),
            errors: 3,
            rot: 1,
            is_leg: false,
            ..disk("/m/d 2", 500 * GIB)
        };
        let absent = DiskStatus {
            state: DiskState::Absent,
            reason: "not there\u{1b}[2J".into(),
            space: DiskSpace::default(),
            is_leg: false,
            ..disk("", 0)
        };
        let at =
            |margin, count, len, is_degraded| VolumesAtMargin { margin, count, len, is_degraded };
        StoreStatus {
            readable: true,
            writable: true,
            space: DiskSpace { total: 2 << 40, free: 1 << 40 },
            metrics: Vec::new(),
            margin: Some(1),
            margin_full: 2,
            geometry: (2, 2),
            disks: vec![disk("/d1", 1000 * GIB), read_only, disk("/d3", 1023 * GIB), absent],
            volumes: vec![at(Some(1), 3, 300 * GIB, true), at(Some(2), 12, 1280 * GIB, false)],
            repair: RepairStatus {
                volumes_left: 3,
                left_len: 12 * GIB,
                rebuilt_len: 3 * GIB,
                moved_len: 12 * GIB,
                members_rebuilt: 7,
                records_rewritten: 1,
                eta_s: Some(200),
            },
            scrub: ScrubStatus {
                read_len: 13 * GIB,
                round_len: 40 * GIB,
                rounds: 2,
                damaged: 2,
                missing: 0,
                eta_s: Some(8000),
            },
            reclaimable_len: 3 * GIB,
            live_len: 800 * GIB,
            segments_len: 1580 * GIB,
        }
    }

    #[test]
    fn degraded_store_is_shown_with_all_that_is_amiss() {
        let expected = "\
http://127.0.0.1:9000 is degraded

margin      1 of 2: one more disk may be lost
service     reads are served, writes are acknowledged
geometry    2+2 for new volumes
space       1.0 TiB free of 2.0 TiB for clients
data        800.0 GiB of bodies in 1.5 TiB of segments, 3.0 GiB reclaimable
repair      3 volumes to heal, 12.0 GiB to write, about 3 min left
            since the start: 7 members rebuilt (3.0 GiB, 12.0 GiB moved), 1 record rewritten
scrub       32% of 40.0 GiB, about 2 h 13 min left; 2 rounds since the start
            2 records found damaged, 0 missing extents

DISK        STATE      METADATA                  USED  SEGMENTS  ERRORS  ROT
/d1         healthy    yes        24.0 GiB of 1.0 TiB        12       0    0
/m/d 2      read-only  -         524.0 GiB of 1.0 TiB        12       3    1  takes no writes
/d3         healthy    yes         1.0 GiB of 1.0 TiB        12       0    0
(00112233)  absent     -                            -        12       0    0  not there?[2J

 VOLUMES  MARGIN            SIZE
       3  1            300.0 GiB  degraded
      12  2              1.2 TiB
";
        assert_eq!(render(&degraded(), "http://127.0.0.1:9000", Colour::None), expected);
    }

    #[test]
    fn healthy_store_is_short() {
        let status = StoreStatus {
            readable: true,
            writable: true,
            margin: Some(0),
            geometry: (1, 0),
            space: DiskSpace { total: 1000, free: 999 },
            ..StoreStatus::default()
        };
        let expected = "\
https://[::1]:1 is healthy

margin      none: a lost disk is lost data
service     reads are served, writes are acknowledged
geometry    1+0 for new volumes
space       999 B free of 1000 B for clients
data        0 B of bodies in 0 B of segments, 0 B reclaimable
repair      nothing to heal
scrub       no round under way; 0 rounds since the start
";
        assert_eq!(render(&status, "https://[::1]:1", Colour::None), expected);
    }

    #[test]
    fn failing_store_says_what_fails() {
        let mut status = StoreStatus { margin: None, writable: false, ..degraded() };
        status.volumes =
            vec![VolumesAtMargin { margin: None, count: 1, len: 1 << 20, is_degraded: true }];
        let text = render(&status, "http://a", Colour::None);
        for line in [
            "http://a is failing",
            "margin      none of 2: something cannot be read just now",
            "service     reads are served, writes are NOT acknowledged",
            "       1  unreadable     1.0 MiB  degraded",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn colour_changes_no_letter() {
        let plain = render(&degraded(), "http://a", Colour::None);
        let coloured = render(&degraded(), "http://a", Colour::Ansi);
        assert!(coloured.contains("is \u{1b}[33mdegraded\u{1b}[0m\n"), "{coloured}");
        assert!(coloured.contains("  \u{1b}[31mabsent   \u{1b}[0m  "), "{coloured}");
        let mut stripped = coloured;
        for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn sizes_and_times_are_read_at_a_glance() {
        for (len, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (3 << 40, "3.0 TiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(len), text);
        }
        for (seconds, text) in [
            (0, "about 0 s left"),
            (59, "about 59 s left"),
            (60, "about 1 min left"),
            (3600, "about 1 h 0 min left"),
            (172_800, "about 2 days left"),
        ] {
            assert_eq!(remaining(Some(seconds)), text);
        }
        assert_eq!(remaining(None), "time left unknown");
    }
}
