//! HeadObject: `HEAD /bucket/key`.

use super::Done;
use super::read::{self, Read};
use crate::error::S3Result;
use crate::response::S3Response;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (read, info) = if call.query("partNumber").is_some() {
        let reader = super::open(&call).await?;
        let part = read::requested_part(&call, &*reader).await?;
        (read::weigh(&call, reader.info(), part)?, reader.info().clone())
    } else {
        let info = super::find(&call).await?;
        (read::weigh(&call, &info, None)?, info)
    };
    match read {
        Read::NotModified(response) => Ok(response),
        Read::Bytes(mut response, _) => {
            read::add_lock(&call, &info, &mut response).await?;
            Ok(response)
        }
    }
}
