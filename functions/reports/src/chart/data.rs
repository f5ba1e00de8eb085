//! The data of a chart: a bounded number of points, however many rows there are.

use runtime::Failure;

use crate::{
    definition::{
        chart::{ChartDefinition, ChartType},
        column::Column,
    },
    number::{grouped, row_count},
    query::value::{Display, Value},
};

/// More bars could not be told apart.
const MAX_BARS: usize = 100;
/// A line or scatter chart has at least so many points, if there are so many rows, and at most twice as many.
const ENOUGH_POINTS: usize = 1000;
/// Characters of a label.
const MAX_LABEL: usize = 40;

/// Keeps some of the rows as points.
pub(crate) struct ChartSampler {
    chart_type: ChartType,
    /// Index of the column from left to right.
    x: usize,
    /// Indexes of the columns from bottom to top.
    ys: Vec<usize>,
    x_title: String,
    y_titles: Vec<String>,
    display: Display,
    points: Vec<Point>,
    /// Rows added so far.
    rows: u64,
    /// One row in this many is kept.
    interval: u64,
}

/// One row: a value for each y column.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) x: X,
    pub(crate) ys: Vec<Option<f64>>,
}

/// The position of a point from left to right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum X {
    Missing,
    Number(f64),
    /// Seconds since 1970.
    Time(f64),
    Label,
}

/// The axis from left to right that fits all points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Labels,
    Numbers,
    Times,
}

/// The data of a chart, or the reason why there is no chart, for the reader of the report.
pub(crate) type ChartResult = Result<ChartData, String>;

/// The data that a chart draws.
pub(crate) struct ChartData {
    pub(crate) chart_type: ChartType,
    pub(crate) axis: Axis,
    pub(crate) x_title: String,
    pub(crate) y_titles: Vec<String>,
    pub(crate) points: Vec<Point>,
    /// Says what is left out, if something is.
    pub(crate) note: Option<String>,
}

impl ChartSampler {
    /// Fails if a column of the chart is not one of the query. Values are labelled as they are shown.
    pub(crate) fn new(chart: &ChartDefinition, columns: &[Column], display: &Display) -> Result<Self, Failure> {
        let position = |name: &String| {
            columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                let known: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
                let known = known.join(", ");
                let message =
                    format!("The chart needs the column {name:?}, which the query does not have; it has {known}.");
                Failure::Permanent { reason: "chart", message }
            })
        };
        let x = position(&chart.x)?;
        let ys = chart.y.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            chart_type: chart.chart_type,
            x_title: columns[x].title.clone(),
            y_titles: ys.iter().map(|index| columns[*index].title.clone()).collect(),
            x,
            ys,
            display: display.clone(),
            points: Vec::new(),
            rows: 0,
            interval: 1,
        })
    }

    /// Adds a row; of a line or scatter chart that has enough points, every second point is dropped.
    pub(crate) fn add(&mut self, row: &[Value<'_>]) {
        let index = self.rows;
        self.rows += 1;
        if self.chart_type == ChartType::Bar {
            if self.points.len() < MAX_BARS {
                self.points.push(self.point(row));
            }
        } else if index.is_multiple_of(self.interval) {
            if self.points.len() == 2 * ENOUGH_POINTS {
                let mut keep = false;
                self.points.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.interval *= 2;
                if !index.is_multiple_of(self.interval) {
                    return;
                }
            }
            self.points.push(self.point(row));
        }
    }

    fn point(&self, row: &[Value<'_>]) -> Point {
        let x = row[self.x];
        let label = self.display.text(&x, None).chars().take(MAX_LABEL).collect();
        let x = match (x, x.number()) {
            (Value::Null, _) => X::Missing,
            (_, Some(number)) => X::Number(number),
            _ => x.moment(&self.display.zone).map_or(X::Label, |moment| X::Time(moment.seconds())),
        };
        Point { label, x, ys: self.ys.iter().map(|index| row[*index].number()).collect() }
    }

    /// The chart of all rows.
    pub(crate) fn finish(mut self) -> ChartResult {
        if self.points.is_empty() {
            return Err("There are no rows, so there is no chart.".to_owned());
        }
        let mut titles = self.y_titles.iter().enumerate();
        if let Some((_, title)) = titles.find(|(y, _)| self.points.iter().all(|point| point.ys[*y].is_none())) {
            return Err(format!("There is no chart: the column {title} holds no numbers."));
        }
        let axis = self.axis();
        if self.chart_type == ChartType::Scatter && axis == Axis::Labels {
            let column = &self.x_title;
            return Err(format!("There is no chart: a scatter chart needs numbers or days in the column {column}."));
        }
        if axis != Axis::Labels {
            self.points.retain(|point| point.x != X::Missing);
        }
        Ok(ChartData {
            chart_type: self.chart_type,
            axis,
            note: self.note(),
            x_title: self.x_title,
            y_titles: self.y_titles,
            points: self.points,
        })
    }

    fn axis(&self) -> Axis {
        let all = |is: fn(&X) -> bool| {
            let mut present = self.points.iter().map(|point| &point.x).filter(|x| **x != X::Missing).peekable();
            present.peek().is_some() && present.all(is)
        };
        if self.chart_type == ChartType::Bar {
            Axis::Labels
        } else if all(|x| matches!(x, X::Number(_))) {
            Axis::Numbers
        } else if all(|x| matches!(x, X::Time(_))) {
            Axis::Times
        } else {
            Axis::Labels
        }
    }

    fn note(&self) -> Option<String> {
        let (bars, rows) = (self.points.len(), row_count(self.rows));
        match self.chart_type {
            ChartType::Bar if self.rows > bars as u64 => Some(format!("The chart shows the first {bars} of {rows}.")),
            _ if self.interval > 1 => {
                let interval = grouped(self.interval as f64, 0);
                Some(format!("The chart shows one row in {interval}, of {rows}."))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display() -> Display {
        Display { zone: jiff::tz::TimeZone::UTC, groups: true }
    }

    fn columns() -> Vec<Column> {
        ["x", "y"].map(|name| Column { name: name.to_owned(), title: name.to_owned(), format: None }).into()
    }

    fn definition(chart_type: ChartType) -> ChartDefinition {
        ChartDefinition { chart_type, x: "x".to_owned(), y: vec!["y".to_owned()] }
    }

    fn chart(chart_type: ChartType, rows: impl IntoIterator<Item = [Value<'static>; 2]>) -> ChartResult {
        let mut sampler = ChartSampler::new(&definition(chart_type), &columns(), &display()).unwrap();
        rows.into_iter().for_each(|row| sampler.add(&row));
        sampler.finish()
    }

    fn data(chart_type: ChartType, rows: impl IntoIterator<Item = [Value<'static>; 2]>) -> ChartData {
        chart(chart_type, rows).unwrap_or_else(|reason| panic!("{reason}"))
    }

    fn reason(chart_type: ChartType, rows: impl IntoIterator<Item = [Value<'static>; 2]>) -> String {
        chart(chart_type, rows).err().expect("it can be drawn")
    }

    #[test]
    fn a_million_rows_are_a_bounded_number_of_points_that_reach_from_end_to_end() {
        let rows = (0..1_000_000).map(|at| [Value::Integer(at), Value::Integer(-at)]);
        let data = data(ChartType::Line, rows);
        assert!((ENOUGH_POINTS..=2 * ENOUGH_POINTS).contains(&data.points.len()));
        assert_eq!(data.points[0].x, X::Number(0.0));
        assert!(matches!(data.points.last().unwrap().x, X::Number(last) if last > 999_000.0));
        assert_eq!(data.note.unwrap(), "The chart shows one row in 512, of 1,000,000 rows.");
    }

    #[test]
    fn of_many_bars_the_first_are_shown_and_that_is_said() {
        let data = data(ChartType::Bar, (0..500).map(|at| [Value::Text("a"), Value::Integer(at)]));
        assert_eq!(data.points.len(), MAX_BARS);
        assert_eq!(data.note.unwrap(), "The chart shows the first 100 of 500 rows.");
    }

    #[test]
    fn what_is_from_left_to_right_follows_from_the_values() {
        let one = Value::Integer(1);
        for (x, axis) in [
            (Value::Decimal("1.50"), Axis::Numbers),
            (Value::Date("2026-01-02"), Axis::Times),
            (Value::Timestamp("2026-01-02T05:00:00+00"), Axis::Times),
            (Value::Text("a"), Axis::Labels),
        ] {
            let data = data(ChartType::Line, [[x, one], [Value::Null, one]]);
            let left_out = usize::from(axis != Axis::Labels);
            assert_eq!((data.axis, data.points.len()), (axis, 2 - left_out), "{x:?}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_said_in_words() {
        let text = Value::Text("a");
        assert!(reason(ChartType::Bar, []).contains("no rows"));
        assert!(reason(ChartType::Bar, [[text, text]]).contains("the column y holds no numbers"));
        assert!(reason(ChartType::Line, [[text, Value::Null]]).contains("holds no numbers"));
        assert!(reason(ChartType::Scatter, [[text, Value::Integer(1)]]).contains("a scatter chart needs numbers"));
        let missing = ChartDefinition { x: "z".to_owned(), ..definition(ChartType::Bar) };
        let failure = ChartSampler::new(&missing, &columns(), &display()).err().unwrap().to_string();
        assert!(failure.contains("needs the column \"z\"") && failure.contains("it has x, y"), "{failure}");
    }
}
