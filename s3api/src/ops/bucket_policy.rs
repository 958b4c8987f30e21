//! Bucket policies: `/bucket?policy`, `/bucket?policyStatus`.

use super::Done;
use super::bucket_documents::set;
use crate::auth::settings::document;
use crate::error::{S3Error, S3Result, codes};
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use bytes::Bytes;
use http::StatusCode;
use iam::{
    AccessRequest, BUCKET_POLICY_LEN_MAX, Context, Kind, Policy, Principal, Standing, Verdict,
};

pub(super) async fn get(call: Done) -> S3Result<S3Response> {
    match call.authorized.settings().state.document(document::POLICY) {
        Some(text) => Ok(response::json(text.to_owned())),
        None => Err((&codes::NO_SUCH_BUCKET_POLICY).into()),
    }
}

pub(super) async fn put(call: Done, document: Bytes) -> S3Result<S3Response> {
    let bucket = call.authorized.bucket();
    let kind = Kind::Bucket { bucket: bucket.as_str() };
    let malformed =
        |error: iam::PolicyError| S3Error::new(&codes::MALFORMED_POLICY, error.to_string());
    let policy = Policy::parse(&document, kind, BUCKET_POLICY_LEN_MAX).map_err(malformed)?;
    policy.check_keys().map_err(malformed)?;
    let block = call.authorized.settings().block;
    if block.blocks_policy && policy.is_public() {
        let message = "Access Denied: public policies are blocked by the BlockPublicPolicy block \
                       public access setting.";
        return Err(S3Error::new(&codes::ACCESS_DENIED, message));
    }
    let text = String::from_utf8(document.to_vec())
        .map_err(|_| S3Error::from(&codes::MALFORMED_POLICY))?;
    confirm_self_lockout(&call, &policy)?;
    set(&call, document::POLICY, Some(text)).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Whoever would not be able to change the policy again must say so. The root of the bucket's
/// account always can.
fn confirm_self_lockout(call: &Done, policy: &Policy) -> S3Result<()> {
    let header = call.authorized.head().headers.get("x-amz-confirm-remove-self-bucket-access");
    let is_confirmed = header.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    let Some(caller) = call.authorized.caller().filter(|_| !is_confirmed) else {
        return Ok(());
    };
    let is_root = |principal: &Principal| match principal {
        Principal::User(user) => user.standing == Standing::Root,
        Principal::Anonymous => false,
    };
    let resource = format!("arn:aws:s3:::{}", call.authorized.bucket());
    let context = Context::of(&caller.principal);
    let request = AccessRequest {
        principal: &caller.principal,
        action: "s3:PutBucketPolicy",
        resource: &resource,
        context: &context,
    };
    if !is_root(&caller.principal) && policy.judge(&request) == Verdict::Deny {
        let message = "The policy would keep you from changing it again; \
                       x-amz-confirm-remove-self-bucket-access confirms that.";
        return Err(S3Error::new(&codes::ACCESS_DENIED, message));
    }
    Ok(())
}

pub(super) async fn delete(call: Done) -> S3Result<S3Response> {
    set(&call, document::POLICY, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn get_status(call: Done) -> S3Result<S3Response> {
    let settings = call.authorized.settings();
    let Some(policy) = &settings.policy else {
        return Err((&codes::NO_SUCH_BUCKET_POLICY).into());
    };
    let mut xml = XmlWriter::root("PolicyStatus");
    let is_restricted = settings.block.restricts_buckets;
    xml.text("IsPublic", if policy.is_public() && !is_restricted { "TRUE" } else { "FALSE" });
    xml.close("PolicyStatus");
    Ok(response::xml(xml.finish()))
}
