//! Keys of rows, for people: the bytes escaped, and what can be told from a key alone.
//!
//! The layout is that of `cluster::rows`: partition, kind, incarnation of the bucket, the rest.

use super::report::{Field, hex64, hex128};
use bytes::Bytes;
use cluster::rows;
use engine::meta::RowOwner;

/// What a key tells.
pub struct KeyText {
    /// `object`, `part`, `extents`, ... or `unknown`.
    pub kind: &'static str,
    /// Life of the bucket, where the key has it.
    pub incarnation: Option<u64>,
    /// What else the key says, by kind.
    pub fields: Vec<Field>,
}

/// The bytes as text: printable ASCII as it is, everything else escaped.
pub fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Reads a row's key.
pub fn read(row: &[u8]) -> KeyText {
    let kind = match row.get(2) {
        Some(1) => "bucket",
        Some(2) => "object",
        Some(3) => "upload",
        Some(4) => "part",
        Some(5) => "extents",
        Some(6) => "garbage",
        Some(7) => "lock clock",
        Some(8) => "setting",
        Some(9) => "annotation",
        _ => "unknown",
    };
    let has_bucket = !matches!(kind, "bucket" | "lock clock" | "setting" | "unknown");
    let incarnation = row.get(3..11).filter(|_| has_bucket).and_then(|bytes| {
        let bytes: [u8; 8] = bytes.try_into().ok()?;
        Some(u64::from_be_bytes(bytes))
    });
    KeyText { kind, incarnation, fields: fields(kind, row).unwrap_or_default() }
}

fn fields(kind: &str, row: &[u8]) -> Option<Vec<Field>> {
    let id = || Some(hex128(u128::from_be_bytes(row.get(11..27)?.try_into().ok()?)));
    Some(match kind {
        "bucket" => vec![("name", rows::bucket_name(row)?.as_str().into())],
        "object" | "upload" => {
            let (key, rest) = rows::parse_object_key(row)?;
            let mut fields = vec![("key", escaped(key.as_str().as_bytes()).into())];
            if kind == "object" && !rows::is_current_version(row) {
                let order: [u8; 8] = rest.try_into().ok()?;
                fields.push(("older_version", hex64(!u64::from_be_bytes(order))));
            }
            if kind == "upload" {
                fields.push(("upload_id", hex128(rows::upload_id(rest)?.0)));
            }
            fields
        }
        "part" => {
            vec![("upload_id", id()?), ("part_number", rows::part_number(row.get(27..)?)?.into())]
        }
        "extents" => {
            let group: [u8; 4] = row.get(27..31)?.try_into().ok()?;
            vec![("of_write", id()?), ("group", u32::from_be_bytes(group).into())]
        }
        "annotation" => {
            let name = rows::annotation_name(row)?;
            vec![("of_write", id()?), ("name", escaped(name.as_str().as_bytes()).into())]
        }
        _ => Vec::new(),
    })
}

/// Fields that show a row's key.
pub fn shown(row: &[u8]) -> Vec<Field> {
    let KeyText { kind, incarnation, fields } = read(row);
    let mut shown = vec![("row", escaped(row).into()), ("row_kind", kind.into())];
    shown.extend(incarnation.map(|incarnation| ("incarnation", hex64(incarnation))));
    shown.extend(fields);
    shown
}

/// Fields that show the owner of a body.
pub fn shown_owner(owner: &Bytes) -> Vec<Field> {
    match RowOwner::decode(owner) {
        Some(RowOwner { write_id, key }) => {
            let mut fields = shown(&key);
            fields.push(("write_id", hex128(write_id)));
            fields
        }
        None => vec![("owner", escaped(owner).into())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::rows::Incarnation;
    use engine::object::{AnnotationName, ObjectKey, UploadId};

    #[track_caller]
    fn check(row: &[u8], expected: &str) {
        let pairs: Vec<String> =
            shown(row).iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs[1..].join(" "), expected);
    }

    #[test]
    fn keys_tell_what_they_are() {
        let key = ObjectKey::new("a/\u{e9}").unwrap();
        check(
            &rows::object(Incarnation(7), &key),
            r#"row_kind="object" incarnation="0000000000000007" key="a/\\xc3\\xa9""#,
        );
        check(
            &rows::part(Incarnation(7), UploadId(9), 3),
            "row_kind=\"part\" incarnation=\"0000000000000007\" \
             upload_id=\"00000000000000000000000000000009\" part_number=3",
        );
        check(
            &rows::extents(Incarnation(7), 9, 2),
            "row_kind=\"extents\" incarnation=\"0000000000000007\" \
             of_write=\"00000000000000000000000000000009\" group=2",
        );
        let name = AnnotationName::new("ml.x").unwrap();
        check(
            &rows::annotation(Incarnation(7), 9, &name),
            "row_kind=\"annotation\" incarnation=\"0000000000000007\" \
             of_write=\"00000000000000000000000000000009\" name=\"ml.x\"",
        );
    }

    #[test]
    fn any_bytes_are_a_key_of_some_kind() {
        for len in 0..40 {
            for kind in 0..10 {
                let mut row = vec![0; len];
                row.get_mut(2).map(|byte| *byte = kind).unwrap_or_default();
                shown(&row);
                shown_owner(&row.into());
            }
        }
    }
}
