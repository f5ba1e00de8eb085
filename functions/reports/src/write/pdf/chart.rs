//! A chart on a page.

use std::convert::Infallible;

use pdf_writer::Content;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

use super::font::Fonts;
use crate::chart::plot::SIZE;

/// Bézier curves of four quarters are a circle with this.
const QUARTER: f32 = 0.5523;
/// What the library takes for a font's size is its line's.
const FONT_SCALE: f32 = 1.0 / 1.24;

/// A part of a page that a chart is drawn on.
pub(super) struct Canvas<'a> {
    pub(super) content: &'a mut Content,
    pub(super) fonts: &'a mut Fonts,
    /// Its upper left corner.
    pub(super) corner: (f32, f32),
    /// Points of the page for each of the chart's.
    pub(super) scale: f32,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl Canvas<'_> {
    fn point(&self, (x, y): BackendCoord) -> (f32, f32) {
        (self.corner.0 + x as f32 * self.scale, self.corner.1 - y as f32 * self.scale)
    }

    /// Paper is white: a colour that lets something through is lighter.
    fn shade(color: BackendColor) -> [f32; 3] {
        let (red, green, blue) = color.rgb;
        [red, green, blue].map(|part| (f64::from(part) / 255.0 * color.alpha + 1.0 - color.alpha) as f32)
    }

    fn begin(&mut self, color: BackendColor, width: u32) {
        let [red, green, blue] = Self::shade(color);
        self.content.set_fill_rgb(red, green, blue).set_stroke_rgb(red, green, blue);
        self.content.set_line_width(width as f32 * self.scale);
    }

    fn path(&mut self, points: impl IntoIterator<Item = BackendCoord>) {
        for (index, point) in points.into_iter().enumerate() {
            let (x, y) = self.point(point);
            if index == 0 {
                self.content.move_to(x, y)
            } else {
                self.content.line_to(x, y)
            };
        }
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        SIZE
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.begin(style.color(), style.stroke_width());
        let ((left, top), (right, bottom)) = (self.point(from), self.point(to));
        self.content.rect(left, bottom, right - left, top - bottom);
        if fill {
            self.content.fill_nonzero()
        } else {
            self.content.stroke()
        };
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        if style.color().alpha > 0.0 {
            self.begin(style.color(), style.stroke_width());
            self.path(path);
            self.content.stroke();
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.begin(style.color(), style.stroke_width());
        let ((x, y), r) = (self.point(center), radius as f32 * self.scale);
        let q = r * QUARTER;
        self.content.move_to(x + r, y);
        self.content.cubic_to(x + r, y + q, x + q, y + r, x, y + r).cubic_to(x - q, y + r, x - r, y + q, x - r, y);
        self.content.cubic_to(x - r, y - q, x - q, y - r, x, y - r).cubic_to(x + q, y - r, x + r, y - q, x + r, y);
        if fill {
            self.content.fill_nonzero()
        } else {
            self.content.stroke()
        };
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        if style.color().alpha > 0.0 {
            self.begin(style.color(), 1);
            self.path(points);
            self.content.fill_nonzero();
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, point: BackendCoord) -> Drawn {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.begin(style.color(), 1);
        let size = style.size() as f32 * FONT_SCALE * self.scale;
        let width = self.fonts.width(text) * size;
        let (x, y) = self.point(point);
        let x = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - width / 2.0,
            HPos::Right => x - width,
        };
        let y = match style.anchor().v_pos {
            VPos::Top => y - 0.76 * size,
            VPos::Center => y - 0.27 * size,
            VPos::Bottom => y + 0.27 * size,
        };
        self.fonts.show(self.content, text, (x, y), size);
        Ok(())
    }
}
