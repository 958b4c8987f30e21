//! UploadPartCopy: `PUT /bucket/key?partNumber=..&uploadId=..` with `x-amz-copy-source`.

use super::keep_alive::{self, Document};
use super::{Done, copy, part_number, upload_id};
use crate::body::relay::RelayBody;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::range::ByteRange;
use crate::headers::{attributes, text};
use crate::response::S3Response;
use crate::sse::{self, Bearer};
use engine::object::PartRequest;
use http::HeaderMap;
use std::ops::Range;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    keep_alive::answer(call, copy_part).await
}

async fn copy_part(call: Done) -> S3Result<Document> {
    attributes::refuse_unsupported(&call.authorized.head().headers)?;
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let (upload_id, number) = (upload_id(&call.authorized)?, part_number(&call.authorized)?);
    let store = call.authorized.store();
    let upload = store.head_upload(bucket.clone(), key.clone(), upload_id).await?;
    let place = (&bucket, &key);
    let seal = sse::of_stored(&call.authorized, place, &upload.attributes, Bearer::Part).await?;
    let (_, reader, source_seal) = copy::open(&call).await?;
    let mut headers = HeaderMap::new();
    copy::add_source_version(&mut headers, &*reader);
    let range = source_range(&call, reader.info().size)?;
    let len = range.end - range.start;
    copy::check_len(&call, len)?;
    let wanted = upload.checksum.map(|(algorithm, _)| algorithm);
    let source = sse::read(reader, source_seal.as_ref(), range).await?;
    let body = Box::new(RelayBody::new(source, len, wanted));
    let (body, len) = sse::wrap(seal.as_ref(), &call.authorized, body, (number, Some(len)));
    sse::describe_stored(&upload.attributes, &mut headers);
    let request = PartRequest { bucket, key, upload_id, number, len };
    let part = store.put_part(request, body).await?;
    let sum = part.checksum.as_ref();
    Ok((headers, copy::result_document("CopyPartResult", &part.etag, part.modified, sum)))
}

fn source_range(call: &Done, size: u64) -> S3Result<Range<u64>> {
    let Some(range) = text(&call.authorized.head().headers, "x-amz-copy-source-range")? else {
        return Ok(0..size);
    };
    ByteRange::resolve_copy(range, size).ok_or_else(|| {
        let message = format!("Range specified is not valid for source object of size: {size}");
        S3Error::new(&codes::INVALID_ARGUMENT, message)
            .with("ArgumentName", "x-amz-copy-source-range")
            .with("ArgumentValue", range)
    })
}
