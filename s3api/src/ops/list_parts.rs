//! ListParts: `GET /bucket/key?uploadId=..`.

use super::list_multipart_uploads::upload_owner;
use super::listing::{NameEncoding, count, invalid};
use super::{Done, upload_id, write_account};
use crate::error::S3Result;
use crate::headers::checksum;
use crate::headers::date::format_iso;
use crate::notes;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use engine::object::{PartInfo, PartPage};

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let upload_id = upload_id(&call.authorized)?;
    let encoding = NameEncoding::of(&call)?;
    let after = marker(&call)?;
    let limit = count(&call, "max-parts")?;
    let store = call.authorized.store();
    let upload = store.head_upload(bucket.clone(), key.clone(), upload_id).await?;
    let page = PartPage { after, limit };
    let (parts, is_truncated) =
        store.list_parts(bucket.clone(), key.clone(), upload_id, page).await?;
    let mut xml = XmlWriter::root("ListPartsResult");
    xml.text("Bucket", bucket.as_str());
    xml.text("Key", &encoding.apply(key.as_str()));
    xml.text("UploadId", &upload_id.to_string());
    let owner = upload_owner(&upload, &call)?;
    for role in ["Initiator", "Owner"] {
        write_account(&mut xml, role, &owner, &call);
    }
    xml.text("StorageClass", notes::storage_class(&upload.attributes));
    if let Some((algorithm, kind)) = upload.checksum {
        xml.text("ChecksumAlgorithm", checksum::names(algorithm).name);
        xml.text("ChecksumType", checksum::kind_name(kind));
    }
    xml.number("PartNumberMarker", u64::from(after));
    if let Some(last) = parts.last() {
        xml.number("NextPartNumberMarker", u64::from(last.number));
    }
    xml.number("MaxParts", limit as u64);
    xml.flag("IsTruncated", is_truncated);
    for part in &parts {
        write_part(&mut xml, part);
    }
    xml.close("ListPartsResult");
    Ok(response::xml(xml.finish()))
}

fn marker(call: &Done) -> S3Result<u16> {
    match call.query("part-number-marker") {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| {
            invalid("part-number-marker", "Argument must be an integer between 0 and 65535")
        }),
    }
}

fn write_part(xml: &mut XmlWriter, part: &PartInfo) {
    xml.open("Part");
    xml.number("PartNumber", u64::from(part.number));
    xml.text("LastModified", &format_iso(part.modified));
    xml.etag(&part.etag.0);
    xml.number("Size", part.size);
    if let Some(sum) = &part.checksum {
        xml.text(checksum::names(sum.algorithm).element, &sum.value);
    }
    xml.close("Part");
}
