//! DeleteObjects: `POST /bucket?delete`.

use super::Done;
use super::delete_object::bypass;
use crate::auth::Resource;
use crate::error::{S3Result, codes};
use crate::response::{self, S3Response};
use crate::route::{GET, GET_VERSION};
use crate::xml::XmlWriter;
use crate::xml::bodies::{self, DeleteEntry};
use bytes::Bytes;
use engine::object::{
    Address, DeleteOutcome, DeleteRequest, ETag, ObjectKey, VersionId, WriteCondition,
};
use futures_util::{FutureExt, StreamExt, stream};
use iam::Context;

/// Deletes that are under way at once, so that they share the store's syncs.
const DELETES_IN_FLIGHT_MAX: usize = 64;

pub(super) async fn answer(call: Done, document: Bytes) -> S3Result<S3Response> {
    let request = bodies::parse_delete(&document)?;
    let mut xml = XmlWriter::root("DeleteResult");
    let deletes: Vec<_> =
        request.entries.iter().map(|entry| delete(&call, entry).boxed()).collect();
    let outcomes: Vec<S3Result<DeleteOutcome>> =
        stream::iter(deletes).buffered(DELETES_IN_FLIGHT_MAX).collect().await;
    for (entry, outcome) in request.entries.iter().zip(outcomes) {
        match outcome {
            Ok(_) if request.is_quiet => {}
            Ok(outcome) => write_deleted(&mut xml, entry, outcome),
            Err(error) => {
                xml.open("Error");
                xml.text("Key", &entry.key);
                xml.text_if("VersionId", entry.version_id.as_deref());
                xml.text("Code", error.code.name);
                xml.text("Message", &error.message);
                xml.close("Error");
            }
        }
    }
    xml.close("DeleteResult");
    Ok(response::xml(xml.finish()))
}

fn write_deleted(xml: &mut XmlWriter, entry: &DeleteEntry, outcome: DeleteOutcome) {
    xml.open("Deleted");
    xml.text("Key", &entry.key);
    xml.text_if("VersionId", entry.version_id.as_deref());
    if outcome.is_marker {
        xml.flag("DeleteMarker", true);
        let version = outcome.version.unwrap_or_default().to_string();
        xml.text("DeleteMarkerVersionId", &version);
    }
    xml.close("Deleted");
}

async fn delete(call: &Done, entry: &DeleteEntry) -> S3Result<DeleteOutcome> {
    let authorized = &call.authorized;
    let (bucket, key) = (authorized.bucket(), ObjectKey::new(entry.key.as_str())?);
    let version = match entry.version_id.as_deref() {
        None | Some("") => None,
        Some(id) => Some(VersionId::parse(id).map_err(|_| &codes::NO_SUCH_VERSION)?),
    };
    let action = match version {
        None => "s3:DeleteObject",
        Some(_) => "s3:DeleteObjectVersion",
    };
    let resource = Resource::Object(&bucket, &key, version);
    let etag = entry.etag.as_deref();
    let told = |context: &mut Context| {
        etag.into_iter().for_each(|etag| context.insert("s3:if-match", etag));
    };
    authorized.authorize_told(action, resource, &told).await?;
    let bypass = bypass(authorized, &key, version).await?;
    let condition = match etag {
        None => WriteCondition::None,
        Some("*") => WriteCondition::Exists,
        Some(etag) => WriteCondition::Matches(ETag(etag.to_owned())),
    };
    if matches!(condition, WriteCondition::Matches(_)) {
        let read = if version.is_some() { GET_VERSION } else { GET };
        authorized.authorize_also(read, resource).await?;
    }
    let address = Address { bucket, key, version };
    Ok(authorized.store().delete(DeleteRequest { address, condition, bypass }).await?)
}
