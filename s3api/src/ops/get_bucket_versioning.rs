//! GetBucketVersioning: `GET /bucket?versioning`. Versioning cannot be turned on yet: no bucket
//! ever had it, which is what the empty document says.

use super::Done;
use crate::error::S3Result;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    call.authorized.store().head_bucket(call.authorized.bucket()).await?;
    let mut xml = XmlWriter::root("VersioningConfiguration");
    xml.close("VersioningConfiguration");
    Ok(response::xml(xml.finish()))
}
