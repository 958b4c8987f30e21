//! Root keys: given by the operator, or made once and kept in the data directory.
//!
//! The file has the layout of an AWS credentials file, so that clients can be pointed at it as it
//! is:
//!
//! ```text
//! # Root keys of this Stave ...
//! [default]
//! aws_access_key_id = 20 characters of A-Z2-7
//! aws_secret_access_key = 40 characters of A-Za-z0-9
//! ```
//!
//! - C1: made keys are random, never a default that others know; 100 and 238 bits.
//! - C2: the file is durable before the keys are shown or used, and only its owner can read it.
//! - C3: a file that is there but cannot be understood stops the start; it is never overwritten.

use crate::config::{KEY_LEN_MAX, PASSWORD_LEN_MIN, RootKeys, USER_LEN_MIN};
use crate::files;
use engine::env::Rng;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the credentials file in the data directory.
const FILE_NAME: &str = ".stave-credentials";
const ACCESS_KEY_LEN: usize = 20;
const SECRET_KEY_LEN: usize = 40;
const ACCESS_KEY_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_KEY_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Where the root keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Given,
    /// The data directory, from an earlier start.
    Kept,
    /// This very start.
    Made,
}

/// Root keys and where they come from.
pub struct Root {
    /// The keys.
    pub keys: RootKeys,
    /// Where they come from.
    pub origin: Origin,
}

/// Where the credentials of a data directory are.
pub fn path_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Returns the keys that were given, else the directory's own, which are made where there are none.
///
/// # Errors
/// One line, without any key.
pub fn obtain(dir: &Path, given: Option<RootKeys>, rng: &dyn Rng) -> Result<Root, String> {
    if let Some(keys) = given {
        return Ok(Root { keys, origin: Origin::Given });
    }
    let path = path_in(dir);
    match files::read_secret(&path) {
        Ok(text) => {
            let keys = parse(&text).ok_or_else(|| {
                format!("{} is damaged: repair it or move it away", path.display())
            })?;
            Ok(Root { keys, origin: Origin::Kept })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let keys = make(rng);
            files::write_secret(&path, &format(&keys))
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            Ok(Root { keys, origin: Origin::Made })
        }
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn make(rng: &dyn Rng) -> RootKeys {
    RootKeys {
        access_key: random_text(rng, ACCESS_KEY_LETTERS, ACCESS_KEY_LEN),
        secret_key: random_text(rng, SECRET_KEY_LETTERS, SECRET_KEY_LEN),
    }
}

/// Draws letters evenly: a byte past the last whole multiple of the alphabet is drawn again.
fn random_text(rng: &dyn Rng, letters: &[u8], len: usize) -> String {
    let limit = 256 - 256 % letters.len();
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut byte = [0];
        rng.fill(&mut byte);
        let index = usize::from(byte[0]);
        if index < limit {
            text.push(char::from(letters[index % letters.len()]));
        }
    }
    text
}

fn format(keys: &RootKeys) -> String {
    format!(
        "# Root keys of this Stave, made at its first start. Keep this file private.\n\
         [default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        keys.access_key, keys.secret_key
    )
}

fn parse(text: &str) -> Option<RootKeys> {
    let value_of = |wanted: &str| {
        let mut values = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| name.trim() == wanted)
            .map(|(_, value)| value.trim().to_owned());
        let value = values.next()?;
        values.next().is_none().then_some(value)
    };
    let access_key = value_of("aws_access_key_id")?;
    let secret_key = value_of("aws_secret_access_key")?;
    let is_legal = (USER_LEN_MIN..=KEY_LEN_MAX).contains(&access_key.len())
        && (PASSWORD_LEN_MIN..=KEY_LEN_MAX).contains(&secret_key.len());
    is_legal.then_some(RootKeys { access_key, secret_key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Counts up, so that every byte value is drawn.
    #[derive(Default)]
    struct Counter(AtomicU8);

    impl Rng for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn keys_are_made_once_and_kept() {
        let root = tempfile::tempdir().unwrap();
        let rng = Counter::default();
        let made = obtain(root.path(), None, &rng).unwrap();
        assert_eq!(made.origin, Origin::Made);
        assert_eq!(made.keys.access_key.len(), ACCESS_KEY_LEN);
        assert_eq!(made.keys.secret_key.len(), SECRET_KEY_LEN);
        let kept = obtain(root.path(), None, &rng).unwrap();
        assert_eq!(kept.origin, Origin::Kept);
        assert!(kept.keys == made.keys);
        assert!(!files::is_readable_by_others(&path_in(root.path())).unwrap());
    }

    #[test]
    fn given_keys_leave_no_file() {
        let root = tempfile::tempdir().unwrap();
        let keys = RootKeys { access_key: "user".into(), secret_key: "password".into() };
        let given = obtain(root.path(), Some(keys), &Counter::default()).unwrap();
        assert_eq!(given.origin, Origin::Given);
        assert!(!path_in(root.path()).exists());
    }

    #[test]
    fn damaged_file_stops_the_start_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = path_in(root.path());
        let whole = format(&make(&Counter::default()));
        for text in ["", "[default]\n", &whole[..whole.len() - 41], &whole.repeat(2)] {
            files::write_secret(&path, text).unwrap();
            let line = obtain(root.path(), None, &Counter::default()).err().unwrap();
            assert!(line.contains("is damaged"), "{line}");
            assert_eq!(files::read_secret(&path).unwrap(), text);
        }
    }

    #[test]
    fn random_text_is_even_over_its_letters() {
        let rng = Counter::default();
        let text = random_text(&rng, SECRET_KEY_LETTERS, 62 * 4 * 3);
        for letter in SECRET_KEY_LETTERS {
            assert_eq!(text.bytes().filter(|byte| byte == letter).count(), 12);
        }
    }
}
