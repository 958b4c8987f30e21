//! ListBuckets: `GET /`.

use super::{Done, owner};
use crate::error::S3Result;
use crate::headers::date::format_iso;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let buckets = call.authorized.store().list_buckets().await?;
    let (id, name) = owner(&call.config);
    let mut xml = XmlWriter::root("ListAllMyBucketsResult");
    xml.open("Owner");
    xml.text("ID", &id);
    xml.text("DisplayName", name);
    xml.close("Owner");
    xml.open("Buckets");
    for bucket in &buckets {
        xml.open("Bucket");
        xml.text("Name", bucket.name.as_str());
        xml.text("CreationDate", &format_iso(bucket.created));
        xml.close("Bucket");
    }
    xml.close("Buckets");
    xml.close("ListAllMyBucketsResult");
    Ok(response::xml(xml.finish()))
}
