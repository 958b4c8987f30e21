//! ListBuckets: `GET /`, page by page where `max-buckets` asks for it.

use super::listing::{invalid, non_empty, read_token, write_token};
use super::{Done, write_account};
use crate::auth::accounts::Role;
use crate::error::S3Result;
use crate::headers::date::format_iso;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;

/// Buckets of one page.
const BUCKETS_MAX: usize = 10_000;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let prefix = call.query("prefix").unwrap_or("");
    let limit = limit(&call)?;
    let after = non_empty(&call, "continuation-token").map(read_token).transpose()?;
    let region = non_empty(&call, "bucket-region");
    let is_here = region.is_none_or(|region| region == call.config.region_name());
    let caller = call.authorized.caller_id().to_owned();
    let sees_all = call.authorized.caller().is_some_and(|it| it.role == Role::Operator);
    let mut buckets = call.authorized.store().list_buckets().await?;
    buckets.retain(|bucket| {
        is_here
            && (sees_all || bucket.owner == caller)
            && bucket.name.as_str().starts_with(prefix)
            && after.as_deref().is_none_or(|after| bucket.name.as_str() > after)
    });
    let is_truncated = buckets.len() > limit;
    buckets.truncate(limit);
    let mut xml = XmlWriter::root("ListAllMyBucketsResult");
    write_account(&mut xml, "Owner", &caller, &call);
    xml.open("Buckets");
    for bucket in &buckets {
        xml.open("Bucket");
        xml.text("Name", bucket.name.as_str());
        xml.text("CreationDate", &format_iso(bucket.created));
        xml.text("BucketRegion", call.config.region_name());
        xml.close("Bucket");
    }
    xml.close("Buckets");
    if call.query("prefix").is_some() {
        xml.text("Prefix", prefix);
    }
    if let Some(last) = buckets.last().filter(|_| is_truncated) {
        xml.text("ContinuationToken", &write_token(last.name.as_str()));
    }
    xml.close("ListAllMyBucketsResult");
    Ok(response::xml(xml.finish()))
}

fn limit(call: &Done) -> S3Result<usize> {
    let Some(text) = non_empty(call, "max-buckets") else {
        return Ok(BUCKETS_MAX);
    };
    let count = text.parse().ok().filter(|count| (1..=BUCKETS_MAX).contains(count));
    count.ok_or_else(|| {
        invalid("max-buckets", "Argument max-buckets must be an integer between 1 and 10000")
    })
}
