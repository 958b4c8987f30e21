//! HeadObject: `HEAD /bucket/key`.

use super::Done;
use super::read::{self, Read};
use crate::error::S3Result;
use crate::response::S3Response;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let store = call.authorized.store();
    let read = if call.query("partNumber").is_some() {
        let reader = store.get(bucket, key).await?;
        let part = read::requested_part(&call, &*reader).await?;
        read::weigh(&call, reader.info(), part)?
    } else {
        read::weigh(&call, &store.head(bucket, key).await?, None)?
    };
    match read {
        Read::NotModified(response) | Read::Bytes(response, _) => Ok(response),
    }
}
