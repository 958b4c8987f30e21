//! The operations of S3, and of the server itself, one file each: from an authorised request to
//! calls of the store, and back to an answer.

mod abort_multipart_upload;
mod absent;
mod acls;
mod admin_keys;
mod admin_status;
mod append;
mod bucket_documents;
mod bucket_policy;
mod bucket_versioning;
mod complete_multipart_upload;
mod copy;
mod copy_annotations;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_bucket_location;
mod get_object;
mod get_object_attributes;
mod head_bucket;
mod head_object;
mod keep_alive;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_parts;
mod listing;
mod new_object;
mod object_annotation;
mod object_lock;
mod object_lock_configuration;
mod object_tagging;
mod post_object;
mod put_object;
mod read;
mod upload_part;
mod upload_part_copy;

use crate::acl::Accounts as _;
use crate::admission::Admission;
use crate::auth::Authorized;
use crate::auth::again::AgainBody;
use crate::body::{self, BodyPlan};
use crate::config::S3Config;
use crate::error::{ErrorContext, S3Error, S3Result, codes};
use crate::response::S3Response;
use crate::route::{BodyKind, Operation};
use crate::xml::XmlWriter;
use bytes::Bytes;
use engine::object::{
    AmendRequest, Amendment, Body, ObjectInfo, ObjectReader, UploadId, WriteCondition,
};
use http::header::HeaderValue;
use keep_alive::Place;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// An authorised request on its way through its operation.
pub struct Call {
    /// The request, and the way to the store.
    pub authorized: Authorized,
    /// Configuration.
    pub config: Arc<S3Config>,
    /// How the request is told from others, in error documents.
    pub ids: RequestIds,
    /// What may be taken of memory.
    pub admission: Arc<Admission>,
    /// What the head says of the body.
    pub plan: BodyPlan,
    /// Opens the body; before that, a client that waits for `100 Continue` sends none.
    pub open: Box<dyn FnOnce(BodyPlan) -> Body + Send>,
}

/// The names of a request.
#[derive(Clone, Debug)]
pub struct RequestIds {
    /// Identity of the request.
    pub request_id: String,
    /// Identity of the process.
    pub host_id: HeaderValue,
}

/// What an operation comes to, some time later.
type Answer = Pin<Box<dyn Future<Output = S3Result<S3Response>> + Send>>;

/// Runs the operation of a request.
///
/// # Errors
/// Whatever the operation answers.
pub async fn dispatch(call: Call) -> S3Result<S3Response> {
    let route = call.authorized.route();
    let (operation, admission) = (route.operation, call.admission.clone());
    let len_max = match route.body {
        BodyKind::Object => return upload(operation, call).await,
        BodyKind::Empty => 0,
        BodyKind::Xml(len_max) | BodyKind::Parameters(len_max) => len_max,
    };
    let (mut call, document) = call.document(len_max).await?;
    if route.is_scan() {
        call.permits.push(admission.scan().await?);
    }
    run(operation, call, document).await
}

impl Call {
    /// Takes the whole body, verified.
    async fn document(self, len_max: usize) -> S3Result<(Done, Bytes)> {
        let Self { authorized, config, ids, admission, plan, open } = self;
        let announced = plan.decoded_len().unwrap_or(len_max as u64);
        if announced > len_max as u64 {
            return Err((&codes::MAX_MESSAGE_LENGTH_EXCEEDED).into());
        }
        let permits = admission.document(announced as usize).await?.into_iter().collect();
        let document = body::collect(open(plan), len_max).await?;
        Ok((Done { authorized, config, ids, permits }, document))
    }
}

/// A request whose body is read.
pub struct Done {
    /// The request, and the way to the store.
    pub authorized: Authorized,
    /// Configuration.
    pub config: Arc<S3Config>,
    /// How the request is told from others, in error documents.
    pub ids: RequestIds,
    /// What it holds of the admission until it is done, also after its answer began.
    pub permits: Vec<OwnedSemaphorePermit>,
}

impl Done {
    /// Where an error would happen, for after the request is gone.
    fn place(&self) -> Place {
        let (head, ids) = (self.authorized.head(), self.ids.clone());
        let (target, resource) = (head.target.clone(), head.raw_path().to_owned());
        let config = self.config.clone();
        let write = move |error: &S3Error| {
            error.to_xml(&ErrorContext {
                bucket: target.bucket().map(|bucket| bucket.as_str()),
                key: target.key().map(|key| key.as_str()),
                resource: &resource,
                region: config.region_name(),
                request_id: &ids.request_id,
                host_id: ids.host_id.to_str().unwrap_or(""),
            })
        };
        Place { write: Box::new(write) }
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.authorized.head().query.get(name)
    }
}

fn upload(operation: Operation, mut call: Call) -> Answer {
    let (authorized, open) = (call.authorized.later(), call.open);
    let after = Duration::from_millis(call.config.limits.long_upload_ms);
    call.open = Box::new(move |plan| Box::new(AgainBody::new(open(plan), authorized, after)));
    match operation {
        Operation::UploadPart => Box::pin(upload_part::answer(call)),
        Operation::PostObject => Box::pin(post_object::answer(call)),
        Operation::PutObjectAnnotation => Box::pin(object_annotation::put(call)),
        _ => Box::pin(put_object::answer(call)),
    }
}

fn run(operation: Operation, call: Done, document: Bytes) -> Answer {
    match operation {
        Operation::ListBuckets => Box::pin(list_buckets::answer(call)),
        Operation::CreateBucket => Box::pin(create_bucket::answer(call, document)),
        Operation::DeleteBucket => Box::pin(delete_bucket::answer(call)),
        Operation::HeadBucket => Box::pin(head_bucket::answer(call)),
        Operation::GetBucketLocation => Box::pin(get_bucket_location::answer(call)),
        Operation::ListObjects => Box::pin(list_objects::answer_v1(call)),
        Operation::ListObjectsV2 => Box::pin(list_objects::answer_v2(call)),
        Operation::ListObjectVersions => Box::pin(list_object_versions::answer(call)),
        Operation::DeleteObjects => Box::pin(delete_objects::answer(call, document)),
        Operation::CopyObject => Box::pin(copy_object::answer(call)),
        Operation::GetObject => Box::pin(get_object::answer(call)),
        Operation::HeadObject => Box::pin(head_object::answer(call)),
        Operation::GetObjectAttributes => Box::pin(get_object_attributes::answer(call)),
        Operation::DeleteObject => Box::pin(delete_object::answer(call)),
        Operation::CreateMultipartUpload => Box::pin(create_multipart_upload::answer(call)),
        Operation::UploadPartCopy => Box::pin(upload_part_copy::answer(call)),
        Operation::CompleteMultipartUpload => {
            Box::pin(complete_multipart_upload::answer(call, document))
        }
        Operation::AbortMultipartUpload => Box::pin(abort_multipart_upload::answer(call)),
        Operation::ListParts => Box::pin(list_parts::answer(call)),
        Operation::ListMultipartUploads => Box::pin(list_multipart_uploads::answer(call)),
        Operation::AdminStatus => Box::pin(admin_status::answer(call)),
        Operation::AdminListKeys => Box::pin(admin_keys::list(call)),
        Operation::AdminCreateKey => Box::pin(admin_keys::create(call)),
        Operation::AdminRotateKey => Box::pin(admin_keys::rotate(call)),
        Operation::PutObject
        | Operation::PostObject
        | Operation::UploadPart
        | Operation::PutObjectAnnotation => {
            unreachable!("their bodies are streams: see upload")
        }
        Operation::SecurityTokenService => unreachable!("it is answered where its body is read"),
        operation => configure(operation, call, document),
    }
}

/// What is about the configuration of a bucket, or beside the bytes of an object.
fn configure(operation: Operation, call: Done, document: Bytes) -> Answer {
    use Operation::*;
    use bucket_documents::{CORS, ENCRYPTION, OWNERSHIP, PUBLIC_ACCESS_BLOCK, TAGGING};
    match operation {
        GetBucketVersioning => Box::pin(bucket_versioning::get(call)),
        PutBucketVersioning => Box::pin(bucket_versioning::put(call, document)),
        GetObjectLockConfiguration => Box::pin(object_lock_configuration::get(call)),
        PutObjectLockConfiguration => Box::pin(object_lock_configuration::put(call, document)),
        GetBucketTagging => Box::pin(bucket_documents::get(call, &TAGGING)),
        PutBucketTagging => Box::pin(bucket_documents::put(call, document, &TAGGING)),
        DeleteBucketTagging => Box::pin(bucket_documents::delete(call, &TAGGING)),
        GetPublicAccessBlock => Box::pin(bucket_documents::get(call, &PUBLIC_ACCESS_BLOCK)),
        PutPublicAccessBlock => {
            Box::pin(bucket_documents::put(call, document, &PUBLIC_ACCESS_BLOCK))
        }
        DeletePublicAccessBlock => Box::pin(bucket_documents::delete(call, &PUBLIC_ACCESS_BLOCK)),
        GetBucketOwnershipControls => Box::pin(bucket_documents::get(call, &OWNERSHIP)),
        PutBucketOwnershipControls => Box::pin(bucket_documents::put(call, document, &OWNERSHIP)),
        DeleteBucketOwnershipControls => Box::pin(bucket_documents::delete(call, &OWNERSHIP)),
        GetBucketEncryption => Box::pin(bucket_documents::get(call, &ENCRYPTION)),
        PutBucketEncryption => Box::pin(bucket_documents::put(call, document, &ENCRYPTION)),
        DeleteBucketEncryption => Box::pin(bucket_documents::delete(call, &ENCRYPTION)),
        GetBucketCors => Box::pin(bucket_documents::get(call, &CORS)),
        PutBucketCors => Box::pin(bucket_documents::put(call, document, &CORS)),
        DeleteBucketCors => Box::pin(bucket_documents::delete(call, &CORS)),
        GetBucketPolicy => Box::pin(bucket_policy::get(call)),
        PutBucketPolicy => Box::pin(bucket_policy::put(call, document)),
        DeleteBucketPolicy => Box::pin(bucket_policy::delete(call)),
        GetBucketPolicyStatus => Box::pin(bucket_policy::get_status(call)),
        GetBucketAcl => Box::pin(acls::get_bucket(call)),
        PutBucketAcl => Box::pin(acls::put_bucket(call, document)),
        GetObjectAcl => Box::pin(acls::get_object(call)),
        PutObjectAcl => Box::pin(acls::put_object(call, document)),
        GetObjectTagging => Box::pin(object_tagging::get(call)),
        PutObjectTagging => Box::pin(object_tagging::put(call, document)),
        DeleteObjectTagging => Box::pin(object_tagging::delete(call)),
        GetObjectAnnotation => Box::pin(object_annotation::get(call)),
        DeleteObjectAnnotation => Box::pin(object_annotation::delete(call)),
        ListObjectAnnotations => Box::pin(object_annotation::list(call)),
        GetObjectRetention => Box::pin(object_lock::get_retention(call)),
        PutObjectRetention => Box::pin(object_lock::put_retention(call, document)),
        GetObjectLegalHold => Box::pin(object_lock::get_legal_hold(call)),
        PutObjectLegalHold => Box::pin(object_lock::put_legal_hold(call, document)),
        _ => Box::pin(absent::answer(call)),
    }
}

/// Looks the object up that the request names; an absence is told to whoever may know of it.
async fn find(call: &Done) -> S3Result<ObjectInfo> {
    match call.authorized.store().head(call.authorized.address()?).await {
        Ok(info) => Ok(info),
        Err(error) => Err(call.authorized.hide_absence(error.into()).await),
    }
}

/// Opens the object that the request names, likewise.
async fn open(call: &Done) -> S3Result<Box<dyn ObjectReader>> {
    match call.authorized.store().get(call.authorized.address()?).await {
        Ok(reader) => Ok(reader),
        Err(error) => Err(call.authorized.hide_absence(error.into()).await),
    }
}

/// Changes what lies beside the bytes of the object that the request names.
async fn amend(call: &Done, amendment: Amendment) -> S3Result<ObjectInfo> {
    let address = call.authorized.address()?;
    let request = AmendRequest { address, condition: WriteCondition::None, amendment };
    match call.authorized.store().amend(request).await {
        Ok(info) => Ok(info),
        Err(error) => Err(call.authorized.hide_absence(error.into()).await),
    }
}

/// The upload that a request names; one that cannot be is one that is not there.
fn upload_id(authorized: &Authorized) -> S3Result<UploadId> {
    Ok(UploadId::parse(authorized.head().query.get("uploadId").unwrap_or(""))?)
}

/// The part number that a request names.
fn part_number(authorized: &Authorized) -> S3Result<u16> {
    let text = authorized.head().query.get("partNumber").unwrap_or("");
    let number = text.parse().ok().filter(|number| (1..=10_000_u16).contains(number));
    number.ok_or_else(|| {
        S3Error::new(
            &codes::INVALID_ARGUMENT,
            "Part number must be an integer between 1 and 10000, inclusive.",
        )
        .with("ArgumentName", "partNumber")
    })
}

/// Writes an account: its id, and its name where it is known.
fn write_account(xml: &mut XmlWriter, element: &str, canonical_id: &str, call: &Done) {
    xml.open(element);
    xml.text("ID", canonical_id);
    let name = call.authorized.accounts().display_name(canonical_id);
    xml.text_if("DisplayName", name.as_deref());
    xml.close(element);
}
