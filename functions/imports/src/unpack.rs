//! Packed files: gzip and Zstandard, at constant memory and with an end to what they may become.

use std::{
    error::Error,
    io::{self, BufRead, Read},
    mem,
};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use runtime::Failure;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use crate::{input::Compression, source::Pieces};

/// Bytes that are unpacked at once.
const PIECE: usize = 128 * 1024;

/// What packed things may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackLimit {
    /// Bytes in all.
    pub(crate) most: u64,
}

impl UnpackLimit {
    /// Beyond so many bytes the ratio counts as well.
    const UNSUSPICIOUS: u64 = 64 << 20;
    /// Times its size that a file may unpack to; tables with long rows that are all alike come to 100.
    const RATIO: u64 = 200;

    /// Refuses what has become too much.
    pub(crate) fn check(self, packed: u64, unpacked: u64) -> Result<(), Failure> {
        if unpacked > self.most {
            let most = self.most >> 20;
            return Err(Failure::input(format!("the file unpacks to more than {most} MiB, the most that is allowed")));
        }
        if unpacked > Self::UNSUSPICIOUS && unpacked / Self::RATIO > packed {
            let ratio = Self::RATIO;
            let words = format!("the file unpacks to more than {ratio} times its size, so it is not unpacked further");
            return Err(Failure::input(words));
        }
        Ok(())
    }
}

/// The bytes of a file without its packing.
pub(crate) fn unpacked(packed: Box<dyn Pieces>, how: Compression, limit: UnpackLimit) -> Box<dyn Pieces> {
    if how == Compression::None {
        return packed;
    }
    let packed = PieceReader { pieces: packed, piece: Bytes::new(), read: 0, ended: false, failure: None };
    Box::new(Unpacked { how, stage: Stage::Packed(packed), limit, unpacked: 0 })
}

struct Unpacked {
    how: Compression,
    stage: Stage,
    limit: UnpackLimit,
    unpacked: u64,
}

enum Stage {
    /// Nothing was read yet: a decoder reads as soon as it is made, which is for the thread that may wait.
    Packed(PieceReader),
    Begun(Box<dyn Decoder>),
    /// For the moment between them.
    Void,
}

trait Decoder: Read + Send {
    fn source(&mut self) -> &mut PieceReader;
}

impl Decoder for MultiGzDecoder<PieceReader> {
    fn source(&mut self) -> &mut PieceReader {
        self.get_mut()
    }
}

impl Pieces for Unpacked {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let how = self.how;
        let decoder = self.decoder()?;
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        while filled < PIECE {
            match decoder.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return Err(broken(how, decoder.source(), &error)),
            }
        }
        let packed = decoder.source().read;
        piece.truncate(filled);
        self.unpacked += filled as u64;
        self.limit.check(packed, self.unpacked)?;
        Ok((filled > 0).then(|| piece.into()))
    }
}

impl Unpacked {
    fn decoder(&mut self) -> Result<&mut Box<dyn Decoder>, Failure> {
        self.stage = match mem::replace(&mut self.stage, Stage::Void) {
            Stage::Packed(packed) if self.how == Compression::Zstd => {
                Stage::Begun(Box::new(Zstd { source: packed, decoder: FrameDecoder::new(), within: false }))
            }
            Stage::Packed(packed) => Stage::Begun(Box::new(MultiGzDecoder::new(packed))),
            stage => stage,
        };
        match &mut self.stage {
            Stage::Begun(decoder) => Ok(decoder),
            Stage::Packed(_) | Stage::Void => Err(Failure::Stopped),
        }
    }
}

fn broken(how: Compression, source: &mut PieceReader, error: &io::Error) -> Failure {
    let what = if how == Compression::Zstd { "zstd" } else { "gzip" };
    if let Some(failure) = source.failure.take() {
        return failure;
    }
    if source.ended && source.piece.is_empty() {
        return Failure::input(format!("the {what} archive ends too early; it was cut off somewhere"));
    }
    let at = source.read - source.piece.len() as u64;
    let cause: &dyn Error = error.get_ref().map_or(error, |inner| inner);
    Failure::input(format!("the {what} archive is broken near its byte {at}: {cause}"))
}

/// Pieces, as decoders read them.
struct PieceReader {
    pieces: Box<dyn Pieces>,
    piece: Bytes,
    /// Bytes that came so far.
    read: u64,
    ended: bool,
    /// Why there are no more.
    failure: Option<Failure>,
}

impl BufRead for PieceReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() && !self.ended {
            match self.pieces.next() {
                Ok(Some(piece)) => {
                    self.read += piece.len() as u64;
                    self.piece = piece;
                }
                Ok(None) => self.ended = true,
                Err(failure) => {
                    self.failure = Some(failure);
                    return Err(io::Error::other("the file could not be read"));
                }
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount);
    }
}

impl Read for PieceReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let length = from.len().min(to.len());
        to[..length].copy_from_slice(&from[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// Frame after frame; the decoder itself knows but one.
struct Zstd {
    source: PieceReader,
    decoder: FrameDecoder,
    within: bool,
}

impl Decoder for Zstd {
    fn source(&mut self) -> &mut PieceReader {
        &mut self.source
    }
}

impl Read for Zstd {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.begin()?;
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
            self.end()?;
        }
    }
}

impl Zstd {
    fn begin(&mut self) -> io::Result<()> {
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.within = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                if skipped < u64::from(length) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, max }) => {
                let (requested, max) = (requested >> 20, max >> 20);
                let words = format!("it needs {requested} MiB of memory, and {max} MiB is the most that is given");
                return Err(io::Error::other(words));
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.within = false;
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(told), Some(found)) if told != found => Err(io::Error::other("its checksum is wrong")),
            _ => Ok(()),
        }
    }
}
