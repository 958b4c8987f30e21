//! GetObject: `GET /bucket/key`.

use super::Done;
use super::read::{self, Read};
use crate::error::S3Result;
use crate::response::{ResponseBody, S3Response};
use crate::sse::{self, Bearer};

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let reader = super::open(&call).await?;
    let part = read::requested_part(&call, &*reader).await?;
    let (mut response, range) = match read::weigh(&call, reader.info(), part)? {
        Read::NotModified(response) => return Ok(response),
        Read::Bytes(response, range) => (response, range),
    };
    read::add_lock(&call, reader.info(), &mut response).await?;
    if !range.is_empty() {
        let left = range.end - range.start;
        let place = (&call.authorized.bucket(), &call.authorized.key());
        let attributes = &reader.info().attributes;
        let seal = sse::of_stored(&call.authorized, place, attributes, Bearer::Read).await?;
        let stream = sse::read(reader, seal.as_ref(), range).await?;
        *response.body_mut() = ResponseBody::Stream { stream, left };
    }
    Ok(response)
}
