//! How large the pieces of an XML text are, each of which a reader keeps in memory; and what no workbook says.

/// Bytes of a tag, or of the text between two.
const LONGEST: u64 = 1 << 20;
/// Bytes of a tag's beginning that are looked at.
const LOOKED_AT: usize = 512;

/// One text, fed piece by piece.
#[derive(Default)]
pub(crate) struct Scan {
    state: State,
    /// Bytes since the last tag or text began.
    length: u64,
    /// Bytes since the last cell of a sheet began or ended.
    since_cell: u64,
    tags: u64,
    /// How many texts the table of texts says that it has.
    promised: u64,
    /// The beginning of the tag at hand.
    tag: Vec<u8>,
    last: [u8; 2],
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Tag,
    /// Within a value, until this quote.
    Quoted(u8),
    /// Within what ends with this and `>`.
    Until(&'static [u8]),
}

impl Scan {
    /// Reads on; says what is wrong, to be read after the text's name.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Result<(), String> {
        self.since_cell += piece.len() as u64;
        for byte in piece {
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
            if self.length > LONGEST {
                return Err("has a value or a tag of more than 1 MiB".to_owned());
            }
        }
        Ok(())
    }

    /// How many tags there were.
    pub(crate) fn tags(&self) -> u64 {
        self.tags
    }

    /// How many texts the table of texts says that it has, for which room is made before they are read.
    pub(crate) fn promised(&self) -> u64 {
        self.promised
    }

    /// How many bytes are in no cell that has ended.
    pub(crate) fn since_cell(&self) -> u64 {
        self.since_cell
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.length = 0;
        self.tag.clear();
    }

    fn keep(&mut self, byte: u8) {
        if self.tag.len() < LOOKED_AT {
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
            b"sst" if self.tag.len() >= LOOKED_AT => return Err("has a first tag that is too long".to_owned()),
            b"sst" => self.promised = self.promised.max(promised(&self.tag)),
            _ => {}
        }
        self.enter(State::Text);
        Ok(())
    }
}

/// What follows `uniqueCount` in a tag.
fn promised(tag: &[u8]) -> u64 {
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

    fn scanned(text: &str) -> Result<Scan, String> {
        let mut scan = Scan::default();
        // In pieces that end anywhere.
        text.as_bytes().chunks(7).try_for_each(|piece| scan.read(piece)).map(|()| scan)
    }

    #[test]
    fn tags_and_promises_are_counted() {
        let text =
            "<?xml version=\"1.0\"?><x:sst count='9' uniqueCount=\"12\"><si a='>'/><!-- <a> --><![CDATA[<b>]]></x:sst>";
        let scan = scanned(text).unwrap();
        assert_eq!((scan.tags(), scan.promised()), (3, 12));
        assert_eq!(scanned("<sst uniqueCount=\"99999999999999999999999\">").unwrap().promised(), u64::MAX);
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
        assert!(scanned(&"<c><v>1</v></c>".repeat(1000)).unwrap().since_cell() < 20);
        assert!(scanned(&format!("<c>{}", "<v>1</v>".repeat(1000))).unwrap().since_cell() > 7000);
    }
}
