//! The objects of a PDF, each written as soon as it is complete, so that the memory of a document is that of a page.

use std::io::{self, Write};

use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{Chunk, Filter, Finish, Name, Rect, Ref};

use crate::upload::UploadWriter;

const HEADER: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n";

pub(super) struct Document {
    out: UploadWriter,
    written: u64,
    /// Where each object begins, by its number less one.
    offsets: Vec<u64>,
    pub(super) pages: Vec<Ref>,
    /// All pages.
    pub(super) tree: Ref,
    /// What all pages use.
    pub(super) resources: Ref,
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
        };
        (document.tree, document.resources) = (document.reserve(), document.reserve());
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

    /// Writes the tree of the pages and the table of all objects, and completes the upload.
    pub(super) fn finish(mut self, catalog: Ref, info: Ref) -> io::Result<()> {
        let mut chunk = Chunk::new();
        chunk.pages(self.tree).count(self.pages.len() as i32).kids(self.pages.iter().copied());
        self.write(&chunk)?;
        let (start, count) = (self.written, self.offsets.len() + 1);
        let mut table = format!("xref\n0 {count}\n0000000000 65535 f\r\n");
        table.extend(self.offsets.iter().map(|offset| format!("{offset:010} 00000 n\r\n")));
        let (catalog, info) = (catalog.get(), info.get());
        table += &format!("trailer\n<</Size {count}/Root {catalog} 0 R/Info {info} 0 R>>\nstartxref\n{start}\n%%EOF\n");
        self.out.write_all(table.as_bytes())?;
        self.out.finish()
    }
}

pub(super) fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
