#![no_main]
//! XML bodies of requests: no document makes a reader panic, and what is accepted keeps its bounds.

use libfuzzer_sys::fuzz_target;
use s3api::xml::bodies::{parse_complete, parse_create_bucket, parse_delete};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(constraint)) = parse_create_bucket(data) {
        assert!(constraint.len() <= data.len(), "no entity makes text longer");
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
});
