//! The `Range` header of a read (RFC 9110, 14.2) and the stricter one of a part copy.

use std::ops::Range;

/// What a `Range` header asks for. Several ranges in one header are not served: the header is
/// ignored, as S3 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=first-`
    From(u64),
    /// `bytes=first-last`, last included.
    Between(u64, u64),
    /// `bytes=-count`: the last bytes.
    Last(u64),
}

impl ByteRange {
    /// Reads a header; `None` for what a server has to ignore.
    pub fn parse(text: &str) -> Option<Self> {
        let spec = text.trim().strip_prefix("bytes=")?.trim();
        let (first, last) = spec.split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", count) => number(count).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes of an object of `size` that are asked for; `None` when there are none (416).
    pub fn resolve(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Between(first, last) => first..size.min(last.saturating_add(1)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }

    /// Reads `x-amz-copy-source-range`: both ends given, both inside the source of `size`.
    pub fn resolve_copy(text: &str, size: u64) -> Option<Range<u64>> {
        match Self::parse(text)? {
            Self::Between(first, last) if last < size => Some(first..last + 1),
            _ => None,
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Beyond 64 bits is beyond every object.
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, size: u64, expected: Option<Range<u64>>) {
        let resolved = ByteRange::parse(text).expect(text).resolve(size);
        assert_eq!(resolved, expected, "{text} of {size}");
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        check("bytes=0-0", 10, Some(0..1));
        check("bytes=2-", 10, Some(2..10));
        check("bytes=2-100", 10, Some(2..10));
        check("bytes=0-99999999999999999999", 10, Some(0..10));
        check("bytes=-3", 10, Some(7..10));
        check("bytes=-30", 10, Some(0..10));
        check("bytes=0-18446744073709551615", 10, Some(0..10));
    }

    #[test]
    fn ranges_outside_the_object_are_unsatisfiable() {
        check("bytes=10-", 10, None);
        check("bytes=99999999999999999999-", 10, None);
        check("bytes=-0", 10, None);
        check("bytes=0-", 0, None);
        check("bytes=-5", 0, None);
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
        ] {
            assert_eq!(ByteRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn copy_ranges_lie_inside_the_source() {
        assert_eq!(ByteRange::resolve_copy("bytes=0-9", 10), Some(0..10));
        for text in ["bytes=0-10", "bytes=5-", "bytes=-5", "0-5"] {
            assert_eq!(ByteRange::resolve_copy(text, 10), None, "{text}");
        }
    }
}
