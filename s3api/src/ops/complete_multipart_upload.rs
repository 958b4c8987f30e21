//! CompleteMultipartUpload: `POST /bucket/key?uploadId=..`.
//!
//! Entity tag and checksum of the object follow from those of the parts. The store holds the listed
//! entity tags against what was uploaded, so that the derivation here starts from facts.

use super::keep_alive::{self, Document};
use super::{Done, upload_id};
use crate::body::checksum as sums;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::{checksum, conditional, text};
use crate::request::RequestHead;
use crate::response::{S3Response, add_version};
use crate::sse;
use crate::uri::{self, Slash};
use crate::xml::XmlWriter;
use crate::xml::bodies::{self, ListedPart};
use bytes::Bytes;
use engine::object::{
    Checksum, ChecksumAlgorithm, ChecksumKind, CompleteRequest, CompletedPart, ETag, PartInfo,
    PartPage, StoreError, UploadId, UploadInfo,
};
use http::HeaderMap;
use md5::{Digest, Md5};
use std::collections::BTreeMap;

/// Parts that are asked for at once.
const PAGE_PARTS: usize = 1000;

pub(super) async fn answer(call: Done, document: Bytes) -> S3Result<S3Response> {
    keep_alive::answer(call, |call| complete(call, document)).await
}

async fn complete(call: Done, document: Bytes) -> S3Result<Document> {
    let parts = bodies::parse_complete(&document)?;
    let headers = &call.authorized.head().headers;
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let upload_id = upload_id(&call.authorized)?;
    let condition = conditional::of_write(headers)?;
    let etag = combined_etag(&parts)?;
    let store = call.authorized.store();
    let upload = match store.head_upload(bucket.clone(), key.clone(), upload_id).await {
        Ok(upload) => Some(upload),
        // It may have been completed before; the store knows, and then returns what came of it.
        Err(StoreError::NoSuchUpload) => None,
        Err(error) => return Err(error.into()),
    };
    let sum = match &upload {
        Some(upload) => derive_checksum(&call, upload, &parts).await?,
        None => None,
    };
    let request = CompleteRequest {
        bucket: bucket.clone(),
        key: key.clone(),
        upload_id,
        parts: parts.into_iter().map(listed).collect(),
        etag,
        checksum: sum,
        condition,
        part_size_min: call.config.part_size_min,
    };
    let outcome = store.complete_upload(request).await?;
    let mut xml = XmlWriter::root("CompleteMultipartUploadResult");
    xml.text("Location", &location(call.authorized.head(), key.as_str()));
    xml.text("Bucket", bucket.as_str());
    xml.text("Key", key.as_str());
    xml.etag(&outcome.etag.0);
    if let Some(sum) = &outcome.checksum {
        xml.text(checksum::names(sum.algorithm).element, &sum.value);
        xml.text("ChecksumType", checksum::kind_name(sum.kind));
    }
    xml.close("CompleteMultipartUploadResult");
    let mut headers = HeaderMap::new();
    add_version(&mut headers, outcome.version);
    if let Some(upload) = upload {
        sse::describe_stored(&upload.attributes, &mut headers);
    }
    Ok((headers, xml.finish()))
}

/// Where the client finds the object: by the name that it called this server.
pub(super) fn location(head: &RequestHead, key: &str) -> String {
    let host = head.headers.get(http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    let path = uri::encode(key, Slash::Keep);
    let scheme = if head.is_secure { "https" } else { "http" };
    let bucket = head.target.bucket().filter(|_| !head.is_virtual);
    let bucket = bucket.map(|bucket| format!("{bucket}/")).unwrap_or_default();
    format!("{scheme}://{host}/{bucket}{path}")
}

fn listed(part: ListedPart) -> CompletedPart {
    CompletedPart { number: part.number, etag: ETag(part.etag) }
}

fn invalid_part(number: u16) -> S3Error {
    StoreError::InvalidPart { number }.into()
}

/// MD5 over the parts' MD5s, and their count.
fn combined_etag(parts: &[ListedPart]) -> S3Result<ETag> {
    let mut md5 = Md5::new();
    for part in parts {
        let mut bytes = [0; 16];
        hex::decode_to_slice(&part.etag, &mut bytes).map_err(|_| invalid_part(part.number))?;
        md5.update(bytes);
    }
    Ok(ETag(format!("{}-{}", hex::encode(md5.finalize()), parts.len())))
}

/// The checksum of the object, held against what the client says of it and of its parts.
async fn derive_checksum(
    call: &Done,
    upload: &UploadInfo,
    parts: &[ListedPart],
) -> S3Result<Option<Checksum>> {
    check_promised_kind(call, upload.checksum)?;
    let promised_size = promised_size(call)?;
    let lists_checksums = parts.iter().any(|part| part.checksum.is_some());
    if upload.checksum.is_none() && promised_size.is_none() && !lists_checksums {
        return Ok(None);
    }
    let stored = stored_parts(call, upload.upload_id).await?;
    let used: Vec<&PartInfo> = parts
        .iter()
        .map(|part| stored.get(&part.number).ok_or_else(|| invalid_part(part.number)))
        .collect::<S3Result<_>>()?;
    let size: u64 = used.iter().map(|part| part.size).sum();
    if promised_size.is_some_and(|promised| promised != size) {
        return Err(S3Error::new(
            &codes::INVALID_REQUEST,
            "The provided x-amz-mp-object-size does not match the size of the parts.",
        ));
    }
    check_listed_checksums(parts, &used)?;
    let Some((algorithm, kind)) = upload.checksum else {
        return Ok(None);
    };
    let values = part_values(algorithm, parts, &used)?;
    let sum = join(algorithm, kind, &values)?;
    check_promised(call, &sum)?;
    Ok(Some(sum))
}

fn promised_size(call: &Done) -> S3Result<Option<u64>> {
    let Some(size) = text(&call.authorized.head().headers, "x-amz-mp-object-size")? else {
        return Ok(None);
    };
    let size = size.parse().ok();
    size.map(Some).ok_or_else(|| {
        S3Error::new(&codes::INVALID_REQUEST, "x-amz-mp-object-size is not a number.")
    })
}

async fn stored_parts(call: &Done, upload_id: UploadId) -> S3Result<BTreeMap<u16, PartInfo>> {
    let mut stored = BTreeMap::new();
    let mut after = 0;
    loop {
        let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
        let page = PartPage { after, limit: PAGE_PARTS };
        let (parts, is_truncated) =
            call.authorized.store().list_parts(bucket, key, upload_id, page).await?;
        let Some(last) = parts.last() else {
            return Ok(stored);
        };
        after = last.number;
        stored.extend(parts.into_iter().map(|part| (part.number, part)));
        if !is_truncated {
            return Ok(stored);
        }
    }
}

/// Holds the checksums that the client lists against those that came with the parts.
fn check_listed_checksums(listed: &[ListedPart], stored: &[&PartInfo]) -> S3Result<()> {
    for (listed, stored) in listed.iter().zip(stored) {
        let Some((algorithm, value)) = &listed.checksum else {
            continue;
        };
        let is_same = |sum: &Checksum| sum.algorithm == *algorithm && sum.value == *value;
        if !stored.checksum.as_ref().is_some_and(is_same) {
            return Err(invalid_part(listed.number));
        }
    }
    Ok(())
}

/// Holds what the client says of the whole object's checksum, besides its value, against what the
/// upload was begun with.
fn check_promised_kind(
    call: &Done,
    begun: Option<(ChecksumAlgorithm, ChecksumKind)>,
) -> S3Result<()> {
    let headers = &call.authorized.head().headers;
    let mismatch = |message: String| Err(S3Error::new(&codes::INVALID_REQUEST, message));
    if let (Some(kind), Some((_, begun))) = (text(headers, "x-amz-checksum-type")?, begun)
        && kind != checksum::kind_name(begun)
    {
        let begun = checksum::kind_name(begun);
        return mismatch(format!(
            "The upload was created using the {begun} checksum mode. The complete request must \
             use the same checksum mode."
        ));
    }
    for algorithm in checksum::ALGORITHMS {
        let names = checksum::names(algorithm);
        let is_begun = begun.is_some_and(|(begun, _)| begun == algorithm);
        if headers.contains_key(names.header) && !is_begun {
            let name = names.name;
            return mismatch(format!("The upload was not created with the algorithm {name}."));
        }
    }
    Ok(())
}

/// The checksums and sizes of the parts.
fn part_values(
    algorithm: ChecksumAlgorithm,
    listed: &[ListedPart],
    stored: &[&PartInfo],
) -> S3Result<Vec<(Vec<u8>, u64)>> {
    let mut values = Vec::with_capacity(stored.len());
    for (listed, stored) in listed.iter().zip(stored) {
        let value = match &stored.checksum {
            Some(sum) if sum.algorithm == algorithm => sum.value.as_str(),
            _ => return Err(invalid_part(listed.number)),
        };
        let bytes = checksum::decode_value(algorithm, value);
        values.push((bytes.ok_or_else(|| invalid_part(listed.number))?, stored.size));
    }
    Ok(values)
}

fn join(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    values: &[(Vec<u8>, u64)],
) -> S3Result<Checksum> {
    let value = match kind {
        ChecksumKind::FullObject => {
            let whole = sums::combine(algorithm, values);
            let whole = whole.ok_or_else(|| S3Error::from(&codes::INVALID_REQUEST))?;
            checksum::encode_value(&whole)
        }
        ChecksumKind::Composite => {
            let all: Vec<u8> = values.iter().flat_map(|(value, _)| value).copied().collect();
            let whole = checksum::encode_value(&sums::checksum(algorithm, &all));
            format!("{whole}-{}", values.len())
        }
    };
    Ok(Checksum { algorithm, kind, value })
}

/// Holds a checksum of the whole object, where the client sent one, against ours. It may lack the
/// count of the parts.
fn check_promised(call: &Done, sum: &Checksum) -> S3Result<()> {
    let names = checksum::names(sum.algorithm);
    let promised = text(&call.authorized.head().headers, names.header)?;
    let bare = sum.value.split('-').next();
    if promised.is_none_or(|promised| promised == sum.value || Some(promised) == bare) {
        return Ok(());
    }
    let message = format!("The {} you specified did not match the parts.", names.name);
    Err(S3Error::new(&codes::BAD_DIGEST, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, etag: &str) -> ListedPart {
        ListedPart { number, etag: etag.to_owned(), checksum: None }
    }

    #[test]
    fn etag_is_md5_of_md5s_with_count() {
        let parts = [
            part(1, "0cc175b9c0f1b6a831c399e269772661"),
            part(2, "92eb5ffee6ae2fec3ad71c777531578f"),
        ];
        let mut md5 = Md5::new();
        md5.update(Md5::digest(b"a"));
        md5.update(Md5::digest(b"b"));
        let expected = format!("{}-2", hex::encode(md5.finalize()));
        assert_eq!(combined_etag(&parts).unwrap().0, expected);
        let error = combined_etag(&[part(3, "nonsense")]).unwrap_err();
        assert_eq!((error.code, error.detail("PartNumber")), (&codes::INVALID_PART, Some("3")));
    }

    #[test]
    fn checksums_join_by_kind() {
        let crc = ChecksumAlgorithm::Crc32;
        let values = [(sums::checksum(crc, b"1234"), 4), (sums::checksum(crc, b"56789"), 5)];
        let whole = join(crc, ChecksumKind::FullObject, &values).unwrap();
        assert_eq!(whole.value, "y/Q5Jg==");
        let composite = join(crc, ChecksumKind::Composite, &values).unwrap();
        assert!(composite.value.ends_with("==-2"));
    }
}
