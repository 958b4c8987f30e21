//! Named keys: made before they are needed first, rotated now and then.
//!
//! - G4: a key that was made is there in every life of the store, and what was sealed under it
//!   opens, however often it was rotated since.

use super::Gateway;
use super::wire::Outgoing;
use engine::object::StoreError;
use http::Method;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The keys, the root key's own name first.
pub(super) const NAMES: [&str; 3] = ["simulator", "photos", "ledger"];

/// One of so many uses of a key rotates it first.
const ROTATED_EACH: u64 = 12;

/// Where the keys of a store are managed, below its name for itself.
const PLACE: (&str, &str) = ("_stave", "admin/v1/keys");

/// What one life of the store was asked for.
#[derive(Default)]
pub(super) struct Keys(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    /// Keys that are there.
    provided: BTreeSet<&'static str>,
    use_count: u64,
}

impl Keys {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_provided(&self, name: &str) -> bool {
        name == NAMES[0] || self.lock().provided.contains(name)
    }

    fn is_rotated_now(&self) -> bool {
        let mut asked = self.lock();
        asked.use_count += 1;
        asked.use_count.is_multiple_of(ROTATED_EACH)
    }
}

impl Gateway {
    /// Sees to it that a key is there.
    pub(super) async fn provide(&self, name: &'static str) -> Result<(), StoreError> {
        if !self.keys.is_provided(name) {
            self.make_key(name).await?;
        }
        if self.keys.is_rotated_now() {
            self.send(asked(Method::POST, name)).await?;
        }
        Ok(())
    }

    async fn make_key(&self, name: &'static str) -> Result<(), StoreError> {
        let was_there = self.tags.words().keys.contains(name);
        match self.send(asked(Method::PUT, name)).await {
            Ok(_) if was_there => {
                return Err(StoreError::Corrupt(format!("the key {name} is gone")));
            }
            Ok(_) => {}
            Err(StoreError::Corrupt(text)) if text.contains(" KMS.AlreadyExistsException:") => {}
            Err(error) => return Err(error),
        }
        self.keys.lock().provided.insert(name);
        self.tags.words().keys.insert(name);
        Ok(())
    }
}

fn asked<'a>(method: Method, name: &str) -> Outgoing<'a> {
    Outgoing::new(method, PLACE.0, Some(PLACE.1)).query("key", name).header("content-length", "0")
}
