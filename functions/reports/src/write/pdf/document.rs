//! The objects of a PDF, each written as soon as it is complete, so that the memory of a document is that of a page.

use std::io::{self, Write};

use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{Chunk, Content, Filter, Finish, Name, Rect, Ref, TextStr};

use super::font::Fonts;
use crate::{about::About, upload::UploadWriter};

const HEADER: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n";

pub(super) struct Document {
    out: UploadWriter,
    written: u64,
    /// Where each object begins, by its number less one.
    offsets: Vec<u64>,
    pages: Vec<Ref>,
    tree: Ref,
    resources: Ref,
    /// The number of all pages, which each page shows.
    total: Ref,
}

/// The size of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PageSize {
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Document {
    pub(super) fn new(mut out: UploadWriter) -> io::Result<Self> {
        out.write_all(HEADER)?;
        let mut document = Self {
            out,
            written: HEADER.len() as u64,
            offsets: Vec::new(),
            pages: Vec::new(),
            tree: Ref::new(1),
            resources: Ref::new(1),
            total: Ref::new(1),
        };
        (document.tree, document.resources, document.total) =
            (document.reserve(), document.reserve(), document.reserve());
        Ok(document)
    }

    /// A reference to an object that will be written.
    pub(super) fn reserve(&mut self) -> Ref {
        self.offsets.push(0);
        Ref::new(self.offsets.len() as i32)
    }

    /// Writes a reserved object: a chunk holds one alone.
    pub(super) fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        for object in chunk.refs() {
            self.offsets[object.get() as usize - 1] = self.written;
        }
        self.written += chunk.len() as u64;
        self.out.write_all(chunk.as_bytes())
    }

    /// Writes a compressed stream.
    pub(super) fn write_stream(&mut self, object: Ref, bytes: &[u8]) -> io::Result<()> {
        let (mut chunk, bytes) = (Chunk::new(), compressed(bytes)?);
        chunk.stream(object, &bytes).filter(Filter::FlateDecode);
        self.write(&chunk)
    }

    /// Writes a page of these streams, which may come later.
    pub(super) fn write_page(&mut self, size: PageSize, streams: &[Ref]) -> io::Result<()> {
        let object = self.reserve();
        self.pages.push(object);
        let mut chunk = Chunk::new();
        let mut page = chunk.page(object);
        page.parent(self.tree).media_box(Rect::new(0.0, 0.0, size.width, size.height));
        page.contents_array(streams.iter().copied());
        page.pair(Name(b"Resources"), self.resources);
        page.finish();
        self.write(&chunk)
    }

    /// The number of the page that is written next.
    pub(super) fn next_page(&self) -> usize {
        self.pages.len() + 1
    }

    /// Writes what is shared, the catalogue and the table of objects, and completes the upload.
    pub(super) fn finish(mut self, mut fonts: Fonts, about: &About, footer_size: f32) -> io::Result<()> {
        self.write_total(&mut fonts, footer_size)?;
        let used = fonts.write(&mut self)?;
        self.write_resources(&used)?;
        let mut chunk = Chunk::new();
        chunk.pages(self.tree).count(self.pages.len() as i32).kids(self.pages.iter().copied());
        self.write(&chunk)?;
        let catalog = self.reserve();
        let mut chunk = Chunk::new();
        let mut dict = chunk.indirect(catalog).dict();
        dict.pair(Name(b"Type"), Name(b"Catalog")).pair(Name(b"Pages"), self.tree).pair(Name(b"Lang"), TextStr("en"));
        dict.insert(Name(b"ViewerPreferences")).dict().pair(Name(b"DisplayDocTitle"), true);
        dict.finish();
        self.write(&chunk)?;
        let info = self.write_info(about)?;
        self.write_table(catalog, info)?;
        self.out.finish()
    }

    fn write_total(&mut self, fonts: &mut Fonts, size: f32) -> io::Result<()> {
        let mut content = Content::new();
        fonts.show(&mut content, &self.pages.len().to_string(), (0.0, 0.0), size);
        let mut chunk = Chunk::new();
        let bytes = content.finish();
        let mut form = chunk.form_xobject(self.total, bytes.as_slice());
        form.bbox(Rect::new(-size, -size, 12.0 * size, 2.0 * size));
        form.pair(Name(b"Resources"), self.resources);
        form.finish();
        self.write(&chunk)
    }

    fn write_resources(&mut self, fonts: &[(String, Ref)]) -> io::Result<()> {
        let mut chunk = Chunk::new();
        let mut dict = chunk.indirect(self.resources).dict();
        dict.insert(Name(b"XObject")).dict().pair(Name(b"Total"), self.total);
        let mut names = dict.insert(Name(b"Font")).dict();
        for (name, font) in fonts {
            names.pair(Name(name.as_bytes()), *font);
        }
        names.finish();
        dict.finish();
        self.write(&chunk)
    }

    fn write_info(&mut self, about: &About) -> io::Result<Ref> {
        let info = self.reserve();
        let parameters: Vec<_> =
            about.parameters.iter().map(|parameter| format!("{}: {}", parameter.title, parameter.text())).collect();
        let mut chunk = Chunk::new();
        let mut dict = chunk.indirect(info).dict();
        dict.pair(Name(b"Title"), TextStr(&about.title)).pair(Name(b"Author"), TextStr(&about.owner));
        dict.pair(Name(b"Subject"), TextStr(&format!("{}, version {}", about.report, about.digest)));
        dict.pair(Name(b"Keywords"), TextStr(&parameters.join("; "))).pair(Name(b"Creator"), TextStr("Bellwire"));
        let made = about.made.strftime("D:%Y%m%d%H%M%S").to_string();
        let offset = about.made.strftime("%:z").to_string().replace(':', "'");
        dict.pair(Name(b"CreationDate"), TextStr(&format!("{made}{offset}")));
        dict.finish();
        self.write(&chunk)?;
        Ok(info)
    }

    fn write_table(&mut self, catalog: Ref, info: Ref) -> io::Result<()> {
        let (start, count) = (self.written, self.offsets.len() + 1);
        let mut table = format!("xref\n0 {count}\n0000000000 65535 f\r\n");
        table.extend(self.offsets.iter().map(|offset| format!("{offset:010} 00000 n\r\n")));
        let (catalog, info) = (catalog.get(), info.get());
        table += &format!("trailer\n<</Size {count}/Root {catalog} 0 R/Info {info} 0 R>>\nstartxref\n{start}\n%%EOF\n");
        self.out.write_all(table.as_bytes())
    }
}

pub(super) fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
