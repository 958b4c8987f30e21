//! Names of settings in the environment: ours, and those of MinIO that mean the same.

use super::{Note, ReadSecret};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A setting and all names that it goes by.
pub struct Setting {
    /// Our name.
    pub own: &'static str,
    /// What MinIO called it, newest first.
    pub aliases: &'static [&'static str],
    /// Whether `NAME_FILE` may name a file that holds the value.
    pub has_file: bool,
}

/// Where to listen.
pub const ADDRESS: Setting =
    Setting { own: "STAVE_ADDRESS", aliases: &["MINIO_ADDRESS"], has_file: false };
/// Directories to serve, where the command line names none.
pub const VOLUMES: Setting =
    Setting { own: "STAVE_VOLUMES", aliases: &["MINIO_VOLUMES"], has_file: false };
/// Parity columns, as `EC:n`.
pub const PARITY: Setting = Setting {
    own: "STAVE_STORAGE_CLASS_STANDARD",
    aliases: &["MINIO_STORAGE_CLASS_STANDARD"],
    has_file: false,
};
/// The server that `stave admin` asks.
pub const ENDPOINT: Setting = Setting { own: "STAVE_ENDPOINT", aliases: &[], has_file: false };
/// Region that clients sign for.
pub const REGION: Setting = Setting {
    own: "STAVE_REGION",
    aliases: &["MINIO_SITE_REGION", "MINIO_REGION", "MINIO_REGION_NAME"],
    has_file: false,
};
/// Whether Signature Version 2 is taken.
pub const SIGV2: Setting = Setting { own: "STAVE_SIGV2", aliases: &[], has_file: false };
/// File of declared users.
pub const USERS_FILE: Setting = Setting { own: "STAVE_USERS_FILE", aliases: &[], has_file: false };
/// Who owns what others write into new buckets.
pub const BUCKET_OWNERSHIP: Setting =
    Setting { own: "STAVE_BUCKET_OWNERSHIP", aliases: &[], has_file: false };
/// Whether new buckets block public access.
pub const BUCKET_PUBLIC_BLOCK: Setting =
    Setting { own: "STAVE_BUCKET_PUBLIC_BLOCK", aliases: &[], has_file: false };
/// Domains whose subdomains are buckets.
pub const DOMAIN: Setting =
    Setting { own: "STAVE_DOMAIN", aliases: &["MINIO_DOMAIN"], has_file: false };
/// Access key of the root user.
pub const ROOT_USER: Setting = Setting {
    own: "STAVE_ROOT_USER",
    aliases: &["MINIO_ROOT_USER", "MINIO_ACCESS_KEY"],
    has_file: true,
};
/// Secret key of the root user.
pub const ROOT_PASSWORD: Setting = Setting {
    own: "STAVE_ROOT_PASSWORD",
    aliases: &["MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"],
    has_file: true,
};
/// The key that the keys of objects are under.
pub const KMS_SECRET_KEY: Setting =
    Setting { own: "STAVE_KMS_SECRET_KEY", aliases: &["MINIO_KMS_SECRET_KEY"], has_file: true };
/// Where Vault is.
pub const KMS_VAULT_ENDPOINT: Setting =
    Setting { own: "STAVE_KMS_VAULT_ENDPOINT", aliases: &[], has_file: false };
/// Its key that is used where none is named.
pub const KMS_VAULT_KEY: Setting =
    Setting { own: "STAVE_KMS_VAULT_KEY", aliases: &[], has_file: false };
/// Token for Vault.
pub const KMS_VAULT_TOKEN: Setting =
    Setting { own: "STAVE_KMS_VAULT_TOKEN", aliases: &[], has_file: false };
/// File that always holds a good token for Vault: it is read again.
pub const KMS_VAULT_TOKEN_FILE: Setting =
    Setting { own: "STAVE_KMS_VAULT_TOKEN_FILE", aliases: &[], has_file: false };
/// Role to log in to Vault by.
pub const KMS_VAULT_ROLE_ID: Setting =
    Setting { own: "STAVE_KMS_VAULT_ROLE_ID", aliases: &[], has_file: false };
/// Secret of that role.
pub const KMS_VAULT_SECRET_ID: Setting =
    Setting { own: "STAVE_KMS_VAULT_SECRET_ID", aliases: &[], has_file: true };
/// Mount of Vault's transit engine.
pub const KMS_VAULT_MOUNT: Setting =
    Setting { own: "STAVE_KMS_VAULT_MOUNT", aliases: &[], has_file: false };
/// Namespace in Vault.
pub const KMS_VAULT_NAMESPACE: Setting =
    Setting { own: "STAVE_KMS_VAULT_NAMESPACE", aliases: &[], has_file: false };
/// Certificates that Vault's is trusted by.
pub const KMS_VAULT_CA: Setting =
    Setting { own: "STAVE_KMS_VAULT_CA", aliases: &[], has_file: false };
/// What means nothing without [`KMS_VAULT_ENDPOINT`].
pub const KMS_VAULT_OTHERS: [&Setting; 8] = [
    &KMS_VAULT_KEY,
    &KMS_VAULT_TOKEN,
    &KMS_VAULT_TOKEN_FILE,
    &KMS_VAULT_ROLE_ID,
    &KMS_VAULT_SECRET_ID,
    &KMS_VAULT_MOUNT,
    &KMS_VAULT_NAMESPACE,
    &KMS_VAULT_CA,
];
/// Whether what nobody said anything of is encrypted, too.
pub const KMS_AUTO_ENCRYPTION: Setting = Setting {
    own: "STAVE_KMS_AUTO_ENCRYPTION",
    aliases: &["MINIO_KMS_AUTO_ENCRYPTION"],
    has_file: false,
};
/// Whether clients' own keys may come from other machines without TLS.
pub const SSE_C_OVER_HTTP: Setting =
    Setting { own: "STAVE_SSE_C_OVER_HTTP", aliases: &[], has_file: false };
/// Directory of TLS certificates.
pub const CERTS_DIR: Setting =
    Setting { own: "STAVE_CERTS_DIR", aliases: &["MINIO_CERTS_DIR"], has_file: false };
/// How log lines look.
pub const LOG_FORMAT: Setting = Setting { own: "STAVE_LOG_FORMAT", aliases: &[], has_file: false };
/// Which log lines appear.
pub const LOG: Setting = Setting { own: "STAVE_LOG", aliases: &[], has_file: false };

/// Defaults of other stores, which scanners try first.
pub const KNOWN_PASSWORDS: [&str; 4] = ["minioadmin", "minio123", "rustfsadmin", "password"];

/// A value and the variable that it came from.
pub struct Found {
    /// Name of the variable.
    pub name: String,
    /// Its value, or the content of the file that it names.
    pub value: String,
}

/// The environment, which remembers what was asked of it.
pub struct Environment<'a> {
    variables: &'a BTreeMap<String, String>,
    read_secret: &'a ReadSecret,
    honoured: BTreeSet<String>,
    notes: Vec<Note>,
}

impl<'a> Environment<'a> {
    /// Wraps the variables.
    pub fn new(variables: &'a BTreeMap<String, String>, read_secret: &'a ReadSecret) -> Self {
        Self { variables, read_secret, honoured: BTreeSet::new(), notes: Vec::new() }
    }

    /// Looks a setting up under all its names.
    ///
    /// # Errors
    /// When two names give different values, or a file cannot be read.
    pub fn find(&mut self, setting: &Setting) -> Result<Option<Found>, String> {
        let mut first: Option<Found> = None;
        for name in std::iter::once(&setting.own).chain(setting.aliases) {
            for found in self.values_of(name, setting.has_file)? {
                self.honoured.insert(found.name.clone());
                match &first {
                    Some(first) if first.value != found.value => {
                        return Err(format!(
                            "{} and {} are both set and differ: remove one",
                            first.name, found.name
                        ));
                    }
                    Some(_) => {}
                    None => {
                        self.note_alias(name, setting);
                        first = Some(found);
                    }
                }
            }
        }
        Ok(first)
    }

    /// Whether somebody gives a setting, under our name.
    pub fn is_set(&self, setting: &Setting) -> bool {
        self.get(setting.own).is_some()
    }

    /// The home directory of whoever started this.
    pub fn home(&self) -> Option<&Path> {
        self.get("HOME").map(Path::new)
    }

    /// What was remarked, and the MinIO names that nothing asked for.
    pub fn take_notes(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.notes);
        let is_set = |value: &&String| !value.is_empty();
        let ignored = self
            .variables
            .iter()
            .filter(|(name, value)| name.starts_with("MINIO_") && is_set(value))
            .filter(|(name, _)| !self.honoured.contains(*name));
        notes.extend(ignored.map(|(name, _)| Note::Ignored { name: name.clone() }));
        notes
    }

    fn note_alias(&mut self, name: &'static str, setting: &Setting) {
        if name != setting.own {
            self.notes.push(Note::AliasHonoured { name, meaning: setting.own });
        }
    }

    fn values_of(&self, name: &str, has_file: bool) -> Result<Vec<Found>, String> {
        let mut values = Vec::new();
        if let Some(value) = self.get(name) {
            values.push(Found { name: name.into(), value: value.clone() });
        }
        let file_name = format!("{name}_FILE");
        if let Some(path) = self.get(&file_name).filter(|_| has_file) {
            let text = (self.read_secret)(Path::new(path))
                .map_err(|error| format!("{file_name} cannot be read from {path}: {error}"))?;
            let value = text.trim_end_matches(['\r', '\n']).to_owned();
            values.push(Found { name: file_name, value });
        }
        Ok(values)
    }

    fn get(&self, name: &str) -> Option<&String> {
        self.variables.get(name).filter(|value| !value.is_empty())
    }
}
