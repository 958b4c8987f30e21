#![no_main]
//! Names of buckets, keys and uploads: whatever is accepted keeps its text.

use engine::object::{AnnotationName, BucketName, ObjectKey, UploadId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = BucketName::new(text) {
        assert_eq!(name.as_str(), text);
        assert!((3..=63).contains(&text.len()));
    }
    if let Ok(key) = ObjectKey::new(text) {
        assert_eq!(key.as_str(), text);
    }
    if let Ok(name) = AnnotationName::new(text) {
        assert_eq!(name.as_str(), text);
        assert!((1..=512).contains(&text.len()));
    }
    if let Ok(id) = UploadId::parse(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
});
