//! CreateBucket: `PUT /bucket`.

use super::Done;
use super::new_object::check_public;
use crate::acl::{self, Acl};
use crate::auth::settings::{BucketSettings, document};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::text;
use crate::response::{self, S3Response, text_value};
use crate::tags::{self, Tags};
use crate::xml::bodies;
use crate::xml::settings::Ownership;
use bytes::Bytes;
use engine::object::{
    BucketInfo, BucketRules, BucketState, CreateBucketRequest, StoreError, Versioning,
};
use http::StatusCode;
use http::header::LOCATION;

pub(super) async fn answer(call: Done, document: Bytes) -> S3Result<S3Response> {
    let asked = bodies::parse_create_bucket(&document)?;
    // An empty constraint is us-east-1, which clients take for "wherever this is".
    let constraint = asked.location.unwrap_or_default();
    let region = call.config.region.as_ref();
    if !constraint.is_empty() && region.is_some_and(|region| *region != constraint) {
        return Err((&codes::ILLEGAL_LOCATION_CONSTRAINT).into());
    }
    let bucket = call.authorized.bucket();
    let location = text_value(&format!("/{bucket}"));
    let owner = call.authorized.caller_id().to_owned();
    let request = CreateBucketRequest {
        rules: rules(&call)?,
        documents: documents(&call, &owner, &asked.tags)?,
        bucket,
        owner: owner.clone(),
    };
    let created = call.authorized.store().create_bucket(request).await;
    created.map_err(|error| match error {
        StoreError::BucketExists { owner: other } if other != owner => {
            (&codes::BUCKET_ALREADY_EXISTS).into()
        }
        error => S3Error::from(error),
    })?;
    let mut response = response::empty(StatusCode::OK);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

fn rules(call: &Done) -> S3Result<BucketRules> {
    let header = text(&call.authorized.head().headers, "x-amz-bucket-object-lock-enabled")?;
    let has_lock = header.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let versioning = if has_lock { Versioning::Enabled } else { Versioning::Off };
    Ok(BucketRules { versioning, has_lock, retention: None })
}

/// What a new bucket is configured with: the defaults of the server, and what the request says.
fn documents(call: &Done, owner: &str, tags: &Tags) -> S3Result<Vec<(String, String)>> {
    let headers = &call.authorized.head().headers;
    let defaults = &call.config.new_buckets;
    let ownership = match text(headers, "x-amz-object-ownership")? {
        None => defaults.ownership,
        Some(name) => Ownership::named(name).ok_or_else(|| {
            S3Error::new(&codes::INVALID_ARGUMENT, "Invalid x-amz-object-ownership header")
                .with("ArgumentName", "x-amz-object-ownership")
        })?,
    };
    let mut documents = vec![(document::OWNERSHIP.to_owned(), ownership.write())];
    let mut add = |name: &str, text: String| documents.push((name.to_owned(), text));
    add(document::PUBLIC_ACCESS_BLOCK, defaults.block.write());
    if !tags.is_empty() {
        add(document::TAGGING, tags::write_document(tags));
    }
    let accounts = call.authorized.accounts();
    let acl = acl::of_headers(headers, owner, owner, accounts)?;
    if let Some(acl) = acl.filter(|acl| *acl != Acl::private(owner)) {
        if ownership == Ownership::BucketOwnerEnforced {
            return Err((&codes::INVALID_BUCKET_ACL).into());
        }
        check_public(&settings(call, &documents)?, &acl)?;
        documents.push((document::ACL.to_owned(), acl.to_note()));
    }
    Ok(documents)
}

/// The settings that a new bucket would have.
fn settings(call: &Done, documents: &[(String, String)]) -> S3Result<BucketSettings> {
    let owner = call.authorized.caller_id().to_owned();
    let info = BucketInfo { name: call.authorized.bucket(), created: 0, owner };
    let (rules, documents) = (BucketRules::default(), documents.to_vec());
    BucketSettings::read(BucketState { info, incarnation: 0, revision: 0, rules, documents })
}
