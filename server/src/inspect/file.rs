//! One file by itself: what it is, by its name, else by its content.

use super::report::Report;
use super::{journal, map, run_file, segment, small};
use bytes::Bytes;
use std::path::Path;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Identity,
    Roster,
    Manifest,
    Journal(u64, u32),
    Run,
    Segment,
}

/// How files begin, for those that have lost their name. A journal file cannot be read without it.
const MAGICS: [(&[u8], Kind); 4] = [
    (b"STAVDISK", Kind::Identity),
    (b"STAVROST", Kind::Roster),
    (b"STAVMANI", Kind::Manifest),
    (b"STAVSEGM", Kind::Segment),
];

/// How runs begin their last bytes, and how many those are.
const RUN_END: (&[u8], usize) = (b"STAVRUN0", engine::format::run::FOOTER_LEN);

/// Looks at a file.
pub fn check(report: &mut Report<'_>, path: &Path) {
    report.begin_file(&path.display().to_string());
    let bytes = match map::map(path) {
        Ok(bytes) => bytes,
        Err(error) => return report.unreadable(&error.to_string()),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(kind) = kind_of_name(&name).or_else(|| kind_of_content(&bytes)) else {
        return report.unreadable("neither its name nor its content is that of a file of a store");
    };
    match kind {
        Kind::Identity => {
            small::check_identity(report, &bytes);
        }
        Kind::Roster => {
            small::check_roster(report, &bytes, None);
        }
        Kind::Manifest => {
            small::check_manifest(report, &bytes, None);
        }
        Kind::Journal(generation, number) => {
            let found = journal::scan(report, &bytes, (generation, number));
            journal::check_file(report, &bytes, &found);
        }
        Kind::Run => run_file::check(report, &bytes, run_file::parse_name(&name)),
        Kind::Segment => check_segment(report, &bytes, &name),
    }
}

fn check_segment(report: &mut Report<'_>, bytes: &Bytes, name: &str) {
    let found = segment::check(report, bytes, None);
    let expected = segment::parse_name(name);
    if let (Some(segment), Some(expected)) = (found, expected)
        && (segment.seal.volume, segment.seal.epoch) != expected
    {
        report.damage(0, "it is another segment than its name says");
    }
}

fn kind_of_name(name: &str) -> Option<Kind> {
    match name {
        "stave.disk" => return Some(Kind::Identity),
        "stave.roster" => return Some(Kind::Roster),
        "manifest" => return Some(Kind::Manifest),
        _ => {}
    }
    let journal = journal::parse_name(name).map(|(life, number)| Kind::Journal(life, number));
    let segment = segment::parse_name(name).map(|_| Kind::Segment);
    let run = run_file::parse_name(name).map(|_| Kind::Run);
    journal.or(segment).or(run)
}

fn kind_of_content(bytes: &[u8]) -> Option<Kind> {
    let found = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic));
    let (end, end_len) = RUN_END;
    let is_run = || {
        let start = bytes.len().checked_sub(end_len)?;
        bytes[start..].starts_with(end).then_some(Kind::Run)
    };
    found.map(|(_, kind)| *kind).or_else(is_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        assert_eq!(kind_of_name("manifest"), Some(Kind::Manifest));
        assert_eq!(kind_of_name("00000000000000ff-0003"), Some(Kind::Journal(255, 3)));
        assert_eq!(kind_of_name("00000000000000ff-00000003"), Some(Kind::Segment));
        assert_eq!(kind_of_name("00000000000000ff"), Some(Kind::Run));
        for name in ["", "manifest.tmp", "ff", "-", "00000000000000fg", "00000000000000ff-"] {
            assert_eq!(kind_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn content_tells_what_a_file_without_its_name_is() {
        assert_eq!(kind_of_content(b"STAVSEGM and more"), Some(Kind::Segment));
        let mut run = vec![0; 100];
        run[36..44].copy_from_slice(b"STAVRUN0");
        assert_eq!(kind_of_content(&run), Some(Kind::Run));
        assert_eq!(kind_of_content(b"something"), None);
    }
}
