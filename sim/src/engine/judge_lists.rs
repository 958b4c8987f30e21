//! The judge of listings: of buckets, keys, uploads and parts.

use super::body::{Piece, etag};
use super::client::{bucket_name, key_name};
use super::judge::{Judge, Verdict, broken};
use super::model::Existence;
use super::plan::{BucketNumber, Request, Slot};
use engine::object::{ListEntry, PartInfo, UploadInfo};
use std::collections::{BTreeMap, BTreeSet};

impl Judge<'_> {
    pub(super) fn buckets(&self, names: &[String]) -> Verdict {
        for (number, bucket) in &self.model.buckets {
            let is_shown = names.contains(&bucket_name(*number).to_string());
            let shown = if is_shown { Existence::Live } else { Existence::Gone };
            if bucket.existence != Existence::Unsure && bucket.existence != shown {
                return broken(format!("K3: bucket {number} is {:?}: {names:?}", bucket.existence));
            }
        }
        Ok(())
    }

    pub(super) fn parts(&mut self, upload: usize, parts: &[PartInfo]) -> Verdict {
        let model = &mut self.model.uploads[upload];
        if model.existence == Existence::Gone {
            return broken(format!("K8: upload {upload} is still there"));
        }
        let shown: BTreeMap<u16, &PartInfo> =
            parts.iter().map(|part| (part.number, part)).collect();
        for (number, states) in &mut model.parts {
            let part = shown.get(number);
            let is_it = |state: &Option<Piece>| match (state, part) {
                (None, None) => true,
                (Some(piece), Some(part)) => {
                    part.etag == etag(piece.body) && part.size == u64::from(piece.len)
                }
                _ => false,
            };
            if !states.iter().any(is_it) {
                return broken(format!("K8: part {number} of {upload}: {part:?}, not {states:?}"));
            }
        }
        match shown.keys().find(|number| !model.parts.contains_key(number)) {
            Some(number) => broken(format!("K8: part {number} of {upload} was never written")),
            None => Ok(()),
        }
    }

    pub(super) fn uploads(&mut self, bucket: BucketNumber, found: &[UploadInfo]) -> Verdict {
        for (index, upload) in self.model.uploads.iter().enumerate() {
            let is_shown = found.iter().any(|info| info.upload_id == upload.id);
            let is_wrong = match upload.existence {
                _ if upload.slot.bucket != bucket => is_shown,
                Existence::Live => !is_shown,
                Existence::Gone => is_shown,
                Existence::Unsure => false,
            };
            if is_wrong {
                return broken(format!("K8: upload {index} is {:?}", upload.existence));
            }
        }
        for info in found {
            if self.model.uploads.iter().any(|upload| upload.id == info.upload_id) {
                continue;
            }
            let model = self.model.buckets.get_mut(&bucket);
            let keys = model.map(|bucket| &mut bucket.phantoms);
            let phantom = keys.and_then(|keys| {
                keys.iter_mut().find(|(key, left)| key_name(**key) == info.key && **left > 0)
            });
            let Some((key, left)) = phantom else {
                return broken(format!("K8: nobody began upload {info:?}"));
            };
            *left -= 1;
            let slot = Slot { bucket, key: *key };
            self.begin_upload(slot, info.upload_id);
        }
        Ok(())
    }

    /// K3: a listing shows what is there, in order, once.
    pub(super) fn listing(
        &mut self,
        bucket: BucketNumber,
        is_rolled: bool,
        found: &[ListEntry],
    ) -> Verdict {
        if !found.windows(2).all(|pair| pair[0].name() < pair[1].name()) {
            return broken("K3: a listing is out of order or repeats");
        }
        let slots: BTreeMap<String, Slot> = self
            .model
            .objects
            .keys()
            .filter(|slot| slot.bucket == bucket)
            .map(|slot| (key_name(slot.key).as_str().to_owned(), *slot))
            .collect();
        let mut objects = BTreeMap::new();
        let mut prefixes = BTreeSet::new();
        for entry in found {
            match entry {
                ListEntry::Object(info) => objects.insert(info.key.as_str(), info),
                ListEntry::Prefix(prefix) => {
                    prefixes.insert(prefix.as_str());
                    None
                }
            };
        }
        let request = Request::List { bucket, limit: 0, is_rolled };
        if let Some(name) = objects.keys().find(|name| !slots.contains_key(**name)) {
            return broken(format!("K3: {request}: nobody wrote {name}"));
        }
        let mut rolled: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        for (name, slot) in &slots {
            match name.split_once('/').filter(|_| is_rolled) {
                Some((folder, _)) => {
                    let possible = self.model.object(*slot).possible();
                    let entry = rolled.entry(format!("{folder}/")).or_default();
                    entry.0 |= !possible.contains(&None);
                    entry.1 |= possible.iter().any(Option::is_some);
                }
                None => match objects.get(name.as_str()) {
                    Some(info) => self.object(*slot, info, &request)?,
                    None => self.observe(*slot, None, &request)?,
                },
            }
        }
        check_prefixes(&prefixes, &rolled)
    }
}

/// Each common prefix by whether it must show and whether it may.
fn check_prefixes(shown: &BTreeSet<&str>, rolled: &BTreeMap<String, (bool, bool)>) -> Verdict {
    for (prefix, (must, may)) in rolled {
        let is_shown = shown.contains(prefix.as_str());
        if (is_shown && !may) || (!is_shown && *must) {
            return broken(format!("K3: the prefix {prefix} is shown: {is_shown}"));
        }
    }
    match shown.iter().find(|prefix| !rolled.contains_key(**prefix)) {
        Some(prefix) => broken(format!("K3: nothing was ever written below {prefix}")),
        None => Ok(()),
    }
}
