//! Detects the encoding of a text. Signs beside numbers (`£5`, `±1`, `5 µm`) are letters of other encodings: only words
//! tell one from windows-1252.

use std::collections::HashSet;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, MACINTOSH, UTF_16BE, UTF_16LE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::read::charset::Charset;

/// How sure it is that a text has this encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The input or the definition says so.
    Given,
    /// A byte order mark says so, or everything is UTF-8.
    Certain,
    /// Several words are words in no other.
    Likely,
    /// There was little to go by.
    Guess,
}

/// A detected encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) charset: Charset,
    pub(crate) certainty: Certainty,
}

/// Words from which on a guess is likely.
const MANY_WORDS: usize = 5;

/// The encoding of bytes that are not all ASCII; the last character may be cut.
pub(crate) fn detect(bytes: &[u8]) -> Detected {
    let (characters, errors) = count_utf_8(bytes);
    // Where most is UTF-8, the rest are rows to reject.
    if characters >= errors {
        let certainty = match errors {
            0 => Certainty::Certain,
            _ if errors * 4 < characters => Certainty::Likely,
            _ => Certainty::Guess,
        };
        return Detected { charset: Charset::UTF_8, certainty };
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, false);
    let guess = Charset::Standard(detector.guess(None, Utf8Detection::Deny));
    let guessed = Reading::of(guess, bytes);
    let western = Reading::of(Charset::WINDOWS_1252, bytes);
    // What a Western text comes to in DOS and on a Macintosh, of which the detector does not know.
    let [dos, mac] = [Charset::CP850, Charset::Standard(MACINTOSH)].map(|charset| Reading::of(charset, bytes));
    let is_tie = dos.odd + mac.odd == 0 && dos.good == mac.good;
    let other = if dos.net() >= mac.net() { dos } else { mac };
    let is_other = other.odd == 0
        && other.good >= 2
        && western.odd > 0
        && !guessed.is_foreign
        && other.good > 2 * western.net().max(guessed.net());
    let found = match () {
        () if is_other => &other,
        () if guess != Charset::WINDOWS_1252 && guessed.stands_against(&western) => &guessed,
        () => &western,
    };
    let is_sure = found.words.len() >= MANY_WORDS
        && found.odd == 0
        && !(is_other && is_tie)
        && !(found.charset == Charset::WINDOWS_1252 && found.may_be_hungarian());
    Detected { charset: found.charset, certainty: if is_sure { Certainty::Likely } else { Certainty::Guess } }
}

/// What a text comes to by one encoding.
struct Reading {
    charset: Charset,
    /// The words with letters beyond ASCII.
    words: HashSet<String>,
    /// Set if these are words of an alphabet other than ours, or have no letters.
    is_foreign: bool,
    /// The number of letters beyond ASCII that stand where one may.
    good: usize,
    /// The number of characters beyond ASCII that stand where none does: signs within words, capitals after small letters.
    odd: usize,
}

impl Reading {
    fn of(charset: Charset, bytes: &[u8]) -> Self {
        let text = charset.decode(bytes);
        let mut reading = Self { charset, words: HashSet::new(), is_foreign: false, good: 0, odd: 0 };
        let mut foreign = 0;
        let is_letter = |letter: char| letter.is_alphabetic() && !is_sign(letter);
        for word in text.split(|letter: char| !is_letter(letter)).filter(|word| !word.is_ascii()) {
            let letters = word.chars().count();
            let beyond = word.chars().filter(|letter| !letter.is_ascii()).count();
            let is_foreign =
                word.chars().any(|letter| letter >= '\u{370}' && !('\u{1E00}'..'\u{1F00}').contains(&letter));
            // One character of two bytes may be a sign and a letter: "µm" is a word in Big5.
            let is_word = if charset.is_single_byte() || !is_foreign { letters >= 3 } else { beyond >= 2 };
            if is_word && reading.words.len() < 1000 {
                reading.words.insert(word.to_owned());
                foreign += usize::from(is_foreign);
            }
        }
        reading.is_foreign = foreign * 2 > reading.words.len();
        reading.look_at_letters(&text);
        reading
    }

    fn look_at_letters(&mut self, text: &str) {
        let letter = |near: Option<char>| near.filter(|near| near.is_alphabetic() && !is_sign(*near));
        let (mut before, mut letters) = (None, text.chars().peekable());
        while let Some(this) = letters.next() {
            let after = letter(letters.peek().copied());
            if !this.is_ascii() {
                let within = letter(before).is_some() && after.is_some();
                let is_capital = this.is_uppercase();
                let is_odd = match letter(Some(this)) {
                    // Signs within words of other alphabets are their vowels.
                    None => (within && this < '\u{370}' && !joins_words(this)) || this.is_control(),
                    Some(_) => is_capital && letter(before).is_some_and(char::is_lowercase),
                };
                self.odd += usize::from(is_odd);
                let beside = letter(before).or(after).is_some();
                self.good += usize::from(!is_odd && beside && letter(Some(this)).is_some());
            }
            before = Some(this);
        }
    }

    /// The letters that stand where one may, without those for which something odd stands.
    fn net(&self) -> usize {
        self.good.saturating_sub(2 * self.odd)
    }

    /// True if it has letters that are Hungarian ones in windows-1250, which the detector does not find; Portuguese has one
    /// of them before an "e".
    fn may_be_hungarian(&self) -> bool {
        self.words.iter().any(|word| {
            let mut letters = word.chars().peekable();
            std::iter::from_fn(|| letters.next().map(|letter| (letter, letters.peek().copied())))
                .any(|(letter, after)| letter == 'û' || (letter == 'õ' && after != Some('e')))
        })
    }

    /// True if there is strong enough a reason to prefer this to windows-1252.
    fn stands_against(&self, western: &Self) -> bool {
        match self.words.len() {
            0 => false,
            // A single word may be of any of them, unless it is none there.
            1 => self.is_foreign || western.odd > 0,
            _ => true,
        }
    }
}

/// True for letters that are signs of units and ordinals.
fn is_sign(letter: char) -> bool {
    matches!(letter, 'µ' | 'ª' | 'º' | 'ƒ')
}

/// True for what stands between two letters of a text.
fn joins_words(sign: char) -> bool {
    matches!(sign, '’' | '‘' | '´' | '–' | '—' | '·' | '\u{A0}' | '\u{AD}' | '…')
}

/// Detects UTF-16 without a byte order mark: other texts have no zeros, and in it digits, commas and line ends have one
/// each, on the same side.
pub(crate) fn detect_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let bytes = &bytes[..bytes.len().min(4096) & !1];
    let zeros = |odd: usize| bytes.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), bytes.len() / 2);
    let encoding = match (even, odd) {
        (0, odd) if odd >= 2 && odd * 10 >= pairs => UTF_16LE,
        (even, 0) if even >= 2 && even * 10 >= pairs => UTF_16BE,
        _ => return None,
    };
    let decoded = encoding.decode_without_bom_handling(bytes).0;
    let is_text = |letter: char| !letter.is_control() || matches!(letter, '\t' | '\r' | '\n' | '\u{1E}');
    // The last character may be cut.
    let whole = decoded.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap_or(&decoded);
    // In a text with a few zeros in it, the line ends would be parts of other characters.
    let line_ends = whole.chars().filter(|letter| *letter == '\n').count();
    let has_line_ends = memchr::memchr_iter(b'\n', bytes).count() <= line_ends * 2;
    (has_line_ends && whole.chars().all(is_text) && !whole.contains(char::REPLACEMENT_CHARACTER)).then_some(encoding)
}

/// Counts the characters beyond ASCII that are UTF-8, and the sequences that are not.
fn count_utf_8(bytes: &[u8]) -> (usize, usize) {
    let (mut characters, mut errors) = (0, 0);
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        characters += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        let is_last = chunks.peek().is_none();
        let is_error = |error: std::str::Utf8Error| !is_last || error.error_len().is_some();
        errors += usize::from(std::str::from_utf8(chunk.invalid()).is_err_and(is_error));
    }
    (characters, errors)
}

#[cfg(test)]
mod corpus;
