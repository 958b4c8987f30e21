//! Which certificate is shown to whom.

use super::NANOS_PER_SECOND;
use super::layout::PairFiles;
use super::pair::Pair;
use rustls::sign::CertifiedKey;
use s3api::headers::date;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the log says of a certificate.
pub struct Served {
    /// Where it was read.
    pub path: PathBuf,
    /// DNS names that it is for.
    pub names: Vec<String>,
    /// Seconds since 1970 when it ends.
    pub not_after: Option<u64>,
    /// Whether others than the owner can read its key.
    pub is_key_open: bool,
}

/// All certificates.
pub struct Table {
    default: Arc<CertifiedKey>,
    by_name: BTreeMap<String, Arc<CertifiedKey>>,
    served: Vec<Served>,
    shadowed: Vec<(String, PathBuf)>,
}

impl Served {
    /// The end as a date.
    pub fn shown_end(&self) -> String {
        let nanos = self.not_after.map(|seconds| seconds.saturating_mul(NANOS_PER_SECOND));
        nanos.map_or_else(|| "unknown".into(), date::format_iso)
    }

    /// Whether it ends before a second since 1970.
    pub fn ends_before(&self, second: u64) -> bool {
        self.not_after.is_some_and(|end| end < second)
    }
}

impl Table {
    /// A table of pairs, the default first. Where two have the same name, the first wins.
    pub fn new(pairs: Vec<(PairFiles, Pair)>) -> Self {
        let default = pairs.first().expect("there is a default").1.key.clone();
        let mut table =
            Self { default, by_name: BTreeMap::new(), served: Vec::new(), shadowed: Vec::new() };
        for (files, pair) in pairs {
            table.add(files, pair);
        }
        table
    }

    fn add(&mut self, files: PairFiles, pair: Pair) {
        for name in &pair.names {
            if self.by_name.contains_key(name) {
                self.shadowed.push((name.clone(), files.certificate.clone()));
            } else {
                self.by_name.insert(name.clone(), pair.key.clone());
            }
        }
        self.served.push(Served {
            is_key_open: files.is_key_open(),
            path: files.certificate,
            names: pair.names,
            not_after: pair.not_after,
        });
    }

    /// The certificate for a name that a client asked for (C1): the name itself before a wildcard,
    /// which stands for the first label and no more.
    pub fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let found = self.by_name.get(&name);
        let found = found.or_else(|| self.by_name.get(&wildcard?));
        found.unwrap_or(&self.default).clone()
    }

    /// What is served, the default first.
    pub fn served(&self) -> &[Served] {
        &self.served
    }

    /// Names that a certificate has in vain, because an earlier one has them too.
    pub fn shadowed(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.shadowed.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair::tests::pair;
    use super::*;

    fn table(names: &[&[&str]]) -> Table {
        let files = |index: usize| PairFiles {
            certificate: format!("/{index}/public.crt").into(),
            key: format!("/{index}/private.key").into(),
        };
        let numbered = names.iter().enumerate();
        Table::new(numbered.map(|(index, names)| (files(index), pair(names))).collect())
    }

    #[test]
    fn the_closest_name_wins_and_the_default_takes_the_rest() {
        let table = table(&[&["a.test"], &["*.a.test", "a.test"], &["one.a.test"]]);
        let index = |name: Option<&str>| {
            let chosen = table.choose(name);
            let keys = ["a.test", "*.a.test", "one.a.test"].map(|name| &table.by_name[name]);
            keys.iter().position(|key| Arc::ptr_eq(key, &chosen))
        };
        for (name, expected) in [
            (None, 0),
            (Some("A.test"), 0),
            (Some("b.test"), 0),
            (Some("test"), 0),
            (Some(""), 0),
            (Some("two.a.test"), 1),
            (Some("ONE.A.TEST"), 2),
            (Some("x.one.a.test"), 0),
        ] {
            assert_eq!(index(name), Some(expected), "{name:?}");
        }
        let shadowed: Vec<_> = table.shadowed().collect();
        assert_eq!(shadowed, [("a.test", Path::new("/1/public.crt"))]);
    }

    #[test]
    fn the_end_is_shown_and_compared() {
        let served = |not_after| Served {
            path: PathBuf::new(),
            names: Vec::new(),
            not_after,
            is_key_open: false,
        };
        assert_eq!(served(Some(1_767_323_045)).shown_end(), "2026-01-02T03:04:05.000Z");
        assert_eq!(served(None).shown_end(), "unknown");
        assert!(served(Some(9)).ends_before(10) && !served(Some(10)).ends_before(10));
        assert!(!served(None).ends_before(u64::MAX));
    }
}
