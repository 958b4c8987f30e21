//! Entity tags: the model numbers its values, S3 makes tags of the bytes. This is the dictionary
//! between both; it outlives the processes of the store.
//!
//! - T1: bodies are so long that no two of a run have the same bytes.

use bytes::Bytes;
use engine::object::ETag;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a numbered value.
#[derive(Clone, Default)]
struct Word {
    /// The tags that it may have, until one of them is told: appends leave an object of parts, or,
    /// where versions are kept, a plain one.
    tags: Vec<String>,
    /// Its bytes.
    pieces: Vec<Bytes>,
    /// The body that its metadata name, if they do.
    described_by: Option<u32>,
}

#[derive(Default)]
struct Words {
    /// Numbers by tag.
    numbers: BTreeMap<String, String>,
    /// What is known by number.
    known: BTreeMap<String, Word>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Tags(Arc<Mutex<Words>>);

impl Tags {
    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn word_of(&self, number: &str) -> Word {
        self.words().known.get(number).cloned().unwrap_or_default()
    }

    fn learn(&self, number: &ETag, word: Word) {
        let mut words = self.words();
        for tag in &word.tags {
            words.numbers.insert(tag.clone(), number.0.clone());
        }
        words.known.insert(number.0.clone(), word);
    }

    /// Learns the tag of a body.
    pub(super) fn learn_body(&self, number: &ETag, bytes: &Bytes) {
        let described_by = u32::from_str_radix(&number.0, 16).ok();
        let tags = vec![hex::encode(Md5::digest(bytes))];
        self.learn(number, Word { tags, pieces: vec![bytes.clone()], described_by });
    }

    /// Learns the tag of an object that is made of parts: the digest of their digests.
    pub(super) fn learn_parts(&self, number: &ETag, parts: &[ETag]) {
        let (mut digest, mut pieces) = (Md5::new(), Vec::new());
        for part in parts {
            digest.update(hex::decode(self.tag_of(&part.0)).unwrap_or_default());
            pieces.extend(self.word_of(&part.0).pieces);
        }
        let tags = vec![format!("{}-{}", hex::encode(digest.finalize()), parts.len())];
        self.learn(number, Word { tags, pieces, described_by: None });
    }

    /// Learns the tags of what becomes of a value that is appended to; of nothing, the empty one.
    pub(super) fn learn_append(&self, number: &ETag, base: &ETag, bytes: &Bytes) {
        let Word { tags, mut pieces, described_by } = self.word_of(&base.0);
        let appended = hex::encode(Md5::digest(bytes));
        let joined = |tag: &String| {
            let digest = Md5::digest(format!("{tag}+{appended}"));
            format!("{}-{}", hex::encode(digest), parts_of(tag).max(1) + 1)
        };
        let mut tags: Vec<String> = tags.iter().map(joined).collect();
        pieces.push(bytes.clone());
        let whole = pieces.iter().fold(Md5::new(), |digest, piece| digest.chain_update(piece));
        tags.push(hex::encode(whole.finalize()));
        self.learn(number, Word { tags, pieces, described_by });
    }

    /// Bytes of a numbered value, if it was ever sent.
    pub(super) fn size_of(&self, number: &str) -> Option<u64> {
        let words = self.words();
        let pieces = &words.known.get(number)?.pieces;
        Some(pieces.iter().map(|piece| piece.len() as u64).sum())
    }

    /// The body that the metadata of a numbered value name.
    pub(super) fn described_by(&self, number: &str) -> Option<u32> {
        self.word_of(number).described_by
    }

    /// Whether a numbered value may have one of several tags.
    pub(super) fn is_unsure(&self, number: &str) -> bool {
        self.word_of(number).tags.len() > 1
    }

    /// The tag of a numbered value; of an unknown one something that is none.
    pub(super) fn tag_of(&self, number: &str) -> String {
        let known = self.word_of(number).tags.into_iter().next();
        known.unwrap_or_else(|| format!("none-{number}"))
    }

    /// The number of a tag that was told, with or without quotes, and the parts that it says; a tag
    /// that nobody sent stays as it is.
    pub(super) fn number_of(&self, tag: &str) -> (ETag, u32) {
        let tag = tag.trim_matches('"').replace("&quot;", "");
        let part_count = parts_of(&tag);
        let mut words = self.words();
        let Some(number) = words.numbers.get(&tag).cloned() else {
            return (ETag(tag), part_count);
        };
        if let Some(word) = words.known.get_mut(&number) {
            word.tags = vec![tag];
        }
        (ETag(number), part_count)
    }
}

/// Parts that a tag says; 0 for a plain object.
fn parts_of(tag: &str) -> u32 {
    tag.split_once('-').and_then(|(_, count)| count.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_numbers_are_two_ways_of_one_thing() {
        let tags = Tags::default();
        let [first, second, whole] = ["1", "2", "3"].map(|number| ETag(number.to_owned()));
        tags.learn_body(&first, &Bytes::from_static(b"a"));
        tags.learn_body(&second, &Bytes::from_static(b"b"));
        tags.learn_parts(&whole, &[first.clone(), second]);
        assert_eq!(tags.tag_of("1"), "0cc175b9c0f1b6a831c399e269772661");
        assert_eq!(tags.number_of("\"0cc175b9c0f1b6a831c399e269772661\""), (first, 0));
        assert_eq!(tags.tag_of("3"), "96e024ba2074fe77e8e965ba43a704be-2");
        assert_eq!(tags.number_of(&tags.tag_of("3")), (whole, 2));
        assert_eq!(tags.number_of("unknown").0.0, "unknown");
    }

    #[test]
    fn an_append_has_one_of_two_tags_until_it_is_told() {
        let tags = Tags::default();
        let [base, longer] = ["1", "2"].map(|number| ETag(number.to_owned()));
        tags.learn_body(&base, &Bytes::from_static(b"a"));
        tags.learn_append(&longer, &base, &Bytes::from_static(b"b"));
        assert!(tags.is_unsure("2") && !tags.is_unsure("1"));
        assert_eq!((tags.size_of("2"), tags.described_by("2")), (Some(2), Some(1)));
        let whole = hex::encode(Md5::digest(b"ab"));
        assert_eq!(tags.number_of(&whole), (longer, 0));
        assert_eq!(tags.tag_of("2"), whole);
        assert!(!tags.is_unsure("2"));
    }
}
