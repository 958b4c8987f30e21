//! A strict pull reader over quick-xml: elements and text, nothing else.

use crate::error::{S3Error, S3Result, codes};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::borrow::Cow;

/// Elements that may be open at once.
pub const DEPTH_MAX: usize = 16;

/// Attributes that an element may have; they are ignored.
const ATTRIBUTES_MAX: usize = 16;

/// Walks a document: [`XmlReader::root`], then [`XmlReader::child`] until `None`; each child is
/// ended by [`XmlReader::text`], [`XmlReader::skip`] or its own loop over `child`.
pub struct XmlReader<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
}

/// One step that matters to the walk.
enum Step {
    Open(String),
    Close,
    Text(String),
    End,
}

fn malformed() -> S3Error {
    (&codes::MALFORMED_XML).into()
}

impl<'a> XmlReader<'a> {
    /// Reads from a whole document.
    ///
    /// # Errors
    /// `MalformedXML` when it is not UTF-8.
    pub fn new(document: &'a [u8]) -> S3Result<Self> {
        let text = std::str::from_utf8(document).map_err(|_| malformed())?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, depth: 0 })
    }

    /// Opens the root element, which must have this name.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn root(&mut self, name: &str) -> S3Result<()> {
        loop {
            match self.step()? {
                Step::Open(found) if found == name => return Ok(()),
                Step::Text(text) if is_blank(&text) => {}
                _ => return Err(malformed()),
            }
        }
    }

    /// Opens the next child of the open element; `None` when that one ended.
    ///
    /// # Errors
    /// `MalformedXML`, also for text between children.
    pub fn child(&mut self) -> S3Result<Option<String>> {
        loop {
            match self.step()? {
                Step::Open(name) => return Ok(Some(name)),
                Step::Close => return Ok(None),
                Step::Text(text) if is_blank(&text) => {}
                _ => return Err(malformed()),
            }
        }
    }

    /// The text of the open element, up to its end.
    ///
    /// # Errors
    /// `MalformedXML`, also for children.
    pub fn text(&mut self) -> S3Result<String> {
        let mut whole = String::new();
        loop {
            match self.step()? {
                Step::Text(text) => whole.push_str(&text),
                Step::Close => return Ok(whole),
                _ => return Err(malformed()),
            }
        }
    }

    /// Passes over the open element, up to its end.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn skip(&mut self) -> S3Result<()> {
        let outer = self.depth - 1;
        while self.depth > outer {
            if matches!(self.step()?, Step::End) {
                return Err(malformed());
            }
        }
        Ok(())
    }

    /// Checks that nothing follows the root element.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn end(&mut self) -> S3Result<()> {
        loop {
            match self.step()? {
                Step::End => return Ok(()),
                Step::Text(text) if is_blank(&text) => {}
                _ => return Err(malformed()),
            }
        }
    }

    fn step(&mut self) -> S3Result<Step> {
        loop {
            return match self.reader.read_event().map_err(|_| malformed())? {
                Event::Start(start) => self.open(&start),
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or_else(malformed)?;
                    Ok(Step::Close)
                }
                Event::Text(text) => content(text.xml10_content()),
                Event::CData(text) => content(text.xml10_content()),
                Event::GeneralRef(reference) => resolve(&reference).map(Step::Text),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof if self.depth == 0 => Ok(Step::End),
                Event::DocType(_) | Event::Empty(_) | Event::Eof => Err(malformed()),
            };
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> S3Result<Step> {
        self.depth += 1;
        let mut attributes = start.attributes();
        attributes.with_checks(false);
        if self.depth > DEPTH_MAX || attributes.take(ATTRIBUTES_MAX + 1).count() > ATTRIBUTES_MAX {
            return Err(malformed());
        }
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        Ok(Step::Open(name))
    }
}

/// Text as it was decoded; no document can hold U+0000, not even by a reference.
fn content<E>(decoded: Result<Cow<'_, str>, E>) -> S3Result<Step> {
    match decoded {
        Ok(text) if !text.contains('\0') => Ok(Step::Text(text.into_owned())),
        _ => Err(malformed()),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn resolve(reference: &BytesRef<'_>) -> S3Result<String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| malformed())? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|_| malformed())?;
    let text = match name.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(malformed()),
    };
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::XmlWriter;

    fn walk(document: &str) -> S3Result<Vec<(String, String)>> {
        let mut reader = XmlReader::new(document.as_bytes())?;
        reader.root("R")?;
        let mut found = Vec::new();
        while let Some(name) = reader.child()? {
            let text = if name == "Skip" {
                reader.skip()?;
                String::new()
            } else {
                reader.text()?
            };
            found.push((name, text));
        }
        reader.end()?;
        Ok(found)
    }

    #[test]
    fn elements_text_references_and_cdata_are_read() {
        let found = walk(
            "<?xml version=\"1.0\"?> <x:R xmlns:x='u'>\n <K>a&amp;b&#x41;<![CDATA[<]]></K>\
             <!-- c --><E/><Skip><Deep>1</Deep></Skip></x:R>\n",
        );
        let expected = [("K", "a&bA<"), ("E", ""), ("Skip", "")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn every_character_comes_back() {
        let all: Vec<char> = ('\u{1}'..=char::MAX).collect();
        for some in all.chunks(4096) {
            let text: String = some.iter().collect();
            let mut xml = XmlWriter::root("R");
            xml.text("K", &text);
            xml.close("R");
            assert_eq!(walk(&xml.finish()).unwrap(), [("K".to_owned(), text)]);
        }
    }

    #[test]
    fn hostile_documents_are_malformed() {
        let deep = format!("<R>{}{}</R>", "<a>".repeat(20), "</a>".repeat(20));
        let skipped = format!("<R><Skip>{}", "<a>".repeat(1000));
        let (open, close) = ("<a>".repeat(DEPTH_MAX - 1), "</a>".repeat(DEPTH_MAX - 1));
        let closed = format!("<R><Skip>{open}{close}</Skip></R>");
        let wide = format!("<R><K {}></K></R>", "a='1' ".repeat(1000));
        for document in [
            "<!DOCTYPE R [<!ENTITY a \"b\">]><R><K>&a;</K></R>",
            "<R><K>&a;</K></R>",
            "<Q></Q>",
            "<R><K></R>",
            "<R></R><R></R>",
            "<R>text</R>",
            "<R><K>a\0</K></R>",
            "<R><K><![CDATA[\0]]></K></R>",
            "<R><K>&#0;</K></R>",
            "<R><K>&#xd800;</K></R>",
            "<R><K><a/></K></R>",
            "",
            "<R>",
            &deep,
            &skipped,
            &closed,
            &wide,
        ] {
            let code = walk(document).map_err(|error| error.code);
            assert_eq!(code, Err(&codes::MALFORMED_XML), "{document}");
        }
    }
}
