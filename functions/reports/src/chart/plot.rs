//! Draws a chart on whatever can be drawn on: a page, or a sheet of paper.

use std::ops::Range;

use jiff::Timestamp;
use plotters::{
    chart::{ChartBuilder, ChartContext},
    coord::{Shift, types::RangedCoordf64},
    element::{Circle, Rectangle},
    prelude::{Cartesian2d, DrawingArea, DrawingBackend, IntoDrawingArea},
    series::LineSeries,
    style::{Color, IntoFont, RGBColor, ShapeStyle},
};

use super::data::{Axis, ChartData, X};
use crate::{definition::chart::ChartType, number::grouped};

/// Width and height.
pub(crate) const SIZE: (u32, u32) = (960, 420);
/// Width of the numbers beside a chart.
const Y_LABELS: u32 = 72;
/// One for each y; they differ in brightness too.
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
/// Lines of the grid, `#D0D4DA`; the page's style knows it and the next by their values.
const GRID: RGBColor = RGBColor(208, 212, 218);
/// Text and axes, `#40454D`.
const TEXT: RGBColor = RGBColor(64, 69, 77);

type PlotArea<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type DrawResult = Result<(), Box<dyn std::error::Error>>;

/// The colour of a y column.
pub(crate) fn color(y: usize) -> (u8, u8, u8) {
    let RGBColor(red, green, blue) = COLORS[y % COLORS.len()];
    (red, green, blue)
}

/// Draws a chart; the error says why there is none.
pub(crate) fn draw<B: DrawingBackend<ErrorType: 'static>>(backend: B, data: &ChartData) -> Result<(), String> {
    let area = backend.into_drawing_area();
    draw_on(&area, data).map_err(|error| format!("There is no chart: it cannot be drawn ({error})."))
}

fn draw_on<B: DrawingBackend<ErrorType: 'static>>(area: &DrawingArea<B, Shift>, data: &ChartData) -> DrawResult {
    let (x, y) = (x_range(data), y_range(data));
    let span = x.end - x.start;
    let mut plot =
        ChartBuilder::on(area).margin(12).x_label_area_size(34).y_label_area_size(Y_LABELS).build_cartesian_2d(x, y)?;
    let font = ("sans-serif", 12).into_font().color(&TEXT);
    let label = |x: &f64| x_label(data, *x, span);
    plot.configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(RGBColor(255, 255, 255).mix(0.0))
        .axis_style(TEXT)
        .x_labels(max_labels(data))
        .y_labels(6)
        .x_label_style(font.clone())
        .y_label_style(font)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| y_label(*y))
        .draw()?;
    for y in 0..data.y_titles.len() {
        match data.chart_type {
            ChartType::Bar => draw_bars(&mut plot, data, y)?,
            ChartType::Line => draw_lines(&mut plot, data, y)?,
            ChartType::Scatter => draw_dots(&mut plot, data, y)?,
        }
    }
    area.present()?;
    Ok(())
}

/// The position of a point from left to right.
fn x_of(data: &ChartData, index: usize) -> f64 {
    match (data.axis, data.points[index].x) {
        (Axis::Numbers | Axis::Times, X::Number(x) | X::Time(x)) => x,
        _ => index as f64,
    }
}

fn x_range(data: &ChartData) -> Range<f64> {
    let count = data.points.len();
    if data.axis == Axis::Labels {
        return -0.5..count as f64 - 0.5;
    }
    let (least, most) = extent((0..count).map(|index| x_of(data, index)));
    let margin = if most > least { (most - least) * 0.02 } else { 1.0 };
    least - margin..most + margin
}

fn y_range(data: &ChartData) -> Range<f64> {
    let values = data.points.iter().flat_map(|point| &point.ys).flatten().copied();
    let (mut least, mut most) = extent(values);
    if data.chart_type == ChartType::Bar {
        (least, most) = (least.min(0.0), most.max(0.0));
    }
    // An empty range cannot be drawn, and one too wide for a number neither.
    let margin = match most - least {
        0.0 => (most.abs() * 0.1).max(1.0),
        height if height.is_finite() => height * 0.05,
        _ => 0.0,
    };
    let is_bar = data.chart_type == ChartType::Bar;
    let below = if is_bar && least == 0.0 { 0.0 } else { margin };
    let above = if is_bar && most == 0.0 && least < 0.0 { 0.0 } else { margin };
    (least - below).max(f64::MIN / 4.0)..(most + above).min(f64::MAX / 4.0)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    if least <= most { (least, most) } else { (0.0, 0.0) }
}

/// The number of labels that fit beside each other.
fn max_labels(data: &ChartData) -> usize {
    let longest = match data.axis {
        Axis::Labels => data.points.iter().map(|point| point.label.chars().count()).max().unwrap_or(1),
        Axis::Numbers | Axis::Times => 12,
    };
    ((SIZE.0 - Y_LABELS) as usize / (longest * 7 + 10)).clamp(2, 100)
}

fn x_label(data: &ChartData, x: f64, span: f64) -> String {
    match data.axis {
        Axis::Numbers => y_label(x),
        Axis::Times => {
            let time = Timestamp::from_second(x as i64).map(|time| time.to_string()).unwrap_or_default();
            let (from, to) = if span > 3.0 * 86_400.0 { (0, 10) } else { (5, 16) };
            time.get(from..to).unwrap_or_default().replace('T', " ")
        }
        // There is no label between two points.
        Axis::Labels if (x - x.round()).abs() > 0.01 || x < -0.01 => String::new(),
        Axis::Labels => data.points.get(x.round() as usize).map(|point| point.label.clone()).unwrap_or_default(),
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

fn draw_bars<B: DrawingBackend<ErrorType: 'static>>(
    plot: &mut PlotArea<'_, B>,
    data: &ChartData,
    y: usize,
) -> DrawResult {
    let width = 0.8 / data.y_titles.len() as f64;
    let left = -0.4 + y as f64 * width;
    let style = COLORS[y % COLORS.len()].filled();
    let bars = data.points.iter().enumerate().filter_map(|(index, point)| {
        let start = index as f64 + left;
        Some(Rectangle::new([(start, 0.0), (start + width, point.ys[y]?)], style))
    });
    plot.draw_series(bars)?;
    Ok(())
}

/// The line has a gap where there is no value; a single value is a dot.
fn draw_lines<B: DrawingBackend<ErrorType: 'static>>(
    plot: &mut PlotArea<'_, B>,
    data: &ChartData,
    y: usize,
) -> DrawResult {
    let style = ShapeStyle::from(COLORS[y % COLORS.len()]).stroke_width(2);
    let mut line: Vec<(f64, f64)> = Vec::new();
    for index in 0..=data.points.len() {
        let value = data.points.get(index).and_then(|point| point.ys[y]);
        if let Some(value) = value {
            line.push((x_of(data, index), value));
            continue;
        }
        match std::mem::take(&mut line) {
            line if line.is_empty() => {}
            line if line.len() == 1 => drop(plot.draw_series([Circle::new(line[0], 3, style.filled())])?),
            line => drop(plot.draw_series(LineSeries::new(line, style))?),
        }
    }
    Ok(())
}

fn draw_dots<B: DrawingBackend<ErrorType: 'static>>(
    plot: &mut PlotArea<'_, B>,
    data: &ChartData,
    y: usize,
) -> DrawResult {
    let style = COLORS[y % COLORS.len()].mix(0.7).filled();
    let dots = data
        .points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| Some(Circle::new((x_of(data, index), point.ys[y]?), 4, style)));
    plot.draw_series(dots)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{data::Point, svg};

    fn data(chart_type: ChartType, axis: Axis, values: &[(f64, Option<f64>)]) -> ChartData {
        let point = |(x, y): &(f64, Option<f64>)| Point {
            label: format!("<{x}&\">"),
            x: if axis == Axis::Times { X::Time(*x) } else { X::Number(*x) },
            ys: vec![*y],
        };
        let points = values.iter().map(point).collect();
        let (x_title, y_titles) = ("x".to_owned(), vec!["y".to_owned()]);
        ChartData { chart_type, axis, x_title, y_titles, points, note: None }
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
                    let svg = svg::draw(&data(chart_type, axis, values)).unwrap();
                    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
                }
            }
        }
    }

    #[test]
    fn a_label_is_a_text_and_never_markup() {
        let svg = svg::draw(&data(ChartType::Bar, Axis::Labels, &[(1.0, Some(5.0)), (2.0, Some(-1.0))])).unwrap();
        assert!(svg.contains("&lt;1&amp;&quot;&gt;"), "{svg}");
        assert!(!svg.contains("<1"), "{svg}");
    }
}
