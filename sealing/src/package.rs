//! Bodies in packages: what is kept of an encrypted object or part.
//!
//! ```text
//! body    = package, package, ..., last package        (an empty body is one empty last package)
//! package = part u16 | length u32, its highest bit: last | prefix 8 | index u32 | cipher | tag 16
//!           `-------------------- header, the associated data ------------'
//!                                               `--- nonce ---'
//! ```
//! Integers are big-endian. All packages but the last of a part hold 64 KiB, so that the place of a
//! byte is known without a look, and a stream of several parts tells where each one ends.

use crate::SealError;
use crate::mutant::{self, Mutant};
use crate::seal::gcm;
use crate::secret::Secret;
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a body in every package but the last of its part.
pub const PLAIN_LEN: u64 = 64 << 10;
const PREFIX_LEN: usize = 8;
const NONCE_START: usize = 6;
const HEADER_LEN: usize = NONCE_START + PREFIX_LEN + 4;
const TAG_LEN: usize = 16;
/// Bytes that a package has beside those of the body.
pub const OVERHEAD_LEN: u64 = (HEADER_LEN + TAG_LEN) as u64;
/// Bytes of every package but the last of its part.
pub const PACKAGE_LEN: u64 = PLAIN_LEN + OVERHEAD_LEN;
const LAST: u32 = 1 << 31;

/// Bytes that are kept of a body of `plain_len` bytes.
pub const fn sealed_len(plain_len: u64) -> u64 {
    let packages = if plain_len == 0 { 1 } else { plain_len.div_ceil(PLAIN_LEN) };
    plain_len + packages * OVERHEAD_LEN
}

/// Where the packages are that hold the bytes from `start` on, in what is kept of their part.
pub const fn sealed_start(start: u64) -> u64 {
    start / PLAIN_LEN * PACKAGE_LEN
}

/// Where the packages end that hold the bytes before `end`, in what is kept of a part of
/// `plain_len` bytes.
pub const fn sealed_end(end: u64, plain_len: u64) -> u64 {
    let (packages_end, sealed_len) = (end.div_ceil(PLAIN_LEN) * PACKAGE_LEN, sealed_len(plain_len));
    if packages_end < sealed_len { packages_end } else { sealed_len }
}

/// Seals and opens the bodies of one object.
#[derive(Clone)]
pub struct ObjectCipher {
    content: Arc<LessSafeKey>,
    tags: Secret,
}

impl fmt::Debug for ObjectCipher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ObjectCipher(<redacted>)")
    }
}

impl ObjectCipher {
    /// The cipher under an object's key.
    pub fn new(key: &Secret) -> Self {
        let content = Arc::new(gcm(&key.derive("stave content", b"")));
        Self { content, tags: key.derive("stave tag", b"") }
    }

    /// An entity tag that tells nothing of the body to whoever has not the key, and is the same
    /// for the same body: 16 bytes, as a digest of MD5 has.
    pub fn opaque_tag(&self, digest: &[u8]) -> [u8; 16] {
        let mac = self.tags.derive("stave etag", digest);
        let mut tag = [0; 16];
        tag.copy_from_slice(&mac.bytes()[..16]);
        tag
    }

    /// Seals one body: part `part` of an object, 0 of an object that is written whole. `prefix` was
    /// drawn for it (X4).
    pub fn sealer(&self, part: u16, prefix: [u8; PREFIX_LEN]) -> Sealer {
        let buffer = BytesMut::new();
        Sealer { content: self.content.clone(), part, prefix, index: 0, buffer }
    }

    /// Opens a stream of packages that begins at `place`. Of the bytes that come out those of
    /// `range` are given, counted from the first of the first package.
    pub fn opener(&self, place: Place, range: Range<u64>) -> Opener {
        let (skip, left) = (range.start, range.end.saturating_sub(range.start));
        let content = self.content.clone();
        let (prefix, is_between, buffer) = (None, false, BytesMut::new());
        Opener { content, place, prefix, is_between, skip, left, buffer }
    }
}

/// A body on its way into packages. It holds less than two of them.
pub struct Sealer {
    content: Arc<LessSafeKey>,
    part: u16,
    prefix: [u8; PREFIX_LEN],
    index: u32,
    /// The header and the body of the package that is filled.
    buffer: BytesMut,
}

impl Sealer {
    /// Takes from `piece` what the package in hand has room for; returns that package when it is
    /// full and more of the body follows. Called until `piece` is empty.
    ///
    /// # Errors
    /// `Cipher`.
    pub fn push(&mut self, piece: &mut Bytes) -> Result<Option<Bytes>, SealError> {
        let filled = self.buffer.len().saturating_sub(HEADER_LEN);
        let room = PLAIN_LEN as usize - filled;
        if room == 0 && !piece.is_empty() {
            return self.seal(false).map(Some);
        }
        if self.buffer.is_empty() {
            self.buffer.reserve(HEADER_LEN + piece.len().min(PLAIN_LEN as usize) + TAG_LEN);
            self.buffer.put_bytes(0, HEADER_LEN);
        }
        let taken = piece.split_to(room.min(piece.len()));
        self.buffer.extend_from_slice(&taken);
        Ok(None)
    }

    /// The last package.
    ///
    /// # Errors
    /// `Cipher`.
    pub fn finish(mut self) -> Result<Bytes, SealError> {
        if self.buffer.is_empty() {
            self.buffer.put_bytes(0, HEADER_LEN);
        }
        self.seal(true)
    }

    fn seal(&mut self, is_last: bool) -> Result<Bytes, SealError> {
        let mut package = std::mem::take(&mut self.buffer);
        let len = (package.len() - HEADER_LEN) as u32;
        let header =
            Header { part: self.part, len, is_last, prefix: self.prefix, index: self.index };
        let header = header.encode();
        package[..HEADER_LEN].copy_from_slice(&header);
        if mutant::is(Mutant::SealNothing) {
            package.put_bytes(0, TAG_LEN);
            self.index += 1;
            return Ok(package.freeze());
        }
        let body = &mut package[HEADER_LEN..];
        let tag = self.content.seal_in_place_separate_tag(nonce(&header), Aad::from(header), body);
        package.extend_from_slice(tag.map_err(|_| SealError::Cipher)?.as_ref());
        self.index = self.index.checked_add(1).ok_or(SealError::Cipher)?;
        Ok(package.freeze())
    }
}

/// A place among the packages of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    part: u16,
    index: u32,
}

impl Place {
    /// The package that holds the byte at `position` of a part; part 0 is an object that was
    /// written whole.
    pub const fn at(part: u16, position: u64) -> Self {
        Self { part, index: (position / PLAIN_LEN) as u32 }
    }
}

/// Packages on their way out. It holds one that is not complete, and what came behind it.
pub struct Opener {
    content: Arc<LessSafeKey>,
    /// What comes next.
    place: Place,
    /// Of the part in hand.
    prefix: Option<[u8; PREFIX_LEN]>,
    /// Whether a part ended, so that the next one is a later one.
    is_between: bool,
    skip: u64,
    left: u64,
    buffer: BytesMut,
}

impl Opener {
    /// Takes more of the packages.
    pub fn push(&mut self, piece: Bytes) {
        self.buffer.extend_from_slice(&piece);
    }

    /// The next bytes of the body; `None` where more packages are wanted first, or all was given.
    ///
    /// # Errors
    /// `Closed`, `Format`.
    pub fn take(&mut self) -> Result<Option<Bytes>, SealError> {
        while self.left > 0 {
            let Some(opened) = self.open()? else {
                return Ok(None);
            };
            let skipped = self.skip.min(opened.len() as u64);
            self.skip -= skipped;
            let wanted = self.left.min(opened.len() as u64 - skipped);
            self.left -= wanted;
            if wanted > 0 {
                return Ok(Some(opened.slice(skipped as usize..(skipped + wanted) as usize)));
            }
        }
        Ok(None)
    }

    /// Whether all that was asked for was given; asked when no more packages come.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn finish(&self) -> Result<(), SealError> {
        if self.left == 0 { Ok(()) } else { Err(SealError::Truncated) }
    }

    fn open(&mut self) -> Result<Option<Bytes>, SealError> {
        let Some(start) = self.buffer.first_chunk::<HEADER_LEN>().copied() else {
            return Ok(None);
        };
        let header = Header::decode(&start)?;
        self.expect(&header)?;
        let len = HEADER_LEN + header.len as usize + TAG_LEN;
        if self.buffer.len() < len {
            return Ok(None);
        }
        let mut package = self.buffer.split_to(len);
        let body = &mut package[HEADER_LEN..];
        if !mutant::is(Mutant::SealNothing) {
            let opened = self.content.open_in_place(nonce(&start), Aad::from(start), body);
            opened.map_err(|_| SealError::Closed)?;
        }
        self.is_between = header.is_last;
        if header.is_last {
            (self.place, self.prefix) = (Place { part: header.part, index: 0 }, None);
        } else {
            let index = header.index.checked_add(1).ok_or(SealError::Format)?;
            self.place = Place { part: header.part, index };
            self.prefix = Some(header.prefix);
        }
        Ok(Some(package.freeze().slice(HEADER_LEN..HEADER_LEN + header.len as usize)))
    }

    /// X3: what comes is what comes next: the same part, one package further; or, behind the last
    /// one of a part, the first one of a later part.
    fn expect(&self, header: &Header) -> Result<(), SealError> {
        let is_next = header.index == self.place.index
            && match self.prefix {
                Some(prefix) => header.part == self.place.part && header.prefix == prefix,
                None if self.is_between => header.part > self.place.part,
                None => header.part == self.place.part,
            };
        if !is_next {
            return Err(SealError::Closed);
        }
        if !header.is_last && u64::from(header.len) != PLAIN_LEN {
            return Err(SealError::Format);
        }
        Ok(())
    }
}

struct Header {
    part: u16,
    len: u32,
    is_last: bool,
    prefix: [u8; PREFIX_LEN],
    index: u32,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..2].copy_from_slice(&self.part.to_be_bytes());
        let len = self.len | if self.is_last { LAST } else { 0 };
        bytes[2..NONCE_START].copy_from_slice(&len.to_be_bytes());
        bytes[NONCE_START..NONCE_START + PREFIX_LEN].copy_from_slice(&self.prefix);
        bytes[NONCE_START + PREFIX_LEN..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, SealError> {
        let u32_at = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let (len, index) = (u32_at(2), u32_at(NONCE_START + PREFIX_LEN));
        let mut prefix = [0; PREFIX_LEN];
        prefix.copy_from_slice(&bytes[NONCE_START..NONCE_START + PREFIX_LEN]);
        let part = u16::from_be_bytes([bytes[0], bytes[1]]);
        let header = Self { part, len: len & !LAST, is_last: len & LAST != 0, prefix, index };
        if u64::from(header.len) > PLAIN_LEN { Err(SealError::Format) } else { Ok(header) }
    }
}

fn nonce(header: &[u8; HEADER_LEN]) -> Nonce {
    let mut nonce = [0; PREFIX_LEN + 4];
    nonce.copy_from_slice(&header[NONCE_START..]);
    Nonce::assume_unique_for_key(nonce)
}
