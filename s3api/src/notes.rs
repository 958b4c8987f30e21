//! The protocol's own notes of an object, beside what the client said of it.

use crate::acl::Acl;
use crate::error::S3Result;
use engine::object::{ObjectAttributes, ObjectInfo};

/// The access control list ([`Acl::to_note`]), with the owner. Without it the bucket's owner owns
/// the object, and nobody else may do anything with it.
pub const ACL: &str = "acl";
/// The storage class, where it is not `STANDARD`.
pub const STORAGE_CLASS: &str = "storage-class";
/// How the object is encrypted ([`crate::sse`]).
pub const ENCRYPTION: &str = "encryption";
/// Where a website sends whoever asks for the object.
pub const WEBSITE_REDIRECT: &str = "website-redirect";

/// The list of grants of an object.
///
/// # Errors
/// `InternalError` for one that cannot be read.
pub fn acl_of(info: &ObjectInfo, bucket_owner: &str) -> S3Result<Acl> {
    match info.attributes.note(ACL) {
        Some(note) => Acl::from_note(note),
        None => Ok(Acl::private(bucket_owner)),
    }
}

/// The storage class of an object.
pub fn storage_class(attributes: &ObjectAttributes) -> &str {
    attributes.note(STORAGE_CLASS).unwrap_or("STANDARD")
}
