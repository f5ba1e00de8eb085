//! A chart as SVG.

use plotters::prelude::SVGBackend;

use super::{
    data::ChartData,
    plot::{self, SIZE},
};

/// The colour of a y column in CSS.
pub(crate) fn color(y: usize) -> String {
    let (red, green, blue) = plot::color(y);
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Draws a chart; the error says why there is none.
pub(crate) fn draw(data: &ChartData) -> Result<String, String> {
    let mut svg = String::new();
    plot::draw(SVGBackend::with_string(&mut svg, SIZE), data)?;
    Ok(svg)
}
