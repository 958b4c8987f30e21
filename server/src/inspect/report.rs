//! What is printed: items with fields, damage with its place, and what the exit code is made of.
//!
//! As text an item is its kind and `name=value` pairs below the name of its file; with `--json`
//! each is an object on a line of its own, which names the file, too.

use crate::config::Detail;
use serde_json::Value;
use std::io::Write;

/// A field of an item, in the order in which it is shown.
pub type Field = (&'static str, Value);

/// Exit code when something could not be read: then nobody knows.
const EXIT_UNREADABLE: u8 = 2;

/// Prints, and counts what it printed.
pub struct Report<'a> {
    out: &'a mut dyn Write,
    is_json: bool,
    detail: Detail,
    file: String,
    /// Whether the name of the file stands above the items already.
    is_named: bool,
    file_count: u64,
    damage_count: u64,
    unreadable_count: u64,
}

impl<'a> Report<'a> {
    /// Begins.
    pub fn new(out: &'a mut dyn Write, is_json: bool, detail: Detail) -> Self {
        Self {
            out,
            is_json,
            detail,
            file: String::new(),
            is_named: true,
            file_count: 0,
            damage_count: 0,
            unreadable_count: 0,
        }
    }

    /// What follows is of this file.
    pub fn begin_file(&mut self, file: &str) {
        self.file_count += 1;
        self.begin(file);
    }

    /// What follows is of this file, directory or store.
    pub fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.file);
        self.is_named = false;
    }

    /// The file that was begun last.
    pub fn file(&self) -> String {
        self.file.clone()
    }

    /// Places with damage so far.
    pub fn damage_count(&self) -> u64 {
        self.damage_count
    }

    /// Whether that much is shown.
    pub fn shows(&self, detail: Detail) -> bool {
        self.detail >= detail
    }

    /// Shows an item when that much is shown.
    pub fn item(&mut self, detail: Detail, kind: &str, fields: &[Field]) {
        if !self.shows(detail) {
            return;
        }
        if self.is_json {
            let file = Value::from(self.file.as_str());
            let head = [("kind", Value::from(kind)), ("file", file)];
            self.line(&json_line(head.iter().chain(fields)));
        } else {
            self.name_file();
            let pairs = fields.iter().map(|(name, value)| format!(" {name}={}", plain(value)));
            self.line(&format!("  {kind}{}", pairs.collect::<String>()));
        }
    }

    /// Says what is worth knowing and no damage.
    pub fn note(&mut self, text: &str) {
        self.item(Detail::Items, "note", &[("text", text.into())]);
    }

    /// Says what is damaged, and where.
    pub fn damage(&mut self, offset: u64, what: &str) {
        self.damage_count += 1;
        self.complain("damage", Some(offset), what);
    }

    /// Says what could not be read.
    pub fn unreadable(&mut self, what: &str) {
        self.unreadable_count += 1;
        self.complain("unreadable", None, what);
    }

    fn complain(&mut self, kind: &str, offset: Option<u64>, what: &str) {
        if self.is_json {
            let mut fields = vec![("kind", kind.into()), ("file", self.file.as_str().into())];
            fields.extend(offset.map(|offset| ("offset", offset.into())));
            fields.push(("what", what.into()));
            self.line(&json_line(fields.iter()));
        } else {
            let place = offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
            let line = format!("{}: {}{place}: {what}", kind.to_uppercase(), self.file);
            self.line(&line);
        }
    }

    fn name_file(&mut self) {
        if !self.is_named {
            self.is_named = true;
            let file = self.file.clone();
            self.line(&file);
        }
    }

    fn line(&mut self, line: &str) {
        // A closed stdout is no reason to fail: the exit code still tells.
        let _ = writeln!(self.out, "{line}");
    }

    /// Shows the summary; returns the exit code.
    pub fn end(mut self) -> u8 {
        let (word, code) = match (self.unreadable_count, self.damage_count) {
            (0, 0) => ("intact", 0),
            (0, _) => ("damaged", 1),
            (_, _) => ("not all readable", EXIT_UNREADABLE),
        };
        let counts = [
            ("result", word.into()),
            ("files", self.file_count.into()),
            ("damage", self.damage_count.into()),
            ("unreadable", self.unreadable_count.into()),
        ];
        if self.is_json {
            let head = [("kind", Value::from("summary"))];
            self.line(&json_line(head.iter().chain(&counts)));
        } else {
            self.line(&format!(
                "{word}: {} files, {} places with damage, {} not readable",
                self.file_count, self.damage_count, self.unreadable_count
            ));
        }
        let _ = self.out.flush();
        code
    }
}

/// A JSON object with its fields in this order.
pub fn json_line<'f>(fields: impl Iterator<Item = &'f Field>) -> String {
    let pairs: Vec<String> =
        fields.map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

/// An identity of 128 bits.
pub fn hex128(id: u128) -> Value {
    format!("{id:032x}").into()
}

/// An identity of 64 bits, as names of files spell it.
pub fn hex64(id: u64) -> Value {
    format!("{id:016x}").into()
}
