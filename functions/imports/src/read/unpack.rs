//! Unpacks gzip and Zstandard, at constant memory and up to a limit.

use std::{
    error::Error,
    io::{self, BufRead, Read},
};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use runtime::Failure;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use crate::{options::Compression, read::source::Chunks};

/// Bytes that are unpacked at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// The limit of what a packed file may unpack to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackLimit {
    /// Bytes in all.
    pub(crate) max_bytes: u64,
}

/// Up to so many bytes the ratio does not count.
const RATIO_FREE_BYTES: u64 = 64 << 20;
/// Times its size that a file may come to; tables with long rows that are all alike come to 100.
pub(crate) const MAX_RATIO: u64 = 200;

/// True if a file of so many bytes comes to more than a file does that is not made to harm.
pub(crate) fn is_bomb(packed: u64, unpacked: u64) -> bool {
    unpacked > RATIO_FREE_BYTES && unpacked / MAX_RATIO > packed
}

impl UnpackLimit {
    /// Refuses a file beyond the limit.
    pub(crate) fn check(self, packed: u64, unpacked: u64) -> Result<(), Failure> {
        if unpacked > self.max_bytes {
            let limit = self.max_bytes >> 20;
            return Err(Failure::input(format!(
                "the file unpacks to more than {limit} MiB, the most that is allowed (imports.unpacked_limit)"
            )));
        }
        if is_bomb(packed, unpacked) {
            let times = format!("{MAX_RATIO} times its size");
            return Err(Failure::input(format!(
                "the file unpacks to more than {times}, so it is not unpacked further"
            )));
        }
        Ok(())
    }
}

/// The unpacked bytes of a file.
pub(crate) fn unpack(packed: Box<dyn Chunks>, compression: Compression, limit: UnpackLimit) -> Box<dyn Chunks> {
    if compression == Compression::None {
        return packed;
    }
    let packed = ChunkReader { chunks: packed, chunk: Bytes::new(), read: 0, ended: false, failure: None };
    Box::new(Unpacker { compression, packed: Some(packed), decoder: None, limit, unpacked: 0 })
}

struct Unpacker {
    compression: Compression,
    /// Taken by the decoder, which reads as soon as it is created: that is for the thread that may block.
    packed: Option<ChunkReader>,
    decoder: Option<Box<dyn Decoder>>,
    limit: UnpackLimit,
    unpacked: u64,
}

trait Decoder: Read + Send {
    fn source(&mut self) -> &mut ChunkReader;
}

impl Decoder for MultiGzDecoder<ChunkReader> {
    fn source(&mut self) -> &mut ChunkReader {
        self.get_mut()
    }
}

impl Chunks for Unpacker {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let compression = self.compression;
        let decoder = self.decoder()?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut filled = 0;
        while filled < CHUNK_BYTES {
            match decoder.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return Err(broken(compression, decoder.source(), &error)),
            }
        }
        let packed = decoder.source().read;
        chunk.truncate(filled);
        self.unpacked += filled as u64;
        self.limit.check(packed, self.unpacked)?;
        Ok((filled > 0).then(|| chunk.into()))
    }
}

impl Unpacker {
    fn decoder(&mut self) -> Result<&mut Box<dyn Decoder>, Failure> {
        if let Some(source) = self.packed.take() {
            self.decoder = Some(match self.compression {
                Compression::Zstd => Box::new(ZstdDecoder { source, decoder: FrameDecoder::new(), in_frame: false }),
                _ => Box::new(MultiGzDecoder::new(source)),
            });
        }
        self.decoder.as_mut().ok_or(Failure::Stopped)
    }
}

fn broken(compression: Compression, source: &mut ChunkReader, error: &io::Error) -> Failure {
    let name = if compression == Compression::Zstd { "zstd" } else { "gzip" };
    if let Some(failure) = source.failure.take() {
        return failure;
    }
    if source.ended && source.chunk.is_empty() {
        return Failure::input(format!("the {name} archive ends too early; it was cut off somewhere"));
    }
    let at = source.read - source.chunk.len() as u64;
    let cause: &dyn Error = error.get_ref().map_or(error, |inner| inner);
    Failure::input(format!("the {name} archive is broken near its byte {at}: {cause}"))
}

/// Chunks as `BufRead`, which decoders take.
struct ChunkReader {
    chunks: Box<dyn Chunks>,
    chunk: Bytes,
    /// Bytes received so far.
    read: u64,
    ended: bool,
    /// The failure of the chunks, which `io::Error` cannot carry.
    failure: Option<Failure>,
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() && !self.ended {
            match self.chunks.next() {
                Ok(Some(chunk)) => {
                    self.read += chunk.len() as u64;
                    self.chunk = chunk;
                }
                Ok(None) => self.ended = true,
                Err(failure) => {
                    self.failure = Some(failure);
                    return Err(io::Error::other("the file could not be read"));
                }
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.advance(amount);
    }
}

impl Read for ChunkReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(to)?;
        self.consume(length);
        Ok(length)
    }
}

/// Decodes frame after frame; the library decodes one.
struct ZstdDecoder {
    source: ChunkReader,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl Decoder for ZstdDecoder {
    fn source(&mut self) -> &mut ChunkReader {
        &mut self.source
    }
}

impl Read for ZstdDecoder {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.start_frame()?;
                continue;
            }
            if self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let strategy = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, strategy).map_err(io::Error::other)?;
                continue;
            }
            let read = self.decoder.read(to)?;
            if read > 0 {
                return Ok(read);
            }
            self.end_frame()?;
        }
    }
}

impl ZstdDecoder {
    fn start_frame(&mut self) -> io::Result<()> {
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                if skipped < u64::from(length) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, max }) => {
                let (requested, max) = (requested >> 20, max >> 20);
                let message = format!("it needs {requested} MiB of memory, and {max} MiB is the most that is given");
                return Err(io::Error::other(message));
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(stored), Some(calculated)) if stored != calculated => Err(io::Error::other("its checksum is wrong")),
            _ => Ok(()),
        }
    }
}
