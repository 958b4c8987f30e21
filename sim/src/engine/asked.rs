//! What kind of request one is.

use super::annotations;
use super::model::Model;
use super::plan::{Annotating, BucketNumber, Request};

/// Whether a request changes something.
pub fn is_write(request: &Request) -> bool {
    if let Request::Annotation { what, .. } = request {
        return annotations::changes(what);
    }
    !matches!(
        request,
        Request::ListBuckets
            | Request::Get { .. }
            | Request::Head(_)
            | Request::List { .. }
            | Request::ListParts(_)
            | Request::ListUploads(_)
            | Request::Hold(_)
            | Request::ReadHeld
            | Request::ListVersions(_)
            | Request::GetVersion(..)
    )
}

/// Whether a request may be refused for want of room: what makes room never is.
pub fn takes_room(request: &Request) -> bool {
    is_write(request)
        && !matches!(
            request,
            Request::Delete { .. }
                | Request::Abort(_)
                | Request::DeleteBucket(_)
                | Request::Annotation { what: Annotating::Take { .. }, .. }
        )
}

/// Whether its client breaks its body off.
pub fn is_breaking_off(request: &Request) -> bool {
    match request {
        Request::Put { delivery, .. }
        | Request::Append { delivery, .. }
        | Request::PutPart { delivery, .. } => delivery.broken_at.is_some(),
        _ => false,
    }
}

/// The bucket that a request is about.
pub fn bucket_of(request: &Request, model: &Model) -> Option<BucketNumber> {
    match request {
        Request::CreateBucket(bucket)
        | Request::CreateVersioned(bucket)
        | Request::ListVersions(bucket)
        | Request::SetVersioning { bucket, .. }
        | Request::SetRetention { bucket, .. }
        | Request::SetEncryption { bucket, .. }
        | Request::DeleteBucket(bucket)
        | Request::List { bucket, .. }
        | Request::ListUploads(bucket) => Some(*bucket),
        Request::Put { slot, .. }
        | Request::Append { slot, .. }
        | Request::Get { slot, .. }
        | Request::Head(slot)
        | Request::Delete { slot, .. }
        | Request::CreateUpload(slot)
        | Request::Hold(slot)
        | Request::GetVersion(slot, _)
        | Request::DeleteVersion(slot, _)
        | Request::Annotation { slot, .. }
        | Request::Retain { slot, .. }
        | Request::Protect { slot, .. } => Some(slot.bucket),
        Request::PutPart { upload, .. }
        | Request::Complete { upload, .. }
        | Request::Abort(upload)
        | Request::ListParts(upload) => model.uploads.get(*upload).map(|it| it.slot.bucket),
        Request::ListBuckets | Request::ReadHeld => None,
    }
}
