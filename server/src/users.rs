//! The file of declared users, read once at the start ([`iam::users`]).

use crate::files;
use iam::users::{Directory, FILE_LEN_MAX};
use std::path::Path;
use std::sync::Arc;

/// Reads the users that a file declares; nobody without a file.
///
/// # Errors
/// One line that says what is wrong with the file; never what stands in it, which are secrets.
pub fn read(path: Option<&Path>) -> Result<Arc<Directory>, String> {
    let Some(path) = path else {
        return Ok(Arc::default());
    };
    let refused = |error: &dyn std::fmt::Display| {
        format!("cannot use the users of {}: {error}", path.display())
    };
    let bytes = files::read_whole(path, FILE_LEN_MAX as u64).map_err(|error| refused(&error))?;
    let directory = Directory::parse(&bytes).map_err(|error| refused(&error))?;
    if files::is_readable_by_others(path).unwrap_or(false) {
        tracing::warn!(file = %path.display(), "others can read the secrets of this file");
    }
    tracing::info!(count = directory.users().len(), file = %path.display(), "users are declared");
    Ok(Arc::new(directory))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the file that is read")]
mod tests {
    use super::*;

    #[test]
    fn users_come_from_the_file_and_secrets_stay_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.json");
        assert!(read(None).unwrap().users().is_empty());
        assert!(read(Some(&path)).is_err());
        std::fs::write(&path, "{\"version\":1,\"users\":[{\"secret_key\":\"canary\"}]}").unwrap();
        let refusal = read(Some(&path)).unwrap_err();
        assert!(refusal.contains("users.json") && !refusal.contains("canary"), "{refusal}");
        let user = "{\"access_key\":\"alice\",\"secret_key\":\"canary-canary\",\"canonical_id\":\
                    \"id-a\",\"display_name\":\"Alice\",\"account\":\"111122223333\",\
                    \"user_name\":\"alice\",\"root\":true}";
        std::fs::write(&path, format!("{{\"version\":1,\"users\":[{user}]}}")).unwrap();
        let directory = read(Some(&path)).unwrap();
        assert_eq!(directory.by_access_key("alice").unwrap().display_name, "Alice");
    }
}
