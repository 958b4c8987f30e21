//! ListMultipartUploads: `GET /bucket?uploads`.

use super::listing::{NameEncoding, count, non_empty};
use super::{Done, write_account};
use crate::acl::Acl;
use crate::error::S3Result;
use crate::headers::checksum;
use crate::headers::date::format_iso;
use crate::notes;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use engine::object::{UploadId, UploadInfo, UploadListRequest, UploadPage};

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let encoding = NameEncoding::of(&call)?;
    let key_marker = call.query("key-marker").unwrap_or("").to_owned();
    let id_marker = call.query("upload-id-marker").unwrap_or("").to_owned();
    let request = UploadListRequest {
        bucket: call.authorized.bucket(),
        prefix: call.query("prefix").unwrap_or("").to_owned(),
        delimiter: non_empty(&call, "delimiter").map(str::to_owned),
        // An id means nothing without its key.
        after: (!key_marker.is_empty())
            .then(|| (key_marker.clone(), UploadId::parse(&id_marker).ok())),
        limit: count(&call, "max-uploads")?,
    };
    let page = call.authorized.store().list_uploads(request.clone()).await?;
    let mut xml = XmlWriter::root("ListMultipartUploadsResult");
    xml.text("Bucket", request.bucket.as_str());
    xml.text("KeyMarker", &encoding.apply(&key_marker));
    xml.text("UploadIdMarker", &id_marker);
    write_next(&mut xml, &page, encoding);
    xml.text("Prefix", &encoding.apply(&request.prefix));
    if let Some(delimiter) = &request.delimiter {
        xml.text("Delimiter", &encoding.apply(delimiter));
    }
    xml.number("MaxUploads", request.limit as u64);
    if encoding == NameEncoding::Url {
        xml.text("EncodingType", "url");
    }
    xml.flag("IsTruncated", page.is_truncated);
    for upload in &page.uploads {
        write_upload(&mut xml, upload, encoding, &call)?;
    }
    for prefix in &page.prefixes {
        xml.open("CommonPrefixes");
        xml.text("Prefix", &encoding.apply(prefix));
        xml.close("CommonPrefixes");
    }
    xml.close("ListMultipartUploadsResult");
    Ok(response::xml(xml.finish()))
}

fn write_next(xml: &mut XmlWriter, page: &UploadPage, encoding: NameEncoding) {
    if let Some((key, upload_id)) = page.next.as_ref().filter(|_| page.is_truncated) {
        xml.text("NextKeyMarker", &encoding.apply(key));
        let upload_id = upload_id.map(|id| id.to_string()).unwrap_or_default();
        xml.text("NextUploadIdMarker", &upload_id);
    }
}

fn write_upload(
    xml: &mut XmlWriter,
    upload: &UploadInfo,
    encoding: NameEncoding,
    call: &Done,
) -> S3Result<()> {
    xml.open("Upload");
    xml.text("Key", &encoding.apply(upload.key.as_str()));
    xml.text("UploadId", &upload.upload_id.to_string());
    let owner = upload_owner(upload, call)?;
    for role in ["Initiator", "Owner"] {
        write_account(xml, role, &owner, call);
    }
    xml.text("StorageClass", notes::storage_class(&upload.attributes));
    xml.text("Initiated", &format_iso(upload.created));
    if let Some((algorithm, kind)) = upload.checksum {
        xml.text("ChecksumAlgorithm", checksum::names(algorithm).name);
        xml.text("ChecksumType", checksum::kind_name(kind));
    }
    xml.close("Upload");
    Ok(())
}

/// Canonical id of who will own the object of an upload.
pub(super) fn upload_owner(upload: &UploadInfo, call: &Done) -> S3Result<String> {
    match upload.attributes.note(notes::ACL) {
        Some(note) => Ok(Acl::from_note(note)?.owner),
        None => Ok(call.authorized.settings().owner().to_owned()),
    }
}
