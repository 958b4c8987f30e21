//! Entity tags: the model numbers its values, S3 makes tags of the bytes. This is the dictionary
//! between both; it outlives the processes of the store.
//!
//! - T1: bodies are so long that no two of a run have the same bytes.

use super::defaults::DefaultEncryption;
use bytes::Bytes;
use engine::object::{BucketName, ETag, UploadId};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of an encrypted body that are looked for: its first ones, drawn from 2^128.
pub const NEEDLE_LEN: usize = 16;

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
pub(super) struct Words {
    /// Numbers by tag.
    numbers: BTreeMap<String, String>,
    /// What is known by number.
    known: BTreeMap<String, Word>,
    /// Numbers by the digest of all their bytes.
    wholes: BTreeMap<String, String>,
    /// Parts that were sent, by upload and number.
    sent: BTreeMap<(UploadId, u16), Vec<String>>,
    /// What no disk may hold.
    hidden: BTreeSet<[u8; NEEDLE_LEN]>,
    /// Reads under clients' keys.
    read_count: u64,
    /// What buckets encrypt by themselves.
    pub(super) defaults: BTreeMap<BucketName, DefaultEncryption>,
    /// Named keys that are known to be there.
    pub(super) keys: BTreeSet<&'static str>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Tags(Arc<Mutex<Words>>);

impl Tags {
    pub(super) fn words(&self) -> MutexGuard<'_, Words> {
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
        words.wholes.insert(digest_of(&word.pieces), number.0.clone());
        words.known.insert(number.0.clone(), word);
    }

    /// Learns a body, and its tag if that follows from it.
    pub(super) fn learn_body(&self, number: &ETag, bytes: &Bytes, hides_tag: bool) {
        let described_by = u32::from_str_radix(&number.0, 16).ok();
        let tags = if hides_tag { Vec::new() } else { vec![hex::encode(Md5::digest(bytes))] };
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

    /// Learns what becomes of a value that is appended to, or of nothing, the empty one, and the
    /// tags that it may have, if they follow from it.
    pub(super) fn learn_append(
        &self,
        number: &ETag,
        base: &ETag,
        (bytes, hides_tag): (&Bytes, bool),
    ) {
        let Word { tags, mut pieces, described_by } = self.word_of(&base.0);
        let appended = hex::encode(Md5::digest(bytes));
        let joined = |tag: &String| {
            let digest = Md5::digest(format!("{tag}+{appended}"));
            format!("{}-{}", hex::encode(digest), parts_of(tag).max(1) + 1)
        };
        let mut tags: Vec<String> = tags.iter().map(joined).collect();
        pieces.push(bytes.clone());
        tags.push(digest_of(&pieces));
        if hides_tag {
            tags.clear();
        }
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

    /// Whether nobody was told which tag a numbered value has, and it follows from nothing.
    pub(super) fn is_unsure(&self, number: &str) -> bool {
        self.words().known.get(number).is_some_and(|word| word.tags.len() != 1)
    }

    /// Whether it is known whose tag one is.
    pub(super) fn is_known(&self, tag: &str) -> bool {
        self.words().numbers.contains_key(tag)
    }

    /// A value that hides its tag was told to have that one. `false`: it hides nothing.
    pub(super) fn tell(&self, number: &ETag, tag: &str) -> bool {
        let tag = tag.trim_matches('"').to_owned();
        let mut words = self.words();
        let Some(word) = words.known.get_mut(&number.0) else { return true };
        let is_hidden = digest_of(&word.pieces) != tag;
        word.tags = vec![tag.clone()];
        words.numbers.insert(tag, number.0.clone());
        is_hidden
    }

    /// A tag is that of those bytes.
    pub(super) fn learn_bytes(&self, tag: &str, bytes: &[u8]) {
        let number = self.words().wholes.get(&hex::encode(Md5::digest(bytes))).cloned();
        if let Some(number) = number {
            self.tell(&ETag(number), tag);
        }
    }

    /// A part is on its way.
    pub(super) fn send_part(&self, place: (UploadId, u16), number: &ETag) {
        self.words().sent.entry(place).or_default().push(number.0.clone());
    }

    /// A tag is that of a part that was sent: of the one of that length that has none yet.
    pub(super) fn learn_sent(&self, place: (UploadId, u16), size: u64, tag: &str) -> bool {
        let sent = self.words().sent.get(&place).cloned().unwrap_or_default();
        let is_it = |number: &&String| self.is_unsure(number) && self.size_of(number) == Some(size);
        let candidates: Vec<&String> = sent.iter().filter(is_it).collect();
        let [number] = candidates[..] else { return false };
        self.tell(&ETag(number.clone()), tag)
    }

    /// No disk may hold bytes that begin so.
    pub(super) fn hide(&self, bytes: &[u8]) {
        if let Some(needle) = bytes.first_chunk() {
            self.words().hidden.insert(*needle);
        }
    }

    /// What no disk may hold.
    pub fn hidden(&self) -> BTreeSet<[u8; NEEDLE_LEN]> {
        self.words().hidden.clone()
    }

    /// Counts reads under clients' keys.
    pub(super) fn count_read(&self) -> u64 {
        let mut words = self.words();
        words.read_count += 1;
        words.read_count
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

/// The digest of bytes in pieces.
fn digest_of(pieces: &[Bytes]) -> String {
    let digest = pieces.iter().fold(Md5::new(), |digest, piece| digest.chain_update(piece));
    hex::encode(digest.finalize())
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
        tags.learn_body(&first, &Bytes::from_static(b"a"), false);
        tags.learn_body(&second, &Bytes::from_static(b"b"), false);
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
        tags.learn_body(&base, &Bytes::from_static(b"a"), false);
        tags.learn_append(&longer, &base, (&Bytes::from_static(b"b"), false));
        assert!(tags.is_unsure("2") && !tags.is_unsure("1"));
        assert_eq!((tags.size_of("2"), tags.described_by("2")), (Some(2), Some(1)));
        let whole = hex::encode(Md5::digest(b"ab"));
        assert_eq!(tags.number_of(&whole), (longer, 0));
        assert_eq!(tags.tag_of("2"), whole);
        assert!(!tags.is_unsure("2"));
    }
}
