//! The document with the page that is being filled.

use std::{io, sync::Arc};

use pdf_writer::{Chunk, Content, Finish, Name, Rect, Ref, TextStr};

use super::{
    document::{Document, PageSize},
    font::{FontFiles, Fonts},
    lines::wrap,
    page::{DIM, INK, LEADING, MARGIN, Page, SMALL},
};
use crate::{
    about::{About, shortened},
    upload::UploadWriter,
};

/// Most characters of the title at the foot of each page.
const MAX_FOOTER: usize = 60;

/// The document with the page that is being filled.
pub(super) struct Paper {
    pub(super) document: Document,
    pub(super) fonts: Fonts,
    page: Option<Page>,
    /// On each page, before its number.
    footer: String,
    /// The number of all pages, which each page shows.
    total: Ref,
}

impl Paper {
    pub(super) fn new(out: UploadWriter, about: &About, files: Arc<FontFiles>) -> io::Result<Self> {
        let footer = format!("{} · {} · {}", shortened(&about.title, MAX_FOOTER), about.owner, about.made_text());
        let mut document = Document::new(out)?;
        let total = document.reserve();
        Ok(Self { document, fonts: Fonts::new(files), page: None, footer, total })
    }

    /// The page that is being filled, and the fonts.
    pub(super) fn parts(&mut self) -> (&mut Page, &mut Fonts) {
        (self.page.as_mut().expect("a page was begun"), &mut self.fonts)
    }

    /// Ends the page, if there is one, and begins another.
    pub(super) fn begin_page(&mut self, size: PageSize) -> io::Result<()> {
        self.end_page()?;
        self.page = Some(Page { size, content: Content::new(), y: MARGIN, later: Vec::new() });
        Ok(())
    }

    /// The page that is being filled.
    pub(super) fn page(&mut self) -> &mut Page {
        self.parts().0
    }

    fn end_page(&mut self) -> io::Result<()> {
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
        self.page().begin_bold(size);
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
            let (page, fonts) = self.parts();
            page.show(fonts, &line, (MARGIN, page.y), (size, gray));
            page.y += size * LEADING;
        }
        Ok(())
    }

    /// Writes what is known last, and completes the document.
    pub(super) fn finish(mut self, about: &About) -> io::Result<()> {
        self.end_page()?;
        self.write_total()?;
        let Self { mut document, fonts, total, .. } = self;
        let used = fonts.write(&mut document)?;
        write_resources(&mut document, total, &used)?;
        let catalog = document.reserve();
        let mut chunk = Chunk::new();
        let mut dict = chunk.indirect(catalog).dict();
        dict.pair(Name(b"Type"), Name(b"Catalog"))
            .pair(Name(b"Pages"), document.tree)
            .pair(Name(b"Lang"), TextStr("en"));
        dict.insert(Name(b"ViewerPreferences")).dict().pair(Name(b"DisplayDocTitle"), true);
        dict.finish();
        document.write(&chunk)?;
        let info = write_info(&mut document, about)?;
        document.finish(catalog, info)
    }

    fn write_total(&mut self) -> io::Result<()> {
        let mut content = Content::new();
        self.fonts.show(&mut content, &self.document.pages.len().to_string(), (0.0, 0.0), SMALL);
        let (mut chunk, bytes) = (Chunk::new(), content.finish());
        let mut form = chunk.form_xobject(self.total, bytes.as_slice());
        form.bbox(Rect::new(-SMALL, -SMALL, 12.0 * SMALL, 2.0 * SMALL));
        form.pair(Name(b"Resources"), self.document.resources);
        form.finish();
        self.document.write(&chunk)
    }
}

fn write_resources(document: &mut Document, total: Ref, fonts: &[(String, Ref)]) -> io::Result<()> {
    let mut chunk = Chunk::new();
    let mut dict = chunk.indirect(document.resources).dict();
    dict.insert(Name(b"XObject")).dict().pair(Name(b"Total"), total);
    let mut names = dict.insert(Name(b"Font")).dict();
    for (name, font) in fonts {
        names.pair(Name(name.as_bytes()), *font);
    }
    names.finish();
    dict.finish();
    document.write(&chunk)
}

/// The properties of the document.
fn write_info(document: &mut Document, about: &About) -> io::Result<Ref> {
    let info = document.reserve();
    let parameters = about.parameters.iter().map(|each| format!("{}: {}", each.title, each.text()));
    let parameters = parameters.collect::<Vec<_>>().join("; ");
    let mut chunk = Chunk::new();
    let mut dict = chunk.indirect(info).dict();
    dict.pair(Name(b"Title"), TextStr(&about.title)).pair(Name(b"Author"), TextStr(&about.owner));
    dict.pair(Name(b"Subject"), TextStr(&format!("{}, version {}", about.report, about.digest)));
    dict.pair(Name(b"Keywords"), TextStr(&parameters)).pair(Name(b"Creator"), TextStr("Bellwire"));
    let made = about.made.strftime("D:%Y%m%d%H%M%S").to_string();
    let offset = about.made.strftime("%:z").to_string().replace(':', "'");
    dict.pair(Name(b"CreationDate"), TextStr(&format!("{made}{offset}")));
    dict.finish();
    document.write(&chunk)?;
    Ok(info)
}
