//! ListObjectVersions: `GET /bucket?versions`.

use super::listing::{NameEncoding, count, invalid, non_empty};
use super::{Done, write_account};
use crate::error::S3Result;
use crate::headers::checksum;
use crate::headers::date::format_iso;
use crate::notes;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use engine::object::{ObjectInfo, Standing, VersionEntry, VersionId, VersionListRequest};

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let encoding = NameEncoding::of(&call)?;
    let key_marker = call.query("key-marker").unwrap_or("").to_owned();
    let id_marker = call.query("version-id-marker").unwrap_or("").to_owned();
    let request = VersionListRequest {
        bucket: call.authorized.bucket(),
        prefix: call.query("prefix").unwrap_or("").to_owned(),
        delimiter: non_empty(&call, "delimiter").map(str::to_owned),
        after: marker(&key_marker, &id_marker)?,
        limit: count(&call, "max-keys")?,
    };
    let page = call.authorized.store().list_versions(request.clone()).await?;
    let mut xml = XmlWriter::root("ListVersionsResult");
    xml.text("Name", request.bucket.as_str());
    xml.text("Prefix", &encoding.apply(&request.prefix));
    xml.text("KeyMarker", &encoding.apply(&key_marker));
    xml.text("VersionIdMarker", &id_marker);
    if let Some(last) = page.entries.last().filter(|_| page.is_truncated) {
        let (key, version) = match last {
            VersionEntry::Version(info, _) => {
                (info.key.as_str(), Some(info.version.unwrap_or_default().to_string()))
            }
            VersionEntry::Prefix(prefix) => (prefix.as_str(), None),
        };
        xml.text("NextKeyMarker", &encoding.apply(key));
        xml.text_if("NextVersionIdMarker", version.as_deref());
    }
    xml.number("MaxKeys", request.limit as u64);
    if let Some(delimiter) = &request.delimiter {
        xml.text("Delimiter", &encoding.apply(delimiter));
    }
    if encoding == NameEncoding::Url {
        xml.text("EncodingType", "url");
    }
    xml.flag("IsTruncated", page.is_truncated);
    for entry in &page.entries {
        if let VersionEntry::Version(info, standing) = entry {
            write_version(&mut xml, &call, encoding, (info, *standing))?;
        }
    }
    for entry in &page.entries {
        if let VersionEntry::Prefix(prefix) = entry {
            xml.open("CommonPrefixes");
            xml.text("Prefix", &encoding.apply(prefix));
            xml.close("CommonPrefixes");
        }
    }
    xml.close("ListVersionsResult");
    Ok(response::xml(xml.finish()))
}

/// Where a page begins. A version means nothing without its key.
fn marker(key: &str, id: &str) -> S3Result<Option<(String, Option<VersionId>)>> {
    match (key.is_empty(), id.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(invalid(
            "version-id-marker",
            "A version-id marker cannot be specified without a key marker.",
        )),
        (false, true) => Ok(Some((key.to_owned(), None))),
        (false, false) => Ok(Some((key.to_owned(), Some(VersionId::parse(id)?)))),
    }
}

fn write_version(
    xml: &mut XmlWriter,
    call: &Done,
    encoding: NameEncoding,
    (info, standing): (&ObjectInfo, Standing),
) -> S3Result<()> {
    let element = if info.is_marker { "DeleteMarker" } else { "Version" };
    xml.open(element);
    xml.text("Key", &encoding.apply(info.key.as_str()));
    xml.text("VersionId", &info.version.unwrap_or_default().to_string());
    xml.flag("IsLatest", standing == Standing::Current);
    xml.text("LastModified", &format_iso(info.modified));
    if !info.is_marker {
        xml.etag(&info.etag.0);
        if let Some(checksum) = &info.checksum {
            xml.text("ChecksumAlgorithm", checksum::names(checksum.algorithm).name);
            xml.text("ChecksumType", checksum::kind_name(checksum.kind));
        }
        xml.number("Size", info.size);
        xml.text("StorageClass", notes::storage_class(&info.attributes));
    }
    let owner = notes::acl_of(info, call.authorized.settings().owner())?.owner;
    write_account(xml, "Owner", &owner, call);
    xml.close(element);
    Ok(())
}
