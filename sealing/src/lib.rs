//! Encryption of objects at rest: keys under keys, bodies in authenticated packages. Pure: no disk,
//! no clock, no network; randomness is handed in.
//!
//! ```text
//! root key ---- seals ----> named keys, in versions (KeyRing)
//!                             |
//!                             +-- seals --> object key, bound to bucket and key --+
//! customer's key --------------- seals --> object key, bound likewise -----------+
//!                                                                                  |
//!                  body of an object or part  <== packages of 64 KiB, AES-256-GCM ==+
//! ```
//!
//! - X1: no key is in a `Debug`, an error or a log, and none leaves memory unsealed ([`Secret`]).
//! - X2: a sealed key opens under the key, bucket and object key that it was sealed for, and no
//!   other ([`seal`]).
//! - X3: a package opens at its part and its place among the packages of that part only; what comes
//!   out was authenticated as a whole package before its first byte did ([`package`]).
//! - X4: no two packages under one key have one nonce: each writing of a part draws its own prefix
//!   of 64 random bits, and counts.
//!
//! ```
//! use bytes::Bytes;
//! use sealing::{ObjectCipher, Place, Secret, package};
//!
//! # fn main() -> Result<(), sealing::SealError> {
//! let cipher = ObjectCipher::new(&Secret::new([7; 32]));
//! let mut sealer = cipher.sealer(0, [1; 8]);
//! let mut piece = Bytes::from_static(b"attack at dawn");
//! assert!(sealer.push(&mut piece)?.is_none());
//! let sealed = sealer.finish()?;
//! assert_eq!(sealed.len() as u64, package::sealed_len(14));
//! let mut opener = cipher.opener(Place::at(0, 0), 7..14);
//! opener.push(sealed);
//! assert_eq!(opener.take()?.as_deref(), Some(&b"at dawn"[..]));
//! # Ok(())
//! # }
//! ```

pub mod mutant;
pub mod package;
pub mod ring;
pub mod seal;
pub mod secret;

pub use package::{ObjectCipher, Opener, Place, Sealer};
pub use ring::{KeyRing, RootKey};
pub use secret::Secret;

/// Why something stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key, another place, or changed bytes. Which of them is not known.
    #[error("it does not open: another key, another place, or damaged")]
    Closed,
    /// What was sealed ends early.
    #[error("it ends within a package")]
    Truncated,
    /// Not what this crate writes.
    #[error("it is not of the format that is known")]
    Format,
    /// There is no key of that name and version.
    #[error("there is no such key")]
    NoSuchKey,
    /// There is a key of that name already.
    #[error("there is such a key already")]
    KeyExists,
    /// Not a name for a key, or more keys or versions than a ring has.
    #[error("not a name for a key, or too many keys")]
    KeyName,
    /// The cipher refused to work: more than 256 TiB under one prefix, or a broken library.
    #[error("the cipher failed")]
    Cipher,
}
