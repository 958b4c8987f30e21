//! GetObject: `GET /bucket/key`.

use super::Done;
use super::read::{self, Read};
use crate::error::S3Result;
use crate::response::{ResponseBody, S3Response};

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
        *response.body_mut() = ResponseBody::Stream { stream: reader.read(range), left };
    }
    Ok(response)
}
