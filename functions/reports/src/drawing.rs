//! A chart as SVG.

use std::ops::Range;

use jiff::Timestamp;
use plotters::{
    chart::{ChartBuilder, ChartContext},
    coord::{Shift, types::RangedCoordf64},
    element::{Circle, Rectangle},
    prelude::{Cartesian2d, DrawingArea, IntoDrawingArea, SVGBackend},
    series::LineSeries,
    style::{Color, IntoFont, RGBColor, ShapeStyle},
};

use crate::{
    format::grouped,
    points::{Axis, Drawable, X},
    written::ChartType,
};

const SIZE: (u32, u32) = (960, 420);
/// Wide enough for what the numbers beside a chart are.
const LEFT: u32 = 72;
/// One for each y; they differ in brightness too. The page's style knows the first two of the others by their values.
const COLORS: [RGBColor; 8] = [
    RGBColor(47, 111, 222),
    RGBColor(224, 122, 31),
    RGBColor(42, 157, 143),
    RGBColor(155, 93, 229),
    RGBColor(214, 69, 112),
    RGBColor(122, 139, 46),
    RGBColor(58, 134, 168),
    RGBColor(141, 110, 99),
];
/// Lines of the grid, `#D0D4DA`.
const GRID: RGBColor = RGBColor(208, 212, 218);
/// Words and axes, `#40454D`.
const INK: RGBColor = RGBColor(64, 69, 77);

type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The colour of a y as CSS has it.
pub(crate) fn color(at: usize) -> String {
    let RGBColor(red, green, blue) = COLORS[at % COLORS.len()];
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Draws it; the text says why it cannot be.
pub(crate) fn svg(drawable: &Drawable) -> Result<String, String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    draw(&area, drawable).map_err(|error| format!("There is no chart: it cannot be drawn ({error})."))?;
    drop(area);
    Ok(svg)
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, drawable: &Drawable) -> Drawn {
    let (x, y) = (x_range(drawable), y_range(drawable));
    let span = x.end - x.start;
    let mut plane =
        ChartBuilder::on(area).margin(12).x_label_area_size(34).y_label_area_size(LEFT).build_cartesian_2d(x, y)?;
    let font = ("sans-serif", 12).into_font().color(&INK);
    let label = |x: &f64| x_label(drawable, *x, span);
    plane
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(RGBColor(255, 255, 255).mix(0.0))
        .axis_style(INK)
        .x_labels(most_labels(drawable))
        .y_labels(6)
        .x_label_style(font.clone())
        .y_label_style(font)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| y_label(*y))
        .draw()?;
    for at in 0..drawable.y_titles.len() {
        match drawable.chart_type {
            ChartType::Bar => bars(&mut plane, drawable, at)?,
            ChartType::Line => lines(&mut plane, drawable, at)?,
            ChartType::Scatter => dots(&mut plane, drawable, at)?,
        }
    }
    area.present()?;
    Ok(())
}

/// Where the point of this place stands.
fn x_of(drawable: &Drawable, at: usize) -> f64 {
    match (drawable.axis, drawable.points[at].x) {
        (Axis::Numbers | Axis::Times, X::Number(x) | X::Time(x)) => x,
        _ => at as f64,
    }
}

fn x_range(drawable: &Drawable) -> Range<f64> {
    let count = drawable.points.len();
    if drawable.axis == Axis::Labels {
        return -0.5..count as f64 - 0.5;
    }
    let (least, most) = extent((0..count).map(|at| x_of(drawable, at)));
    let air = if most > least { (most - least) * 0.02 } else { 1.0 };
    least - air..most + air
}

fn y_range(drawable: &Drawable) -> Range<f64> {
    let values = drawable.points.iter().flat_map(|point| &point.ys).flatten().copied();
    let (mut least, mut most) = extent(values);
    if drawable.chart_type == ChartType::Bar {
        (least, most) = (least.min(0.0), most.max(0.0));
    }
    // A range of nothing cannot be drawn, and one too wide for a number neither.
    let wide = most - least;
    let air = match wide {
        0.0 => (most.abs() * 0.1).max(1.0),
        wide if wide.is_finite() => wide * 0.05,
        _ => 0.0,
    };
    let is_bar = drawable.chart_type == ChartType::Bar;
    let below = if is_bar && least == 0.0 { 0.0 } else { air };
    let above = if is_bar && most == 0.0 && least < 0.0 { 0.0 } else { air };
    (least - below).max(f64::MIN / 4.0)..(most + above).min(f64::MAX / 4.0)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    if least <= most { (least, most) } else { (0.0, 0.0) }
}

/// As many as stand beside each other.
fn most_labels(drawable: &Drawable) -> usize {
    let longest = match drawable.axis {
        Axis::Labels => drawable.points.iter().map(|point| point.label.chars().count()).max().unwrap_or(1),
        Axis::Numbers | Axis::Times => 12,
    };
    ((SIZE.0 - LEFT) as usize / (longest * 7 + 10)).clamp(2, 100)
}

fn x_label(drawable: &Drawable, x: f64, span: f64) -> String {
    match drawable.axis {
        Axis::Numbers => y_label(x),
        Axis::Times => {
            let time = Timestamp::from_second(x as i64).map(|time| time.to_string()).unwrap_or_default();
            let (from, to) = if span > 3.0 * 86_400.0 { (0, 10) } else { (5, 16) };
            time.get(from..to).unwrap_or_default().replace('T', " ")
        }
        // Between two places there is none.
        Axis::Labels if (x - x.round()).abs() > 0.01 || x < -0.01 => String::new(),
        Axis::Labels => drawable.points.get(x.round() as usize).map(|point| point.label.clone()).unwrap_or_default(),
    }
}

fn y_label(y: f64) -> String {
    match y.abs() {
        size if size >= 1e12 => format!("{y:.1e}"),
        size if size >= 1e6 => grouped(y / 1e6, 1) + " M",
        size if size >= 100.0 || y == y.round() => grouped(y, 0),
        size if size >= 0.01 => grouped(y, 2),
        _ => format!("{y:.1e}"),
    }
}

fn bars(plane: &mut Plane<'_, '_>, drawable: &Drawable, at: usize) -> Drawn {
    let width = 0.8 / drawable.y_titles.len() as f64;
    let left = -0.4 + at as f64 * width;
    let style = COLORS[at % COLORS.len()].filled();
    let bars = drawable.points.iter().enumerate().filter_map(|(place, point)| {
        let from = place as f64 + left;
        Some(Rectangle::new([(from, 0.0), (from + width, point.ys[at]?)], style))
    });
    plane.draw_series(bars)?;
    Ok(())
}

/// Broken where there is no value; a value alone is a dot.
fn lines(plane: &mut Plane<'_, '_>, drawable: &Drawable, at: usize) -> Drawn {
    let style = ShapeStyle::from(COLORS[at % COLORS.len()]).stroke_width(2);
    let mut line: Vec<(f64, f64)> = Vec::new();
    for place in 0..=drawable.points.len() {
        let y = drawable.points.get(place).and_then(|point| point.ys[at]);
        if let Some(y) = y {
            line.push((x_of(drawable, place), y));
            continue;
        }
        match std::mem::take(&mut line) {
            line if line.is_empty() => {}
            line if line.len() == 1 => drop(plane.draw_series([Circle::new(line[0], 3, style.filled())])?),
            line => drop(plane.draw_series(LineSeries::new(line, style))?),
        }
    }
    Ok(())
}

fn dots(plane: &mut Plane<'_, '_>, drawable: &Drawable, at: usize) -> Drawn {
    let style = COLORS[at % COLORS.len()].mix(0.7).filled();
    let dots = drawable
        .points
        .iter()
        .enumerate()
        .filter_map(|(place, point)| Some(Circle::new((x_of(drawable, place), point.ys[at]?), 4, style)));
    plane.draw_series(dots)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Point;

    fn drawable(chart_type: ChartType, axis: Axis, values: &[(f64, Option<f64>)]) -> Drawable {
        let point = |(x, y): &(f64, Option<f64>)| Point {
            label: format!("<{x}&\">"),
            x: if axis == Axis::Times { X::Time(*x) } else { X::Number(*x) },
            ys: vec![*y],
        };
        let points = values.iter().map(point).collect();
        let (x_title, y_titles) = ("x".to_owned(), vec!["y".to_owned()]);
        Drawable { chart_type, axis, x_title, y_titles, points, note: None }
    }

    #[test]
    fn every_chart_of_hard_numbers_is_drawn() {
        let hard: [&[(f64, Option<f64>)]; 8] = [
            &[(1.0, Some(5.0))],
            &[(1.0, Some(0.0))],
            &[(1.0, Some(-5.0)), (2.0, None), (3.0, Some(-7.0))],
            &[(0.0, None), (1.0, Some(2.0)), (2.0, None)],
            &[(1.0, Some(f64::MAX)), (2.0, Some(f64::MIN))],
            &[(1.0, Some(1e-300)), (2.0, Some(2e-300))],
            &[(-1e15, Some(1e15)), (1e15, Some(1e15 + 1.0))],
            &[(4e9, Some(1.0)), (1e18, Some(2.0))],
        ];
        for chart_type in [ChartType::Bar, ChartType::Line, ChartType::Scatter] {
            for axis in [Axis::Labels, Axis::Numbers, Axis::Times] {
                for values in hard {
                    let svg = svg(&drawable(chart_type, axis, values)).unwrap();
                    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
                }
            }
        }
    }

    #[test]
    fn a_label_is_a_text_and_never_markup() {
        let svg = svg(&drawable(ChartType::Bar, Axis::Labels, &[(1.0, Some(5.0)), (2.0, Some(-1.0))])).unwrap();
        assert!(svg.contains("&lt;1&amp;&quot;&gt;"), "{svg}");
        assert!(!svg.contains("<1"), "{svg}");
    }
}
