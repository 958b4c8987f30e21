//! The XML bodies of requests: CreateBucketConfiguration, Delete, CompleteMultipartUpload.

use super::reader::XmlReader;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::checksum;
use crate::headers::conditional::unquote;
use crate::tags::{self, BUCKET_TAGS_MAX, Tags};
use engine::object::ChecksumAlgorithm;

/// Keys of one DeleteObjects.
pub const DELETE_KEYS_MAX: usize = 1000;

/// Parts of one CompleteMultipartUpload.
pub const PARTS_MAX: usize = 10_000;

fn malformed() -> S3Error {
    (&codes::MALFORMED_XML).into()
}

/// Fills a slot that may be filled once.
fn once<T>(slot: &mut Option<T>, value: T) -> S3Result<()> {
    if slot.replace(value).is_some() { Err(malformed()) } else { Ok(()) }
}

/// What a new bucket is asked to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewBucket {
    /// Location constraint.
    pub location: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// Reads a `CreateBucketConfiguration`. An empty body asks for nothing.
///
/// # Errors
/// `MalformedXML`; `NotImplemented` for buckets of other kinds, `InvalidTag`.
pub fn parse_create_bucket(document: &[u8]) -> S3Result<NewBucket> {
    if document.is_empty() {
        return Ok(NewBucket::default());
    }
    let mut reader = XmlReader::new(document)?;
    reader.root("CreateBucketConfiguration")?;
    let (mut location, mut tags) = (None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "LocationConstraint" => once(&mut location, reader.text()?)?,
            "Tags" => once(&mut tags, tags::parse_set(&mut reader)?)?,
            "Location" | "Bucket" => return Err((&codes::NOT_IMPLEMENTED).into()),
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    let tags = tags.unwrap_or_default();
    tags::check(&tags, BUCKET_TAGS_MAX)?;
    Ok(NewBucket { location, tags })
}

/// The body of DeleteObjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteRequest {
    /// What to delete, in order.
    pub entries: Vec<DeleteEntry>,
    /// Whether only errors are told.
    pub is_quiet: bool,
}

/// One line of a DeleteObjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteEntry {
    /// Key, not checked yet.
    pub key: String,
    /// Version.
    pub version_id: Option<String>,
    /// Entity tag that the object must have, without quotes.
    pub etag: Option<String>,
}

/// Reads a `Delete` document of 1 to [`DELETE_KEYS_MAX`] keys.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_delete(document: &[u8]) -> S3Result<DeleteRequest> {
    let mut reader = XmlReader::new(document)?;
    reader.root("Delete")?;
    let mut request = DeleteRequest::default();
    let mut is_quiet = None;
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Object" if request.entries.len() < DELETE_KEYS_MAX => {
                request.entries.push(parse_delete_entry(&mut reader)?);
            }
            "Quiet" => once(&mut is_quiet, reader.text()?.trim() == "true")?,
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    request.is_quiet = is_quiet.unwrap_or(false);
    if request.entries.is_empty() { Err(malformed()) } else { Ok(request) }
}

fn parse_delete_entry(reader: &mut XmlReader<'_>) -> S3Result<DeleteEntry> {
    let mut key = None;
    let mut entry = DeleteEntry::default();
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Key" => once(&mut key, reader.text()?)?,
            "VersionId" => once(&mut entry.version_id, reader.text()?)?,
            "ETag" => once(&mut entry.etag, unquote(&reader.text()?).to_owned())?,
            // Conditions of directory buckets; to delete without weighing them would delete too
            // much.
            "LastModifiedTime" | "Size" => return Err((&codes::NOT_IMPLEMENTED).into()),
            _ => return Err(malformed()),
        }
    }
    entry.key = key.ok_or_else(malformed)?;
    Ok(entry)
}

/// One line of a CompleteMultipartUpload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// Entity tag, without quotes.
    pub etag: String,
    /// Checksum, in base64.
    pub checksum: Option<(ChecksumAlgorithm, String)>,
}

/// Reads a `CompleteMultipartUpload` document of 1 to [`PARTS_MAX`] parts in ascending order.
///
/// # Errors
/// `MalformedXML`, `InvalidPartOrder`, `InvalidArgument` for a part number out of range.
pub fn parse_complete(document: &[u8]) -> S3Result<Vec<ListedPart>> {
    let mut reader = XmlReader::new(document)?;
    reader.root("CompleteMultipartUpload")?;
    let mut parts: Vec<ListedPart> = Vec::new();
    while let Some(name) = reader.child()? {
        if name != "Part" || parts.len() == PARTS_MAX {
            return Err(malformed());
        }
        let part = parse_part(&mut reader)?;
        if parts.last().is_some_and(|last| last.number >= part.number) {
            return Err((&codes::INVALID_PART_ORDER).into());
        }
        parts.push(part);
    }
    reader.end()?;
    if parts.is_empty() { Err(malformed()) } else { Ok(parts) }
}

fn parse_part(reader: &mut XmlReader<'_>) -> S3Result<ListedPart> {
    let (mut number, mut etag, mut sum) = (None, None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "PartNumber" => once(&mut number, reader.text()?)?,
            "ETag" => once(&mut etag, unquote(&reader.text()?).to_owned())?,
            other => {
                let algorithm = checksum::by_element(other).ok_or_else(malformed)?;
                once(&mut sum, (algorithm, reader.text()?.trim().to_owned()))?;
            }
        }
    }
    let number = number.ok_or_else(malformed)?.trim().parse::<u64>().map_err(|_| malformed())?;
    let number = u16::try_from(number).ok().filter(|number| (1..=10_000).contains(number));
    let number = number.ok_or_else(|| {
        S3Error::new(&codes::INVALID_ARGUMENT, "Part number must be between 1 and 10000.")
    })?;
    Ok(ListedPart { number, etag: etag.ok_or_else(malformed)?, checksum: sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_constraint_is_read() {
        let parse = |text: &str| {
            let parsed = parse_create_bucket(text.as_bytes());
            parsed.map(|asked| asked.location).map_err(|e| e.code.name)
        };
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("<CreateBucketConfiguration/>"), Ok(None));
        assert_eq!(
            parse(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>"
            ),
            Ok(Some("eu".to_owned()))
        );
        assert_eq!(parse("<Wrong/>"), Err("MalformedXML"));
    }

    #[test]
    fn delete_is_read() {
        let document = "<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object><Object>\
                        <Key> c </Key><VersionId>null</VersionId><ETag>\"e\"</ETag></Object>\
                        </Delete>";
        let request = parse_delete(document.as_bytes()).unwrap();
        assert!(request.is_quiet);
        assert_eq!(request.entries[0].key, "a&b");
        assert_eq!(request.entries[1].key, " c ");
        assert_eq!(request.entries[1].etag.as_deref(), Some("e"));
    }

    #[test]
    fn delete_of_too_many_or_no_keys_is_malformed() {
        let keys =
            |count| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count));
        assert!(parse_delete(keys(1000).as_bytes()).is_ok());
        for document in [keys(0), keys(1001), "<Delete><Object/></Delete>".to_owned()] {
            let error = parse_delete(document.as_bytes()).unwrap_err();
            assert_eq!(error.code, &codes::MALFORMED_XML);
        }
    }

    #[test]
    fn complete_is_read() {
        let document = "<CompleteMultipartUpload><Part><ETag>&quot;a&quot;</ETag><PartNumber>1\
            </PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part><Part><PartNumber>10000\
            </PartNumber><ETag>b</ETag></Part></CompleteMultipartUpload>";
        let parts = parse_complete(document.as_bytes()).unwrap();
        assert_eq!((parts[0].number, parts[0].etag.as_str()), (1, "a"));
        assert_eq!(parts[0].checksum, Some((ChecksumAlgorithm::Crc32, "AAAAAA==".to_owned())));
        assert_eq!((parts[1].number, parts[1].etag.as_str()), (10_000, "b"));
    }

    #[test]
    fn complete_out_of_order_or_range_is_refused() {
        let check = |numbers: &[u32], expected| {
            let parts: String = numbers
                .iter()
                .map(|n| format!("<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>"))
                .collect();
            let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
            let error = parse_complete(document.as_bytes()).unwrap_err();
            assert_eq!(error.code.name, expected, "{numbers:?}");
        };
        check(&[], "MalformedXML");
        check(&[2, 1], "InvalidPartOrder");
        check(&[1, 1], "InvalidPartOrder");
        check(&[0], "InvalidArgument");
        check(&[10_001], "InvalidArgument");
        check(&[70_000], "InvalidArgument");
    }
}
