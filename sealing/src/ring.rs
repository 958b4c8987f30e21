//! Named keys in versions, under one root key: what seals the keys of objects.
//!
//! - R1: a key is sealed under the newest version of the name; what older versions sealed opens as
//!   long as the ring has them, and it never forgets one.
//! - R2: the root key itself answers to its own name, as version 0; so a ring without any entry
//!   works, and its document is empty.

use crate::SealError;
use crate::seal::{self, SALT_LEN};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Versions of all keys together that a ring has at most.
pub const VERSIONS_MAX: usize = 1000;

/// Longest name of a key.
const NAME_LEN_MAX: usize = 128;

/// The first line of a ring's document.
const DOCUMENT_HEAD: &str = "stave keys 1";

/// Whether a text may name a key.
pub fn is_name(name: &str) -> bool {
    let is_name_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(is_name_byte)
}

/// The key that everything is under; it is never stored.
#[derive(Clone, Debug)]
pub struct RootKey {
    name: String,
    key: Secret,
}

impl RootKey {
    /// Reads `name:base64`, as MinIO has it; the base64 is of 32 bytes.
    ///
    /// # Errors
    /// `KeyName`, `Format`.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let (name, key) = text.trim().split_once(':').ok_or(SealError::Format)?;
        if !is_name(name) {
            return Err(SealError::KeyName);
        }
        Ok(Self { name: name.to_owned(), key: Secret::parse(key)? })
    }

    /// Its name, which is that of the key that is used where none is named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that seals the versions of a name.
    fn over(&self, name: &str) -> Secret {
        self.key.derive("stave ring", name.as_bytes())
    }

    fn version_0(&self) -> Secret {
        self.key.derive("stave key", self.name.as_bytes())
    }
}

/// One version of a named key.
#[derive(Clone, Debug)]
struct Version {
    key: Secret,
    /// As the document has it.
    sealed: String,
    created_ms: u64,
}

/// The named keys.
#[derive(Clone, Debug)]
pub struct KeyRing {
    root: RootKey,
    /// By name, versions from 1 on.
    keys: BTreeMap<String, Vec<Version>>,
}

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub name: String,
    /// Its newest version, from 0 for the root key's own and from 1 for others.
    pub version: u32,
    /// Milliseconds since 1970 at which that version was made; `None` for the root key.
    pub created_ms: Option<u64>,
}

impl KeyRing {
    /// The ring under a root key whose document this is; an empty one is a ring without entries.
    ///
    /// # Errors
    /// `Closed` under another root key; `Format`.
    pub fn parse(root: RootKey, document: &str) -> Result<Self, SealError> {
        let mut ring = Self { root, keys: BTreeMap::new() };
        let mut lines = document.lines();
        if lines.next().is_some_and(|head| head != DOCUMENT_HEAD) {
            return Err(SealError::Format);
        }
        for line in lines {
            let fields: Vec<&str> = line.split(' ').collect();
            let [name, version, created_ms, sealed] = fields[..] else {
                return Err(SealError::Format);
            };
            let versions = ring.keys.entry(name.to_owned()).or_default();
            let number = versions.len() + 1;
            let created_ms = created_ms.parse().map_err(|_| SealError::Format)?;
            if !is_name(name) || version.parse() != Ok(number) {
                return Err(SealError::Format);
            }
            let key = seal::open(&ring.root.over(name), sealed, &binding_of(name, number))?;
            versions.push(Version { key, sealed: sealed.to_owned(), created_ms });
        }
        Ok(ring)
    }

    /// The document of the ring: a line for each version, sealed.
    pub fn document(&self) -> String {
        let mut text = format!("{DOCUMENT_HEAD}\n");
        for (name, versions) in &self.keys {
            for (index, Version { sealed, created_ms, .. }) in versions.iter().enumerate() {
                let version = index + 1;
                // Writing into a `String` does not fail.
                let _ = writeln!(text, "{name} {version} {created_ms} {sealed}");
            }
        }
        text
    }

    /// Name of the key that is used where none is named.
    pub fn default_name(&self) -> &str {
        self.root.name()
    }

    /// Makes a key.
    ///
    /// # Errors
    /// `KeyExists`, `KeyName`, `Cipher`.
    pub fn create(
        &mut self,
        name: &str,
        now_ms: u64,
        fill: impl Fn(&mut [u8]),
    ) -> Result<(), SealError> {
        if name == self.root.name || self.keys.contains_key(name) {
            return Err(SealError::KeyExists);
        }
        self.add(name, now_ms, fill)
    }

    /// Makes a new version of a key, under which everything is sealed from now on.
    ///
    /// # Errors
    /// `NoSuchKey`, `KeyName`, `Cipher`.
    pub fn rotate(
        &mut self,
        name: &str,
        now_ms: u64,
        fill: impl Fn(&mut [u8]),
    ) -> Result<(), SealError> {
        if name != self.root.name && !self.keys.contains_key(name) {
            return Err(SealError::NoSuchKey);
        }
        self.add(name, now_ms, fill)
    }

    fn add(&mut self, name: &str, now_ms: u64, fill: impl Fn(&mut [u8])) -> Result<(), SealError> {
        let count: usize = self.keys.values().map(Vec::len).sum();
        if !is_name(name) || count >= VERSIONS_MAX {
            return Err(SealError::KeyName);
        }
        let key = Secret::random(&fill);
        let mut salt = [0; SALT_LEN];
        fill(&mut salt);
        let number = self.keys.get(name).map_or(0, Vec::len) + 1;
        let sealed = seal::seal(&self.root.over(name), &key, &binding_of(name, number), salt)?;
        let version = Version { key, sealed, created_ms: now_ms };
        self.keys.entry(name.to_owned()).or_default().push(version);
        Ok(())
    }

    /// All keys, by name.
    pub fn list(&self) -> Vec<KeyInfo> {
        let root = self.root.name.clone();
        let mut list =
            BTreeMap::from([(root.clone(), KeyInfo { name: root, version: 0, created_ms: None })]);
        for (name, versions) in &self.keys {
            let created_ms = versions.last().map(|version| version.created_ms);
            let info = KeyInfo { name: name.clone(), version: versions.len() as u32, created_ms };
            list.insert(name.clone(), info);
        }
        list.into_values().collect()
    }

    /// Seals a key under the newest version of a name (R1).
    ///
    /// # Errors
    /// `NoSuchKey`, `Cipher`.
    pub fn seal(
        &self,
        name: &str,
        secret: &Secret,
        binding: &[u8],
        salt: [u8; SALT_LEN],
    ) -> Result<String, SealError> {
        let number = self.keys.get(name).map_or(0, Vec::len);
        let sealed = seal::seal(&self.version(name, number)?, secret, binding, salt)?;
        Ok(format!("v{number}:{sealed}"))
    }

    /// Opens what any version of a name sealed.
    ///
    /// # Errors
    /// `NoSuchKey`, `Closed`, `Format`.
    pub fn open(&self, name: &str, sealed: &str, binding: &[u8]) -> Result<Secret, SealError> {
        let (version, sealed) = sealed.split_once(':').ok_or(SealError::Format)?;
        let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
        seal::open(&self.version(name, number.ok_or(SealError::Format)?)?, sealed, binding)
    }

    fn version(&self, name: &str, number: usize) -> Result<Secret, SealError> {
        let versions = self.keys.get(name);
        match number.checked_sub(1) {
            None if name == self.root.name => Ok(self.root.version_0()),
            None => Err(SealError::NoSuchKey),
            Some(index) => {
                let version = versions.and_then(|versions| versions.get(index));
                version.map(|version| version.key.clone()).ok_or(SealError::NoSuchKey)
            }
        }
    }
}

fn binding_of(name: &str, version: usize) -> Vec<u8> {
    format!("{name} {version}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn root(text: &str) -> RootKey {
        RootKey::parse(text).unwrap()
    }

    const ROOT: &str = "main:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const OTHER: &str = "main:IQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    fn filler() -> impl Fn(&mut [u8]) {
        let count = Cell::new(0_u8);
        move |buffer| {
            for byte in buffer {
                count.set(count.get().wrapping_add(1));
                *byte = count.get();
            }
        }
    }

    #[test]
    fn keys_of_all_versions_open_after_rotation_and_reading() {
        let fill = filler();
        let mut ring = KeyRing::parse(root(ROOT), "").unwrap();
        assert_eq!(ring.create("main", 5, &fill), Err(SealError::KeyExists));
        assert_eq!(ring.rotate("photos", 5, &fill), Err(SealError::NoSuchKey));
        ring.create("photos", 5, &fill).unwrap();
        let secret = Secret::new([9; 32]);
        let mut sealed = Vec::new();
        for name in ["main", "photos", "main", "photos"] {
            sealed.push((name, ring.seal(name, &secret, b"b/k", [7; SALT_LEN]).unwrap()));
            ring.rotate(name, 6, &fill).unwrap();
        }
        let again = KeyRing::parse(root(ROOT), &ring.document()).unwrap();
        for (name, sealed) in &sealed {
            assert_eq!(again.open(name, sealed, b"b/k"), Ok(secret.clone()));
            assert_eq!(again.open(name, sealed, b"b/l"), Err(SealError::Closed));
        }
        assert!(sealed[0].1.starts_with("v0:") && sealed[2].1.starts_with("v1:"));
        let versions: Vec<_> =
            again.list().into_iter().map(|key| (key.name, key.version)).collect();
        assert_eq!(versions, [("main".to_owned(), 2), ("photos".to_owned(), 3)]);
    }

    #[test]
    fn a_ring_opens_under_its_root_only_and_shows_no_key() {
        let fill = filler();
        let mut ring = KeyRing::parse(root(ROOT), "").unwrap();
        ring.create("photos", 5, &fill).unwrap();
        let error = KeyRing::parse(root(OTHER), &ring.document()).unwrap_err();
        assert_eq!(error, SealError::Closed);
        let shown = format!("{ring:?}");
        assert!(shown.contains("<redacted>") && !shown.contains("1, 2, 3"), "{shown}");
        for damaged in ["stave keys 2\n", "stave keys 1\nphotos 2 5 AAAA\n", "stave keys 1\nphotos"]
        {
            assert_eq!(KeyRing::parse(root(ROOT), damaged).unwrap_err(), SealError::Format);
        }
    }

    #[test]
    fn names_are_those_that_fit_headers_and_files() {
        for (text, error) in [
            ("main", SealError::Format),
            ("a b:AQID", SealError::KeyName),
            (":AQID", SealError::KeyName),
            ("main:AQID", SealError::Format),
        ] {
            assert_eq!(RootKey::parse(text).unwrap_err(), error, "{text}");
        }
        let mut ring = KeyRing::parse(root(ROOT), "").unwrap();
        assert_eq!(ring.create("a/b", 0, filler()), Err(SealError::KeyName));
    }
}
