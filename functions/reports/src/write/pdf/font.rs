//! Letters of a document, and the parts of the fonts that it embeds for them.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap, fs, io, path::PathBuf, sync::Arc};

use pdf_writer::{
    Chunk, Content, Filter, Finish, Name, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap},
};
use skrifa::{
    FontRef, GlyphId, MetadataProvider, Tag,
    instance::{LocationRef, Size},
    raw::TableProvider,
};
use subsetter::GlyphRemapper;
use unicode_normalization::UnicodeNormalization;

use super::document::{Document, compressed};

/// Size of a code beside letters.
const CODE_SIZE: f32 = 0.7;
const IDENTITY: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The fonts that documents are set in: DejaVu Sans, then those of the settings.
pub(crate) struct FontFiles(Vec<Cow<'static, [u8]>>);

impl FontFiles {
    /// Reads these files too; the error names the one that is no font.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, String> {
        let mut files = vec![Cow::Borrowed(dejavu::sans::regular())];
        for path in paths {
            let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let is_usable = FontRef::from_index(&bytes, 0).is_ok_and(|font| font.charmap().has_map());
            if !is_usable {
                return Err(format!("{}: it is no TrueType or OpenType font", path.display()));
            }
            files.push(Cow::Owned(bytes));
        }
        Ok(Self(files))
    }

    fn font(&self, face: usize) -> FontRef<'_> {
        FontRef::from_index(&self.0[face], 0).expect("each file was read as a font before")
    }
}

/// The letters that a document has used.
pub(super) struct Fonts {
    files: Arc<FontFiles>,
    shapes: HashMap<char, Shape>,
    faces: Vec<Face>,
}

#[derive(Default)]
struct Face {
    glyphs: GlyphRemapper,
    /// What each glyph stands for, and its width in thousandths of its size.
    used: BTreeMap<u16, (char, f32)>,
}

/// How a letter is shown; widths are of size 1.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// `shared`: the glyph also stands for another letter.
    Glyph { face: usize, glyph: u16, width: f32, shared: bool },
    /// By its code, since it cannot be set.
    Code { width: f32 },
}

impl Shape {
    fn width(self) -> f32 {
        match self {
            Self::Glyph { width, .. } | Self::Code { width } => width,
        }
    }
}

impl Fonts {
    pub(super) fn new(files: Arc<FontFiles>) -> Self {
        let faces = files.0.iter().map(|_| Face::default()).collect();
        Self { files, shapes: HashMap::new(), faces }
    }

    /// True if a letter had to be shown by its code.
    pub(super) fn has_codes(&self) -> bool {
        self.shapes.values().any(|shape| matches!(shape, Shape::Code { .. }))
    }

    /// The width of a letter of size 1.
    pub(super) fn letter_width(&mut self, letter: char) -> f32 {
        self.shape(letter).width()
    }

    /// The width of a line of size 1.
    pub(super) fn width(&mut self, text: &str) -> f32 {
        text.chars().map(|letter| self.letter_width(letter)).sum()
    }

    /// Shows a line whose letters stand on a point.
    pub(super) fn show(&mut self, content: &mut Content, text: &str, (x, y): (f32, f32), size: f32) {
        content.begin_text().next_line(x, y);
        let mut run = (0, Vec::new());
        let flush = |content: &mut Content, run: &mut (usize, Vec<u8>)| {
            if !run.1.is_empty() {
                content.set_font(Name(face_name(run.0).as_bytes()), size).show(Str(&run.1));
                run.1.clear();
            }
        };
        for letter in text.chars() {
            match self.shape(letter) {
                Shape::Glyph { face, glyph, shared: false, .. } => {
                    if face != run.0 {
                        flush(content, &mut run);
                        run.0 = face;
                    }
                    run.1.extend_from_slice(&glyph.to_be_bytes());
                }
                shape => {
                    flush(content, &mut run);
                    self.show_as(content, letter, shape, size);
                }
            }
        }
        flush(content, &mut run);
        content.end_text();
    }

    /// Shows a letter by a glyph, or a code, that does not say which it is; to copy it gives the letter.
    fn show_as(&mut self, content: &mut Content, letter: char, shape: Shape, size: f32) {
        let actual = letter.to_string();
        let mut mark = content.begin_marked_content_with_properties(Name(b"Span"));
        mark.properties().actual_text(TextStr(&actual));
        mark.finish();
        match shape {
            Shape::Glyph { face, glyph, .. } => {
                content.set_font(Name(face_name(face).as_bytes()), size).show(Str(&glyph.to_be_bytes()));
            }
            Shape::Code { .. } => {
                let code: Vec<u8> = code(letter).chars().flat_map(|letter| self.glyph(letter).to_be_bytes()).collect();
                content.set_font(Name(face_name(0).as_bytes()), size * CODE_SIZE).show(Str(&code));
            }
        }
        content.end_marked_content();
    }

    /// The glyph of a letter that the first font has.
    fn glyph(&mut self, letter: char) -> u16 {
        match self.shape(letter) {
            Shape::Glyph { glyph, .. } => glyph,
            Shape::Code { .. } => 0,
        }
    }

    fn shape(&mut self, letter: char) -> Shape {
        if let Some(shape) = self.shapes.get(&letter) {
            return *shape;
        }
        let found = if can_be_set(letter) { self.find(letter) } else { None };
        let shape = found.unwrap_or_else(|| {
            let width = code(letter).chars().map(|letter| self.letter_width(letter)).sum::<f32>();
            Shape::Code { width: width * CODE_SIZE }
        });
        self.shapes.insert(letter, shape);
        shape
    }

    fn find(&mut self, letter: char) -> Option<Shape> {
        let glyph_in =
            |face: &usize| self.files.font(*face).charmap().map(letter).filter(|glyph| *glyph != GlyphId::NOTDEF);
        let (face, old) = (0..self.faces.len()).find_map(|face| Some((face, glyph_in(&face)?)))?;
        let metrics = self.files.font(face).glyph_metrics(Size::new(1000.0), LocationRef::default());
        let width = metrics.advance_width(old)?;
        let old = u16::try_from(old.to_u32()).ok()?;
        let Face { glyphs, used } = &mut self.faces[face];
        let glyph = glyphs.remap(old);
        let shared = used.entry(glyph).or_insert((letter, width)).0 != letter;
        Some(Shape::Glyph { face, glyph, width: width / 1000.0, shared })
    }

    /// Embeds what was used of each font; returns the fonts by the names that pages know them by.
    pub(super) fn write(self, document: &mut Document) -> io::Result<Vec<(String, Ref)>> {
        let mut written = Vec::new();
        for (index, face) in self.faces.iter().enumerate().filter(|(_, face)| !face.used.is_empty()) {
            let font = self.files.font(index);
            let subset = subsetter::subset(&self.files.0[index], 0, &face.glyphs).map_err(io::Error::other)?;
            let name = format!("{}+{}", tag(index), postscript_name(&font));
            let is_cff = font.data_for_tag(Tag::new(b"CFF ")).is_some();
            written.push((face_name(index), write_font(document, &font, face, (&name, is_cff, &subset))?));
        }
        Ok(written)
    }
}

fn write_font(
    document: &mut Document,
    font: &FontRef<'_>,
    face: &Face,
    (name, is_cff, subset): (&str, bool, &[u8]),
) -> io::Result<Ref> {
    let [type0, cid, descriptor, file, map] = [(); 5].map(|()| document.reserve());
    let base = Name(name.as_bytes());

    let mut chunk = Chunk::new();
    let mut object = chunk.type0_font(type0);
    object.base_font(base).encoding_predefined(Name(b"Identity-H")).descendant_font(cid).to_unicode(map);
    object.finish();
    document.write(&chunk)?;

    let mut chunk = Chunk::new();
    let mut object = chunk.cid_font(cid);
    object.subtype(if is_cff { CidFontType::Type0 } else { CidFontType::Type2 });
    object.base_font(base).system_info(IDENTITY).font_descriptor(descriptor).default_width(0.0);
    if !is_cff {
        object.cid_to_gid_map_predefined(Name(b"Identity"));
    }
    let mut widths = object.widths();
    for (glyph, (_, width)) in &face.used {
        widths.same(*glyph, *glyph, *width);
    }
    widths.finish();
    object.finish();
    document.write(&chunk)?;

    let metrics = font.metrics(Size::new(1000.0), LocationRef::default());
    let bounds = metrics.bounds.unwrap_or_default();
    let mut chunk = Chunk::new();
    let mut object = chunk.font_descriptor(descriptor);
    object.name(base).flags(FontFlags::SYMBOLIC).italic_angle(metrics.italic_angle).stem_v(80.0);
    object.bbox(Rect::new(bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max));
    object.ascent(metrics.ascent).descent(metrics.descent).cap_height(metrics.cap_height.unwrap_or(metrics.ascent));
    if is_cff {
        object.font_file3(file)
    } else {
        object.font_file2(file)
    };
    object.finish();
    document.write(&chunk)?;

    let (mut chunk, bytes) = (Chunk::new(), compressed(subset)?);
    let mut stream = chunk.stream(file, &bytes);
    stream.filter(Filter::FlateDecode);
    if is_cff {
        stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
    }
    stream.finish();
    document.write(&chunk)?;

    let mut letters = UnicodeCmap::new(Name(b"Letters"), IDENTITY);
    face.used.iter().for_each(|(glyph, (letter, _))| letters.pair(*glyph, *letter));
    document.write_stream(map, letters.finish().as_slice())?;
    Ok(type0)
}

/// The name of a font in the pages.
fn face_name(face: usize) -> String {
    format!("F{face}")
}

/// Six letters that tell parts of fonts apart.
fn tag(face: usize) -> String {
    format!("BELL{}{}", char::from(b'A' + (face / 26 % 26) as u8), char::from(b'A' + (face % 26) as u8))
}

fn postscript_name(font: &FontRef<'_>) -> String {
    let name = font.localized_strings(skrifa::string::StringId::POSTSCRIPT_NAME).english_or_first();
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let name: String =
        name.into_iter().flat_map(|name| name.chars().filter(plain).collect::<Vec<_>>()).take(60).collect();
    if name.is_empty() { "Font".to_owned() } else { name }
}

fn code(letter: char) -> String {
    format!("[U+{:04X}]", u32::from(letter))
}

/// False for letters that are read from right to left or change with their neighbours: here each stands for itself, from left
/// to right.
fn can_be_set(letter: char) -> bool {
    !letter.is_control()
        && !matches!(u32::from(letter),
            0x0590..=0x08ff | 0x0900..=0x0dff | 0x0e00..=0x0fff | 0x1000..=0x109f | 0x1700..=0x18af | 0x1900..=0x1cff
            | 0x200e..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069 | 0xa800..=0xabff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff
            | 0x10800..=0x11fff | 0x1e800..=0x1efff)
}

/// The text with each accent joined to its letter, as fonts have them.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.nfc().collect::<String>().into() }
}
