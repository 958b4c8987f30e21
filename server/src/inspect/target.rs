//! Where `--rebuild` writes: an empty directory apart from everything that is looked at.
//!
//! ```text
//! TARGET/README.txt              what the files are, and what cannot be known
//! TARGET/index.jsonl             one JSON object per body piece
//! TARGET/quarantine/BUCKET/VOLUME/OFFSET-COLUMN-START
//! ```
//!
//! No `stave.disk` is written: a server refuses the directory. Files may be read by their owner
//! only.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "see the module header")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const INDEX_NAME: &str = "index.jsonl";
const README_NAME: &str = "README.txt";

/// The directory that is written.
pub struct Target {
    root: PathBuf,
    index: BufWriter<File>,
}

impl Target {
    /// Begins to write into a directory, which is made where it is missing.
    ///
    /// # Errors
    /// One line, when it is not empty, lies inside a source, or cannot be written.
    pub fn create(root: &Path, sources: &[PathBuf]) -> Result<Self, String> {
        let name = root.display();
        let whole = whole_path(root).map_err(|error| format!("cannot use {name}: {error}"))?;
        for source in sources {
            // A source that is missing cannot be written into.
            if source.canonicalize().is_ok_and(|source| whole.starts_with(source)) {
                return Err(format!(
                    "{name} lies inside {}: nothing is written there",
                    source.display()
                ));
            }
        }
        let made = make_empty(root).and_then(|is_empty| match is_empty {
            true => create(&root.join(INDEX_NAME)),
            false => Err(io::Error::other("an empty directory is wanted")),
        });
        let index = made.map_err(|error| format!("cannot write into {name}: {error}"))?;
        Ok(Self { root: root.to_owned(), index: BufWriter::new(index) })
    }

    /// Writes a file below the directory.
    ///
    /// # Errors
    /// I/O errors.
    pub fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        create(&path)?.write_all(bytes)
    }

    /// Writes a line of the index.
    ///
    /// # Errors
    /// I/O errors.
    pub fn write_index(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.index, "{line}")
    }

    /// Writes what people should know; the index is durable then.
    ///
    /// # Errors
    /// I/O errors.
    pub fn finish(mut self, readme: &str) -> io::Result<()> {
        self.write(README_NAME, readme.as_bytes())?;
        self.index.flush()?;
        self.index.get_ref().sync_all()?;
        File::open(&self.root)?.sync_all()
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
}

/// The path without links, also of a directory whose last name is yet to be made.
fn whole_path(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let name = path.file_name().ok_or(error)?;
            Ok(parent.unwrap_or(Path::new(".")).canonicalize()?.join(name))
        }
        result => result,
    }
}

/// Makes a directory where it is missing; returns whether nothing is in it.
fn make_empty(dir: &Path) -> io::Result<bool> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    Ok(fs::read_dir(dir)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_must_be_empty_and_apart() {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("source");
        fs::create_dir(&source).unwrap();
        let sources = [source.clone(), root.path().join("missing")];
        let refuse = |target: &Path, part: &str| {
            let line = Target::create(target, &sources).err().unwrap();
            assert!(line.contains(part), "{line}");
        };
        refuse(&source, "lies inside");
        refuse(&source.join("below"), "lies inside");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&source, &link).unwrap();
        refuse(&link.join("below"), "lies inside");
        refuse(root.path(), "an empty directory is wanted");
        refuse(&root.path().join("no/such"), "cannot use");
        assert_eq!(fs::read_dir(&source).unwrap().count(), 0);
        let target = root.path().join("target");
        let mut made = Target::create(&target, &sources).unwrap();
        made.write("a/b", b"body").unwrap();
        made.write_index("{}").unwrap();
        made.finish("text").unwrap();
        assert_eq!(fs::read(target.join("a/b")).unwrap(), b"body");
        assert_eq!(fs::read(target.join(INDEX_NAME)).unwrap(), b"{}\n");
        refuse(&target, "an empty directory is wanted");
    }
}
