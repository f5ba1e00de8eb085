//! One page while it is filled, from its top to its bottom.

use pdf_writer::{Content, Ref, types::TextRenderingMode};

use super::{document::PageSize, font::Fonts};

pub(super) const PORTRAIT: PageSize = PageSize { width: 595.0, height: 842.0 };
pub(super) const LANDSCAPE: PageSize = PageSize { width: 842.0, height: 595.0 };
pub(super) const MARGIN: f32 = 36.0;
/// The size of letters beside the table.
pub(super) const SMALL: f32 = 7.5;
/// Lines of letters, by their size.
pub(super) const LEADING: f32 = 1.35;
/// Height of what stands below the table.
const FOOTER: f32 = 18.0;
/// How dark texts and lines are: 0 is black.
pub(super) const INK: f32 = 0.0;
pub(super) const DIM: f32 = 0.35;

/// A page.
pub(super) struct Page {
    pub(super) size: PageSize,
    pub(super) content: Content,
    /// What is full of it, from its top.
    pub(super) y: f32,
    /// Streams that are written later.
    pub(super) later: Vec<Ref>,
}

impl Page {
    /// The point of the page that is so far from its upper left corner.
    pub(super) fn point(&self, x: f32, y: f32) -> (f32, f32) {
        (x, self.size.height - y)
    }

    /// Height that is left.
    pub(super) fn room(&self) -> f32 {
        self.size.height - MARGIN - FOOTER - self.y
    }

    /// The width between the margins.
    pub(super) fn width(&self) -> f32 {
        self.size.width - 2.0 * MARGIN
    }

    /// Shows a line whose upper left corner is there.
    pub(super) fn show(&mut self, fonts: &mut Fonts, text: &str, (x, y): (f32, f32), (size, gray): (f32, f32)) {
        let point = self.point(x, y + size);
        self.content.set_fill_gray(gray);
        fonts.show(&mut self.content, text, point, size);
    }

    /// Draws a line from margin to margin.
    pub(super) fn rule(&mut self, y: f32, (thickness, gray): (f32, f32)) {
        let ((left, height), right) = (self.point(MARGIN, y), self.size.width - MARGIN);
        self.content.set_stroke_gray(gray).set_line_width(thickness);
        self.content.move_to(left, height).line_to(right, height).stroke();
    }

    /// Makes what is shown next thicker, until the state of the content is restored.
    pub(super) fn begin_bold(&mut self, size: f32) {
        self.content.save_state().set_line_width(size * 0.03).set_stroke_gray(INK);
        self.content.set_text_rendering_mode(TextRenderingMode::FillStroke);
    }
}
