//! Entity tags: the model numbers its values, S3 makes tags of the bytes. This is the dictionary
//! between both; it outlives the processes of the store.
//!
//! - T1: bodies are so long that no two of a run have the same bytes.

use engine::object::ETag;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Words {
    /// Numbers by tag.
    numbers: BTreeMap<String, String>,
    /// Tags by number.
    tags: BTreeMap<String, String>,
    /// Bytes by number.
    sizes: BTreeMap<String, u64>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Tags(Arc<Mutex<Words>>);

impl Tags {
    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, number: &ETag, tag: String, size: u64) {
        let mut words = self.words();
        words.sizes.insert(number.0.clone(), size);
        words.numbers.insert(tag.clone(), number.0.clone());
        words.tags.insert(number.0.clone(), tag);
    }

    /// Learns the tag of a body.
    pub(super) fn learn_body(&self, number: &ETag, bytes: &[u8]) {
        self.learn(number, hex::encode(Md5::digest(bytes)), bytes.len() as u64);
    }

    /// Learns the tag of an object that is made of parts: the digest of their digests.
    pub(super) fn learn_parts(&self, number: &ETag, parts: &[ETag]) {
        let mut digest = Md5::new();
        for part in parts {
            digest.update(hex::decode(self.tag_of(&part.0)).unwrap_or_default());
        }
        let size = parts.iter().map(|part| self.size_of(&part.0)).sum();
        self.learn(number, format!("{}-{}", hex::encode(digest.finalize()), parts.len()), size);
    }

    /// Bytes of a numbered value.
    pub(super) fn size_of(&self, number: &str) -> u64 {
        self.words().sizes.get(number).copied().unwrap_or_default()
    }

    /// The tag of a numbered value; of an unknown one something that is none.
    pub(super) fn tag_of(&self, number: &str) -> String {
        self.words().tags.get(number).cloned().unwrap_or_else(|| format!("none-{number}"))
    }

    /// The number of a tag, with or without quotes, and the parts that it says; a tag that nobody
    /// sent stays as it is.
    pub(super) fn number_of(&self, tag: &str) -> (ETag, u32) {
        let tag = tag.trim_matches('"').replace("&quot;", "");
        let part_count = tag.split_once('-').and_then(|(_, count)| count.parse().ok());
        let number = self.words().numbers.get(&tag).cloned().unwrap_or(tag);
        (ETag(number), part_count.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_numbers_are_two_ways_of_one_thing() {
        let tags = Tags::default();
        let [first, second, whole] = ["1", "2", "3"].map(|number| ETag(number.to_owned()));
        tags.learn_body(&first, b"a");
        tags.learn_body(&second, b"b");
        tags.learn_parts(&whole, &[first.clone(), second]);
        assert_eq!(tags.tag_of("1"), "0cc175b9c0f1b6a831c399e269772661");
        assert_eq!(tags.number_of("\"0cc175b9c0f1b6a831c399e269772661\""), (first, 0));
        assert_eq!(tags.tag_of("3"), "96e024ba2074fe77e8e965ba43a704be-2");
        assert_eq!(tags.number_of(&tags.tag_of("3")), (whole, 2));
        assert_eq!(tags.number_of("unknown").0.0, "unknown");
    }
}
