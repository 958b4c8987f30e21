//! CreateMultipartUpload: `POST /bucket/key?uploads`.

use super::put_object::add_checksum_choice;
use super::{Done, new_object};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::{checksum, text};
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use engine::object::{ChecksumAlgorithm, ChecksumKind, CreateUploadRequest};
use http::HeaderMap;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let headers = &call.authorized.head().headers;
    let choice = chosen_checksum(headers)?;
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let mut attributes = new_object::describe(&call.authorized, &call.config)?;
    let seal = new_object::seal(&call.authorized, &mut attributes).await?;
    let request = CreateUploadRequest {
        bucket: bucket.clone(),
        key: key.clone(),
        attributes,
        checksum: choice,
        lock: new_object::lock(&call.authorized)?,
    };
    let created = call.authorized.store().create_upload(request).await;
    let upload_id = created.map_err(new_object::without_lock)?;
    let mut xml = XmlWriter::root("InitiateMultipartUploadResult");
    xml.text("Bucket", bucket.as_str());
    xml.text("Key", key.as_str());
    xml.text("UploadId", &upload_id.to_string());
    xml.close("InitiateMultipartUploadResult");
    let mut response = response::xml(xml.finish());
    add_checksum_choice(response.headers_mut(), choice);
    if let Some(seal) = seal {
        seal.describe(response.headers_mut());
    }
    Ok(response)
}

/// The checksum of the parts and of the object.
fn chosen_checksum(headers: &HeaderMap) -> S3Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let invalid = |message: &'static str| S3Error::new(&codes::INVALID_REQUEST, message);
    let kind = match text(headers, "x-amz-checksum-type")? {
        None => None,
        Some("FULL_OBJECT") => Some(ChecksumKind::FullObject),
        Some("COMPOSITE") => Some(ChecksumKind::Composite),
        Some(_) => return Err(invalid("Value for x-amz-checksum-type header is invalid.")),
    };
    let Some(name) = text(headers, "x-amz-checksum-algorithm")? else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(invalid(
                "The x-amz-checksum-type header can only be used with the \
                 x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = checksum::by_name(name)
        .ok_or_else(|| invalid("Checksum algorithm provided is unsupported."))?;
    let kinds = checksum::names(algorithm).kinds;
    let chosen = kind.unwrap_or(kinds[0]);
    if !kinds.contains(&chosen) {
        let (kind, name) = (checksum::kind_name(chosen), name.to_lowercase());
        let message =
            format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
        return Err(S3Error::new(&codes::INVALID_REQUEST, message));
    }
    Ok(Some((algorithm, chosen)))
}
