//! Session tokens: who a session is of, for how long and with which rights, under a MAC.
//!
//! | offset | size | field     | meaning                                                        |
//! |-------:|-----:|-----------|----------------------------------------------------------------|
//! |      0 |    1 | `version` | 1                                                              |
//! |      1 |    1 | `kind`    | 1 AssumeRole, 2 GetSessionToken                                |
//! |      2 |    8 | `issued`  | seconds since 1970                                             |
//! |     10 |    8 | `ends`    | seconds since 1970; the token is good before                   |
//! |     18 |   16 | `nonce`   | no two tokens are the same                                     |
//! |     34 |  1+n | `parent`  | access key of whom it is a session of                          |
//! |        |  1+n | `name`    | what the client calls the session; empty for GetSessionToken   |
//! |        |  2+n | `policy`  | JSON that narrows it; empty where there is none                |
//! |        |   32 | `tag`     | HMAC-SHA256 of all before, under the parent's [`SessionKey`]   |
//!
//! Big-endian, texts behind their lengths; the whole in base64 for URLs, without padding.
//! - W1: nothing of a token counts before its tag holds; it is compared in constant time.
//! - W2: access key and secret of a session follow from key and tag. A token with the credentials
//!   of another one, or of somebody who has no session, is none.
//! - W3: a token has one form: every bit of its text is covered.

use crate::config::Credentials;
use crate::sigv4::{HmacSha256, hmac, hmac_key};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use subtle::ConstantTimeEq;

/// Longest text of a token, in bytes: all its parts at their longest.
pub const TOKEN_LEN_MAX: usize = 4 * (34 + 256 + 256 + 2 + POLICY_LEN_MAX + TAG_LEN) / 3 + 4;

/// Bytes of the policy of a session (STS API reference, "AssumeRole").
pub const POLICY_LEN_MAX: usize = 2048;

const VERSION: u8 = 1;
const TAG_LEN: usize = 32;

/// Which request began a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// AssumeRole.
    AssumedRole,
    /// GetSessionToken.
    User,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Which request began it.
    pub kind: Kind,
    /// When, in seconds since 1970.
    pub issued: u64,
    /// When it ends, in seconds since 1970.
    pub ends: u64,
    /// Random.
    pub nonce: [u8; 16],
    /// Access key of whom it is a session of; 255 bytes at most.
    pub parent: String,
    /// Name of the session; 255 bytes at most.
    pub name: String,
    /// Policy that narrows it, of [`POLICY_LEN_MAX`] bytes at most; empty where there is none.
    pub policy: String,
}

/// A token of which nothing is known yet (W1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    claims: Claims,
    covered: Vec<u8>,
    tag: [u8; TAG_LEN],
}

/// The store's part of all session keys: random, and bound to the secret of its root.
#[derive(Clone)]
pub struct MasterKey(HmacSha256);

/// What the sessions of one caller are made with. Ends when its secret, or that of the root,
/// changes.
pub struct SessionKey(HmacSha256);

/// Appends a text behind its length.
fn push(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text);
}

impl MasterKey {
    /// The key of a store, from what it keeps and what it does not.
    pub fn new(kept: &[u8; 32], root: &Credentials) -> Self {
        let mut text = b"stave session 1".to_vec();
        push(&mut text, root.access_key.as_bytes());
        push(&mut text, root.secret_key.as_bytes());
        Self(hmac_key(&hmac(&hmac_key(kept), &text)))
    }

    /// The key of whoever has these credentials.
    pub fn of(&self, parent: &Credentials) -> SessionKey {
        let mut text = Vec::new();
        push(&mut text, parent.access_key.as_bytes());
        push(&mut text, parent.secret_key.as_bytes());
        SessionKey(hmac_key(&hmac(&self.0, &text)))
    }
}

impl SessionKey {
    /// A new session: its token and its credentials.
    ///
    /// # Panics
    /// Where a text of the claims is too long; the caller checked them.
    pub fn mint(&self, claims: &Claims) -> (String, Credentials) {
        let mut bytes = claims.encode();
        let tag = self.tag(&bytes);
        bytes.extend_from_slice(&tag);
        (BASE64.encode(bytes), self.credentials(&tag))
    }

    /// What a token says, and the credentials that go with it, where it was made with this key.
    pub fn prove(&self, token: Unproved) -> Option<(Claims, Credentials)> {
        let tag = self.tag(&token.covered);
        let is_right = bool::from(tag.ct_eq(&token.tag));
        is_right.then(|| (token.claims, self.credentials(&tag)))
    }

    fn tag(&self, covered: &[u8]) -> [u8; TAG_LEN] {
        self.derive(b"tag", covered)
    }

    fn derive(&self, label: &[u8], text: &[u8]) -> [u8; 32] {
        let mut message = Vec::with_capacity(label.len() + text.len() + 8);
        push(&mut message, label);
        message.extend_from_slice(text);
        hmac(&self.0, &message)
    }

    /// W2. The form is that of AWS: 20 characters that begin with `ASIA`, and 40.
    fn credentials(&self, tag: &[u8; TAG_LEN]) -> Credentials {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let name = self.derive(b"access key", tag);
        let letters = name.iter().take(16).map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
        let access_key: String = "ASIA".chars().chain(letters).collect();
        let secret_key = BASE64.encode(&self.derive(b"secret key", tag)[..30]);
        Credentials { access_key, secret_key }
    }
}

impl Claims {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.kind.number()];
        out.extend_from_slice(&self.issued.to_be_bytes());
        out.extend_from_slice(&self.ends.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        for text in [&self.parent, &self.name] {
            out.push(u8::try_from(text.len()).expect("names are short"));
            out.extend_from_slice(text.as_bytes());
        }
        assert!(self.policy.len() <= POLICY_LEN_MAX, "the policy was measured");
        let len = u16::try_from(self.policy.len()).expect("the bound is lower");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(self.policy.as_bytes());
        out
    }
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::AssumedRole => 1,
            Self::User => 2,
        }
    }
}

impl Unproved {
    /// Takes a token apart; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TOKEN_LEN_MAX {
            return None;
        }
        let mut covered = BASE64.decode(text).ok()?;
        let tag = covered.split_off(covered.len().checked_sub(TAG_LEN)?).try_into().ok()?;
        let claims = decode(&covered)?;
        Some(Self { claims, covered, tag })
    }

    /// Access key of whom it claims to be a session of: whose key has to prove it.
    pub fn parent(&self) -> &str {
        &self.claims.parent
    }
}

fn decode(mut bytes: &[u8]) -> Option<Claims> {
    let input = &mut bytes;
    if take::<1>(input)? != [VERSION] {
        return None;
    }
    let kind = match take::<1>(input)? {
        [1] => Kind::AssumedRole,
        [2] => Kind::User,
        _ => return None,
    };
    let (issued, ends) = (u64::from_be_bytes(take(input)?), u64::from_be_bytes(take(input)?));
    let nonce = take(input)?;
    let [parent_len] = take(input)?;
    let parent = take_text(input, parent_len.into())?;
    let [name_len] = take(input)?;
    let name = take_text(input, name_len.into())?;
    let policy_len = usize::from(u16::from_be_bytes(take(input)?));
    let policy = take_text(input, policy_len)?;
    let is_whole = bytes.is_empty() && policy_len <= POLICY_LEN_MAX;
    is_whole.then_some(Claims { kind, issued, ends, nonce, parent, name, policy })
}

fn take<const LEN: usize>(input: &mut &[u8]) -> Option<[u8; LEN]> {
    let (taken, rest) = input.split_first_chunk::<LEN>()?;
    *input = rest;
    Some(*taken)
}

fn take_text(input: &mut &[u8], len: usize) -> Option<String> {
    let (taken, rest) = input.split_at_checked(len)?;
    *input = rest;
    String::from_utf8(taken.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn credentials(name: &str) -> Credentials {
        Credentials { access_key: name.to_owned(), secret_key: format!("{name}-secret") }
    }

    fn key(kept: u8, root: &str, parent: &str) -> SessionKey {
        MasterKey::new(&[kept; 32], &credentials(root)).of(&credentials(parent))
    }

    fn claims() -> Claims {
        Claims {
            kind: Kind::AssumedRole,
            issued: 1_000,
            ends: 4_600,
            nonce: [7; 16],
            parent: "bob".to_owned(),
            name: "work".to_owned(),
            policy: "{}".to_owned(),
        }
    }

    #[test]
    fn token_of_version_1_stays_what_it_is() {
        let (token, credentials) = key(1, "root", "bob").mint(&claims());
        assert_eq!(
            token,
            "AQEAAAAAAAAD6AAAAAAAABH4BwcHBwcHBwcHBwcHBwcHBwNib2IEd29yawACe31x1emHIzpk\
             EIM5HOfV7L6rhimj5PNZtgE0XnWlVFUuIg"
        );
        assert_eq!(credentials.access_key, "ASIA6TGVIK2JMLKCSMKJ");
        assert_eq!(credentials.secret_key, "8DJ7Pvkh9d6m4KSmNieZNfQ71h6O2U17VqnW3AJy");
    }

    #[test]
    fn tokens_are_proved_by_the_key_that_made_them_alone() {
        let right = key(1, "root", "bob");
        let (token, credentials) = right.mint(&claims());
        let parsed = Unproved::parse(&token).unwrap();
        assert_eq!(parsed.parent(), "bob");
        assert_eq!(right.prove(parsed.clone()), Some((claims(), credentials)));
        for other in [key(2, "root", "bob"), key(1, "root2", "bob"), key(1, "root", "bo")] {
            assert_eq!(other.prove(parsed.clone()), None);
        }
        let (_, other) = right.mint(&Claims { nonce: [8; 16], ..claims() });
        let (_, found) = right.prove(parsed).unwrap();
        assert_ne!(found.access_key, other.access_key);
        assert_ne!(found.secret_key, other.secret_key);
    }

    #[test]
    fn the_longest_token_is_within_its_bound() {
        let longest = "x".repeat(255);
        let policy = "x".repeat(POLICY_LEN_MAX);
        let claims = Claims { parent: longest.clone(), name: longest, policy, ..claims() };
        let (token, _) = key(1, "root", "bob").mint(&claims);
        assert!(token.len() <= TOKEN_LEN_MAX);
        assert!(Unproved::parse(&token).is_some());
        assert!(Unproved::parse(&format!("{token}AAAA")).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_token_is_none(at: proptest::sample::Index, to in "[A-Za-z0-9_=+/-]") {
            let key = key(1, "root", "bob");
            let (token, _) = key.mint(&claims());
            let at = at.index(token.len());
            let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
            let proved = Unproved::parse(&changed).and_then(|parsed| key.prove(parsed));
            prop_assert_eq!(proved.is_some(), changed == token);
        }

        #[test]
        fn no_text_panics(text in "[A-Za-z0-9_-]{0,200}") {
            let _ = Unproved::parse(&text);
        }
    }
}
