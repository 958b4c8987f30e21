//! DeleteObjects: `POST /bucket?delete`.

use super::Done;
use crate::error::{S3Error, S3Result, codes};
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use crate::xml::bodies::{self, DeleteEntry};
use bytes::Bytes;
use engine::object::{BucketName, ETag, ObjectKey, WriteCondition};
use futures_util::{FutureExt, StreamExt, stream};

/// Deletes that are under way at once, so that they share the store's syncs.
const DELETES_IN_FLIGHT_MAX: usize = 64;

pub(super) async fn answer(call: Done, document: Bytes) -> S3Result<S3Response> {
    let request = bodies::parse_delete(&document)?;
    let bucket = call.authorized.bucket();
    // A bucket that is not there is an error of the request, not of each key.
    call.authorized.store().head_bucket(bucket.clone()).await?;
    let mut xml = XmlWriter::root("DeleteResult");
    let deletes: Vec<_> =
        request.entries.iter().map(|entry| delete(&call, &bucket, entry).boxed()).collect();
    let outcomes: Vec<S3Result<()>> =
        stream::iter(deletes).buffered(DELETES_IN_FLIGHT_MAX).collect().await;
    for (entry, outcome) in request.entries.iter().zip(outcomes) {
        match outcome {
            Ok(()) if request.is_quiet => {}
            Ok(()) => {
                xml.open("Deleted");
                xml.text("Key", &entry.key);
                xml.close("Deleted");
            }
            Err(error) => {
                xml.open("Error");
                xml.text("Key", &entry.key);
                xml.text("Code", error.code.name);
                xml.text("Message", &error.message);
                xml.close("Error");
            }
        }
    }
    xml.close("DeleteResult");
    Ok(response::xml(xml.finish()))
}

async fn delete(call: &Done, bucket: &BucketName, entry: &DeleteEntry) -> S3Result<()> {
    if entry.version_id.as_deref().is_some_and(|version| version != "null") {
        return Err(S3Error::from(&codes::NO_SUCH_VERSION));
    }
    let key = ObjectKey::new(entry.key.as_str())?;
    call.authorized.authorize_also("s3:DeleteObject", bucket, &key)?;
    let condition = match entry.etag.as_deref() {
        None => WriteCondition::None,
        Some("*") => WriteCondition::Exists,
        Some(etag) => WriteCondition::Matches(ETag(etag.to_owned())),
    };
    Ok(call.authorized.store().delete(bucket.clone(), key, condition).await?)
}
