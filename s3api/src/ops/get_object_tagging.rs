//! GetObjectTagging: `GET /bucket/key?tagging`. Tags cannot be set yet, so that no object has any;
//! clients ask before they copy in parts.

use super::Done;
use crate::error::S3Result;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    call.authorized.store().head(bucket, key).await?;
    let mut xml = XmlWriter::root("Tagging");
    xml.open("TagSet");
    xml.close("TagSet");
    xml.close("Tagging");
    Ok(response::xml(xml.finish()))
}
