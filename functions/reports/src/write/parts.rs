//! The file of a report whose sheets are files of their own: one, or an archive of several.

use std::io::{self, Write};

use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use crate::upload::UploadWriter;

/// From this size on an archive says in another way where its parts lie.
const LARGE: u64 = 1 << 32;

/// Where the sheets are written to.
pub(super) enum Parts {
    One(UploadWriter),
    Zip { archive: Box<ZipWriter<StreamWriter<UploadWriter>>>, options: SimpleFileOptions },
}

impl Parts {
    /// One file, or an archive whose parts may have so many bytes.
    pub(super) fn new(out: UploadWriter, is_zipped: bool, byte_limit: u64) -> Self {
        if !is_zipped {
            return Self::One(out);
        }
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(byte_limit >= LARGE);
        Self::Zip { archive: Box::new(ZipWriter::new_stream(out)), options }
    }

    /// Begins a part of an archive.
    pub(super) fn begin(&mut self, name: &str) -> io::Result<()> {
        match self {
            Self::One(_) => Ok(()),
            Self::Zip { archive, options } => archive.start_file(name, *options).map_err(io::Error::from),
        }
    }

    /// Completes the file; an archive also holds what is said about it.
    pub(super) fn finish(mut self, about: impl FnOnce() -> serde_json::Value) -> io::Result<()> {
        if let Self::Zip { .. } = self {
            self.begin("about.json")?;
            serde_json::to_writer_pretty(&mut self, &about())?;
        }
        match self {
            Self::One(out) => out.finish(),
            Self::Zip { archive, .. } => archive.finish()?.into_inner().finish(),
        }
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::One(out) => out.write(bytes),
            Self::Zip { archive, .. } => archive.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::One(out) => out.flush(),
            Self::Zip { archive, .. } => archive.flush(),
        }
    }
}
