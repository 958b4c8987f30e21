//! HeadObject: `HEAD /bucket/key`.

use super::Done;
use super::read::{self, Read};
use crate::error::S3Result;
use crate::response::S3Response;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let info = call.authorized.store().head(bucket, key).await?;
    match read::weigh(&call, &info)? {
        Read::NotModified(response) | Read::Bytes(response, _) => Ok(response),
    }
}
