//! One page while it is filled, from its top to its bottom.

use std::io;

use pdf_writer::{Content, Name, Ref};

use super::{Paper, document::PageSize, font::Fonts, lines::wrap};

pub(super) const PORTRAIT: PageSize = PageSize { width: 595.0, height: 842.0 };
pub(super) const LANDSCAPE: PageSize = PageSize { width: 842.0, height: 595.0 };
pub(super) const MARGIN: f32 = 36.0;
/// The size of letters beside the table.
pub(super) const SMALL: f32 = 7.5;
/// Lines of letters, by their size.
pub(super) const LEADING: f32 = 1.35;
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
}

impl Paper {
    /// Ends the page, if there is one, and begins another.
    pub(super) fn begin_page(&mut self, size: PageSize) -> io::Result<()> {
        self.end_page()?;
        self.page = Some(Page { size, content: Content::new(), y: MARGIN, later: Vec::new() });
        Ok(())
    }

    /// The page that is being filled.
    pub(super) fn page(&mut self) -> &mut Page {
        self.page.as_mut().expect("a page was begun")
    }

    pub(super) fn end_page(&mut self) -> io::Result<()> {
        let Some(mut page) = self.page.take() else { return Ok(()) };
        let y = page.size.height - MARGIN - SMALL;
        page.show(&mut self.fonts, &self.footer, (MARGIN, y), (SMALL, DIM));
        let number = format!("Page {} of ", self.document.next_page());
        // Room for a number of six digits.
        let x = page.size.width - MARGIN - (self.fonts.width(&number) + self.fonts.width("000000")) * SMALL;
        page.show(&mut self.fonts, &number, (x, y), (SMALL, DIM));
        let (x, y) = page.point(x + self.fonts.width(&number) * SMALL, y + SMALL);
        page.content.save_state().transform([1.0, 0.0, 0.0, 1.0, x, y]).x_object(Name(b"Total")).restore_state();
        let stream = self.document.reserve();
        self.document.write_stream(stream, page.content.finish().as_slice())?;
        let streams: Vec<_> = [stream].into_iter().chain(page.later).collect();
        self.document.write_page(page.size, &streams)
    }

    /// Makes room for so much; true if that took another page.
    pub(super) fn make_room(&mut self, height: f32) -> io::Result<bool> {
        let (room, size) = (self.page().room(), self.page().size);
        if room >= height {
            return Ok(false);
        }
        self.begin_page(size)?;
        Ok(true)
    }

    /// A title of the document or of a sheet.
    pub(super) fn heading(&mut self, text: &str, size: f32) -> io::Result<()> {
        // Its letters are drawn twice as thick.
        self.page().content.save_state().set_line_width(size * 0.03).set_stroke_gray(INK);
        self.page().content.set_text_rendering_mode(pdf_writer::types::TextRenderingMode::FillStroke);
        self.text(text, size, INK)?;
        self.page().content.restore_state();
        self.page().y += size * 0.2;
        Ok(())
    }

    /// A text of several lines.
    pub(super) fn paragraph(&mut self, text: &str, size: f32) -> io::Result<()> {
        self.text(text, size, DIM)
    }

    fn text(&mut self, text: &str, size: f32, gray: f32) -> io::Result<()> {
        let width = self.page().width() / size;
        for line in wrap(&mut self.fonts, text, width) {
            self.make_room(size * LEADING)?;
            let Self { page: Some(page), fonts, .. } = self else { break };
            page.show(fonts, &line, (MARGIN, page.y), (size, gray));
            page.y += size * LEADING;
        }
        Ok(())
    }
}
