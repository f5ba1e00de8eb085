//! Texts cut into lines that fit, and columns into widths that fit.

use super::font::{Fonts, composed};

/// Cuts a text into lines of at most this width at size 1: at its line feeds, else between words, else anywhere. No letter is
/// lost.
pub(super) fn wrap(fonts: &mut Fonts, text: &str, width: f32) -> Vec<String> {
    let text = composed(text).replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let (mut line, mut length, mut gap) = (String::new(), 0.0, None);
        for letter in paragraph.chars() {
            let letter_width = fonts.letter_width(letter);
            if length + letter_width > width && !line.is_empty() && letter != ' ' {
                let rest = line.split_off(gap.take().unwrap_or(line.len()));
                length = fonts.width(&rest);
                lines.push(std::mem::replace(&mut line, rest));
            }
            line.push(letter);
            length += letter_width;
            if letter == ' ' {
                gap = Some(line.len());
            }
        }
        lines.push(line);
    }
    lines
}

/// The widths of columns that together are `room` wide: what each wants where that fits, stretched; else narrow ones get what
/// they want, and the others share the rest.
pub(super) fn widths(wanted: &[f32], room: f32) -> Vec<f32> {
    let sum: f32 = wanted.iter().sum();
    if sum <= room {
        return wanted.iter().map(|width| width * room / sum.max(1.0)).collect();
    }
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut widths = vec![0.0; wanted.len()];
    let mut left = room;
    for (done, index) in order.into_iter().enumerate() {
        let share = left / (wanted.len() - done) as f32;
        widths[index] = wanted[index].min(share);
        left -= widths[index];
    }
    widths
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::font::FontFiles, *};

    fn fonts() -> Fonts {
        Fonts::new(Arc::new(FontFiles::read(&[]).unwrap()))
    }

    #[test]
    fn a_line_ends_between_words_or_anywhere_and_no_letter_is_lost() {
        let mut fonts = fonts();
        let width = fonts.width("nine letters");
        assert_eq!(wrap(&mut fonts, "nine letters and more", width), ["nine letters ", "and more"]);
        assert_eq!(wrap(&mut fonts, "a\r\nb\n\nc", width), ["a", "b", "", "c"]);
        for text in ["nolineendswherethereisnospace", "a  b", " ", "", "Łódź 東京 e\u{301}"] {
            let lines = wrap(&mut fonts, text, width);
            assert_eq!(lines.concat(), composed(text), "{lines:?}");
            assert!(lines.iter().all(|line| fonts.width(line.trim_end()) <= width), "{lines:?}");
        }
        assert_eq!(wrap(&mut fonts, "WW", 0.1), ["W", "W"], "a letter is never narrower");
    }

    #[test]
    fn columns_share_the_room_that_there_is() {
        assert_eq!(widths(&[1.0, 3.0], 8.0), [2.0, 6.0]);
        assert_eq!(widths(&[1.0, 10.0, 20.0], 11.0), [1.0, 5.0, 5.0]);
        assert_eq!(widths(&[], 5.0), [0.0; 0]);
    }
}
