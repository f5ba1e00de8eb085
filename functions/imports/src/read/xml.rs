//! Measures the tags and texts of an XML file, each of which its reader keeps in memory, and refuses document types.

/// Bytes of a tag, or of the text between two.
const MAX_TOKEN_BYTES: u64 = 1 << 20;
/// Bytes of a tag's beginning that are kept.
const KEPT_TAG_BYTES: usize = 512;

/// A scan of one XML file, fed chunk by chunk.
#[derive(Default)]
pub(crate) struct XmlScan {
    state: State,
    /// Bytes since the last tag or text began.
    length: u64,
    /// Bytes since the last cell of a sheet began or ended.
    pub(crate) since_cell: u64,
    pub(crate) tags: u64,
    /// The number of texts that the table of shared texts declares; the library allocates for all of them at once.
    pub(crate) declared_texts: u64,
    /// The beginning of the current tag.
    tag: Vec<u8>,
    last: [u8; 2],
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Tag,
    /// Within an attribute's value, until this quote.
    Quoted(u8),
    /// Within a comment or the like, until this and `>`.
    Until(&'static [u8]),
}

impl XmlScan {
    /// Scans the next chunk; an error is worded to follow the file's name.
    pub(crate) fn read(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.since_cell += chunk.len() as u64;
        for byte in chunk {
            self.length += 1;
            match self.state {
                State::Text if *byte == b'<' => self.enter(State::Tag),
                State::Text => {}
                State::Quoted(quote) if *byte == quote => self.state = State::Tag,
                State::Quoted(_) => self.keep(*byte),
                State::Tag => self.tag_byte(*byte)?,
                State::Until(end) if *byte == b'>' && self.last.ends_with(end) => self.enter(State::Text),
                State::Until(_) => self.last = [self.last[1], *byte],
            }
            if self.length > MAX_TOKEN_BYTES {
                return Err("has a value or a tag of more than 1 MiB".to_owned());
            }
        }
        Ok(())
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.length = 0;
        self.tag.clear();
    }

    fn keep(&mut self, byte: u8) {
        if self.tag.len() < KEPT_TAG_BYTES {
            self.tag.push(byte);
        }
    }

    fn tag_byte(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'>' => self.end_tag()?,
            b'"' | b'\'' if !self.tag.starts_with(b"!") => {
                self.keep(byte);
                self.state = State::Quoted(byte);
            }
            _ => self.keep(byte),
        }
        let until = match self.tag.as_slice() {
            b"!--" => &b"--"[..],
            b"![CDATA[" => b"]]",
            b"?" => &b"?"[..],
            tag if tag.len() == 8 && tag.eq_ignore_ascii_case(b"!doctype") => {
                return Err("has a document type, which no workbook has".to_owned());
            }
            _ => return Ok(()),
        };
        self.last = [0; 2];
        self.state = State::Until(until);
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), String> {
        self.tags += 1;
        let name = self.tag.trim_ascii_start();
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let length = name.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'/').count();
        let name = name[..length].rsplit(|byte| *byte == b':').next().unwrap_or_default();
        match name {
            b"c" => self.since_cell = 0,
            b"sst" if self.tag.len() >= KEPT_TAG_BYTES => return Err("has a first tag that is too long".to_owned()),
            b"sst" => self.declared_texts = self.declared_texts.max(unique_count(&self.tag)),
            _ => {}
        }
        self.enter(State::Text);
        Ok(())
    }
}

/// The value of `uniqueCount` in a tag.
fn unique_count(tag: &[u8]) -> u64 {
    let counts = memchr::memmem::find_iter(tag, b"uniqueCount").map(|at| {
        let after = tag[at..].iter().skip_while(|byte| !byte.is_ascii_digit());
        let digits = after.take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    });
    counts.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> Result<XmlScan, String> {
        let mut scan = XmlScan::default();
        // In chunks that end anywhere.
        text.as_bytes().chunks(7).try_for_each(|chunk| scan.read(chunk)).map(|()| scan)
    }

    #[test]
    fn tags_and_declared_texts_are_counted() {
        let text =
            "<?xml version=\"1.0\"?><x:sst count='9' uniqueCount=\"12\"><si a='>'/><!-- <a> --><![CDATA[<b>]]></x:sst>";
        let scan = scanned(text).unwrap();
        assert_eq!((scan.tags, scan.declared_texts), (3, 12));
        assert_eq!(scanned("<sst uniqueCount=\"99999999999999999999999\">").unwrap().declared_texts, u64::MAX);
        assert!(scanned(&format!("<sst a=\"{}\">", "x".repeat(600))).is_err());
    }

    #[test]
    fn no_piece_is_longer_than_a_reader_may_keep() {
        let long = "x".repeat(2 << 20);
        for text in [
            format!("<a>{long}</a>"),
            format!("<a b=\"{long}\">"),
            format!("<{long}>"),
            format!("<!-- {} -->", "<a>".repeat(1 << 19)),
            format!("<![CDATA[{}]]>", "<a>".repeat(1 << 19)),
            format!("<? {} ?>", "<a>".repeat(1 << 19)),
            format!("<a b='{}'>", ">".repeat(2 << 20)),
        ] {
            assert_eq!(scanned(&text).err().unwrap(), "has a value or a tag of more than 1 MiB");
        }
        assert!(scanned(&format!("<a>{}</a>", "<b>x</b>".repeat(1 << 18))).is_ok());
    }

    #[test]
    fn a_document_type_is_refused() {
        for text in ["<!DOCTYPE lolz [<!ENTITY lol \"lol\">]>", "<a><!doctype x SYSTEM 'file:///etc/passwd'>"] {
            assert_eq!(scanned(text).err().unwrap(), "has a document type, which no workbook has");
        }
    }

    #[test]
    fn cells_that_end_are_told_from_what_goes_on() {
        assert!(scanned(&"<c><v>1</v></c>".repeat(1000)).unwrap().since_cell < 20);
        assert!(scanned(&format!("<c>{}", "<v>1</v>".repeat(1000))).unwrap().since_cell > 7000);
    }
}
