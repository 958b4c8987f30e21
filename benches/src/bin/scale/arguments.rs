//! The command line: a subcommand, then `--name value ...`; what is not named is a mistake.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What was asked for.
pub struct Arguments {
    /// The subcommand.
    pub command: String,
    values: BTreeMap<String, Vec<String>>,
}

impl Arguments {
    /// Reads the words of a command line; only `known` names may be given.
    ///
    /// # Errors
    /// One line.
    pub fn parse(words: impl Iterator<Item = String>, known: &[&str]) -> Result<Self, String> {
        let mut words = words.peekable();
        let command = words.next().ok_or("a subcommand is missing")?;
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").filter(|name| known.contains(name));
            let name = name.ok_or_else(|| format!("{word} is not known"))?;
            let mut given = Vec::new();
            while let Some(value) = words.next_if(|word| !word.starts_with("--")) {
                given.push(value);
            }
            values.insert(name.to_owned(), given);
        }
        Ok(Self { command, values })
    }

    /// Whether a name was given.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A number, or what it is when none was given.
    ///
    /// # Errors
    /// One line.
    pub fn number(&self, name: &str, default: u64) -> Result<u64, String> {
        let Some(given) = self.values.get(name) else {
            return Ok(default);
        };
        let number = given.first().and_then(|text| text.replace('_', "").parse().ok());
        number.ok_or_else(|| format!("--{name} takes a number"))
    }

    /// The directories, each a disk of its own.
    ///
    /// # Errors
    /// One line.
    pub fn directories(&self) -> Result<Vec<PathBuf>, String> {
        let given = self.values.get("dirs").filter(|given| !given.is_empty());
        let given = given.ok_or("--dirs takes one directory or more")?;
        Ok(given.iter().map(PathBuf::from).collect())
    }
}
