//! Writes a document into one string, element by element.

/// What every document begins with.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Name space of S3's answers.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document in the making.
#[derive(Debug)]
pub struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// Begins a document with its declaration.
    pub fn document() -> Self {
        let mut out = String::with_capacity(512);
        out.push_str(DECLARATION);
        Self { out }
    }

    /// Begins a document with its root element, in the name space of S3.
    pub fn root(name: &str) -> Self {
        let mut xml = Self::document();
        for part in ["<", name, " xmlns=\"", NAMESPACE, "\">"] {
            xml.out.push_str(part);
        }
        xml
    }

    /// Begins an element.
    pub fn open(&mut self, name: &str) {
        for part in ["<", name, ">"] {
            self.out.push_str(part);
        }
    }

    /// Begins an element with attributes.
    pub fn open_with(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            for part in [" ", attribute, "=\""] {
                self.out.push_str(part);
            }
            escape_into(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
    }

    /// Ends an element.
    pub fn close(&mut self, name: &str) {
        for part in ["</", name, ">"] {
            self.out.push_str(part);
        }
    }

    /// An element that holds text only.
    pub fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        escape_into(&mut self.out, value);
        self.close(name);
    }

    /// An element that holds text, where there is any.
    pub fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// An element that holds a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.text(name, &value.to_string());
    }

    /// An element that holds `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.text(name, if value { "true" } else { "false" });
    }

    /// Text inside the open element.
    pub fn content(&mut self, value: &str) {
        escape_into(&mut self.out, value);
    }

    /// An entity tag, in quotes.
    pub fn etag(&mut self, etag: &str) {
        self.open("ETag");
        self.out.push_str("&quot;");
        escape_into(&mut self.out, etag);
        self.out.push_str("&quot;");
        self.close("ETag");
    }

    /// The document.
    pub fn finish(self) -> String {
        self.out
    }
}

fn escape_into(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str("&#x");
                out.push_str(&format!("{:x}", u32::from(character)));
                out.push(';');
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut xml = XmlWriter::root("R");
        xml.text("K", "a<b>&\"\u{1}\n");
        xml.etag("e-1");
        xml.close("R");
        assert!(xml.finish().ends_with(
            "<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><K>a&lt;b&gt;&amp;&quot;&#x1;\
             &#xa;</K><ETag>&quot;e-1&quot;</ETag></R>"
        ));
    }
}
