#![no_main]
//! XML bodies of requests: no document makes a reader panic, and what is accepted keeps its bounds
//! and comes back as it was written.

use libfuzzer_sys::fuzz_target;
use s3api::acl;
use s3api::cors::CorsRules;
use s3api::tags::{self, BUCKET_TAGS_MAX};
use s3api::xml::bodies::{parse_complete, parse_create_bucket, parse_delete};
use s3api::xml::encryption::BucketEncryption;
use s3api::xml::lock::{parse_configuration, parse_legal_hold, parse_retention, write_retention};
use s3api::xml::settings::{Ownership, PublicAccessBlock, parse_versioning, write_versioning};
use stave_fuzz::accounts::Everybody;

fuzz_target!(|data: &[u8]| {
    if let Ok(asked) = parse_create_bucket(data) {
        let len = asked.location.map_or(0, |location| location.len());
        assert!(len <= data.len(), "no entity makes text longer");
        assert!(asked.tags.len() <= BUCKET_TAGS_MAX);
    }
    if let Ok(request) = parse_delete(data) {
        assert!((1..=1000).contains(&request.entries.len()));
        assert!(request.entries.iter().map(|entry| entry.key.len()).sum::<usize>() <= data.len());
    }
    if let Ok(parts) = parse_complete(data) {
        assert!((1..=10_000).contains(&parts.len()));
        assert!(parts.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(parts.iter().all(|part| (1..=10_000).contains(&part.number)));
    }
    beside_objects(data);
    settings(data);
});

fn beside_objects(data: &[u8]) {
    if let Ok(tags) = tags::parse_document(data, BUCKET_TAGS_MAX) {
        let written = tags::write_document(&tags);
        assert_eq!(tags::parse_document(written.as_bytes(), BUCKET_TAGS_MAX).ok(), Some(tags));
    }
    if let Ok(Some(retention)) = parse_retention(data, 0) {
        let written = write_retention(retention);
        assert_eq!(parse_retention(written.as_bytes(), 0).ok().flatten(), Some(retention));
    }
    let _ = parse_legal_hold(data);
    if let Ok(acl) = acl::parse_document(data, "owner", &Everybody) {
        assert!(acl.grants.len() <= acl::GRANTS_MAX);
        let written = acl::write_document(&acl, &Everybody);
        let again = acl::parse_document(written.as_bytes(), "owner", &Everybody);
        assert_eq!(again.ok(), Some(acl));
    }
}

fn settings(data: &[u8]) {
    let _ = parse_configuration(data);
    if let Ok(versioning) = parse_versioning(data) {
        let written = write_versioning(versioning);
        assert_eq!(parse_versioning(written.as_bytes()).ok(), Some(versioning));
    }
    if let Ok(block) = PublicAccessBlock::parse(data) {
        assert_eq!(PublicAccessBlock::parse(block.write().as_bytes()).ok(), Some(block));
    }
    if let Ok(ownership) = Ownership::parse(data) {
        assert_eq!(Ownership::parse(ownership.write().as_bytes()).ok(), Some(ownership));
    }
    if let Ok(encryption) = BucketEncryption::parse(data) {
        let written = encryption.write();
        assert_eq!(BucketEncryption::parse(written.as_bytes()).ok(), Some(encryption));
    }
    if let Ok(rules) = CorsRules::parse(data) {
        assert_eq!(CorsRules::parse(rules.write().as_bytes()).ok(), Some(rules));
    }
}
