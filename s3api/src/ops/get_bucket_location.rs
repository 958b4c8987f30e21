//! GetBucketLocation: `GET /bucket?location`.

use super::Done;
use crate::config::REGION_DEFAULT;
use crate::error::S3Result;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    call.authorized.store().head_bucket(call.authorized.bucket()).await?;
    let mut xml = XmlWriter::root("LocationConstraint");
    // AWS tells us-east-1 as nothing, and clients rely on it.
    let region = call.config.region_name();
    if region != REGION_DEFAULT {
        xml.content(region);
    }
    xml.close("LocationConstraint");
    Ok(response::xml(xml.finish()))
}
