//! What a chart is made of: a bounded number of points, however many rows there are.

use jiff::civil::{Date, DateTime};
use runtime::Failure;

use crate::{
    definition::Chart,
    format::{Column, counted, grouped, text},
    row::Value,
    written::ChartType,
};

/// Bars beyond these could not be told apart.
const MOST_BARS: usize = 100;
/// A line or a cloud has at least so many points, if there are so many rows, and at most twice as many.
const ENOUGH_POINTS: usize = 1000;
/// Characters of a label.
const LONGEST_LABEL: usize = 40;

/// The points seen so far.
pub(crate) struct Points {
    chart: Chart,
    x: usize,
    ys: Vec<usize>,
    titles: Vec<String>,
    kept: Vec<Point>,
    seen: u64,
    /// Each so manieth row is kept.
    every: u64,
}

/// One point for each y.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) x: X,
    pub(crate) ys: Vec<Option<f64>>,
}

/// Where a point stands from left to right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum X {
    Missing,
    Number(f64),
    /// Seconds since 1970.
    Time(f64),
    Label,
}

/// What all points have from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Labels,
    Numbers,
    Times,
}

/// A chart that can be drawn, or why there is none.
pub(crate) enum Picture {
    Drawable(Drawable),
    Words(String),
}

/// What there is to draw.
pub(crate) struct Drawable {
    pub(crate) chart_type: ChartType,
    pub(crate) axis: Axis,
    pub(crate) x_title: String,
    pub(crate) y_titles: Vec<String>,
    pub(crate) points: Vec<Point>,
    /// What is not drawn, if something is not.
    pub(crate) note: Option<String>,
}

impl Points {
    /// Of these columns; `Err` where one of the chart's is not among them.
    pub(crate) fn new(chart: &Chart, columns: &[Column]) -> Result<Self, Failure> {
        let place = |name: &String| {
            columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                let known: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
                let known = known.join(", ");
                let message =
                    format!("The chart needs the column {name:?}, which the query does not have; it has {known}.");
                Failure::Permanent { reason: "chart", message }
            })
        };
        let x = place(&chart.x)?;
        let ys = chart.y.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let titles = std::iter::once(x).chain(ys.iter().copied()).map(|at| columns[at].title.clone()).collect();
        Ok(Self { chart: chart.clone(), x, ys, titles, kept: Vec::new(), seen: 0, every: 1 })
    }

    /// Sees a row, and keeps it if it is one of those that are drawn.
    pub(crate) fn see(&mut self, row: &[Value<'_>]) {
        let seen = self.seen;
        self.seen += 1;
        if self.chart.chart_type == ChartType::Bar {
            if self.kept.len() < MOST_BARS {
                self.kept.push(self.point(row));
            }
        } else if seen.is_multiple_of(self.every) {
            if self.kept.len() == 2 * ENOUGH_POINTS {
                let mut place = 0_u64;
                self.kept.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.every *= 2;
                if !seen.is_multiple_of(self.every) {
                    return;
                }
            }
            self.kept.push(self.point(row));
        }
    }

    fn point(&self, row: &[Value<'_>]) -> Point {
        let x = row[self.x];
        let label = text(&x, None).chars().take(LONGEST_LABEL).collect();
        let x = match (x, x.number()) {
            (Value::Null, _) => X::Missing,
            (_, Some(number)) => X::Number(number),
            (Value::Date(text) | Value::Timestamp(text), _) => seconds(text).map_or(X::Label, X::Time),
            _ => X::Label,
        };
        Point { label, x, ys: self.ys.iter().map(|at| row[*at].number()).collect() }
    }

    /// The chart of what was seen.
    pub(crate) fn finish(mut self) -> Picture {
        if self.kept.is_empty() {
            return Picture::Words("There are no rows, so there is no chart.".to_owned());
        }
        let numberless = (0..self.ys.len()).find(|at| self.kept.iter().all(|point| point.ys[*at].is_none()));
        if let Some(at) = numberless {
            let why = format!("There is no chart: the column {} holds no numbers.", self.titles[at + 1]);
            return Picture::Words(why);
        }
        let axis = self.axis();
        if self.chart.chart_type == ChartType::Scatter && axis == Axis::Labels {
            let why =
                format!("There is no chart: a scatter chart needs numbers or days in the column {}.", self.titles[0]);
            return Picture::Words(why);
        }
        if axis != Axis::Labels {
            self.kept.retain(|point| point.x != X::Missing);
        }
        let note = self.note();
        let mut titles = self.titles.into_iter();
        Picture::Drawable(Drawable {
            chart_type: self.chart.chart_type,
            axis,
            x_title: titles.next().unwrap_or_default(),
            y_titles: titles.collect(),
            points: self.kept,
            note,
        })
    }

    fn axis(&self) -> Axis {
        let all = |is: fn(&X) -> bool| {
            let mut there = self.kept.iter().map(|point| &point.x).filter(|x| **x != X::Missing).peekable();
            there.peek().is_some() && there.all(is)
        };
        if self.chart.chart_type == ChartType::Bar {
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
        let (seen, kept) = (self.seen, self.kept.len() as u64);
        match self.chart.chart_type {
            ChartType::Bar if seen > kept => Some(format!("The chart shows the first {kept} of {}.", counted(seen))),
            _ if self.every > 1 => {
                let every = grouped(self.every as f64, 0);
                Some(format!("The chart shows one row in {every}, of {}.", counted(seen)))
            }
            _ => None,
        }
    }
}

/// A day or a time, its zone left aside, as seconds since 1970.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let time = match text.len() {
        10 => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
        _ => {
            let zone = text.get(16..)?.find(['+', '-', 'Z']).map_or(text.len(), |at| at + 16);
            text[..zone].parse().ok()?
        }
    };
    Some(time.duration_since(epoch).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        ["x", "y"].map(|name| Column { name: name.to_owned(), title: name.to_owned(), shown: None }).into()
    }

    fn chart(chart_type: ChartType) -> Chart {
        Chart { chart_type, x: "x".to_owned(), y: vec!["y".to_owned()] }
    }

    fn drawn(chart_type: ChartType, rows: impl IntoIterator<Item = [Value<'static>; 2]>) -> Picture {
        let mut points = Points::new(&chart(chart_type), &columns()).unwrap();
        rows.into_iter().for_each(|row| points.see(&row));
        points.finish()
    }

    fn drawable(picture: Picture) -> Drawable {
        match picture {
            Picture::Drawable(drawable) => drawable,
            Picture::Words(words) => panic!("{words}"),
        }
    }

    fn words(picture: Picture) -> String {
        match picture {
            Picture::Drawable(_) => panic!("it can be drawn"),
            Picture::Words(words) => words,
        }
    }

    #[test]
    fn a_million_rows_are_a_bounded_number_of_points_that_reach_from_end_to_end() {
        let rows = (0..1_000_000).map(|at| [Value::Integer(at), Value::Integer(-at)]);
        let drawable = drawable(drawn(ChartType::Line, rows));
        assert!((ENOUGH_POINTS..=2 * ENOUGH_POINTS).contains(&drawable.points.len()));
        assert_eq!(drawable.points[0].x, X::Number(0.0));
        assert!(matches!(drawable.points.last().unwrap().x, X::Number(last) if last > 999_000.0));
        assert_eq!(drawable.note.unwrap(), "The chart shows one row in 512, of 1,000,000 rows.");
    }

    #[test]
    fn of_many_bars_the_first_are_shown_and_that_is_said() {
        let drawable = drawable(drawn(ChartType::Bar, (0..500).map(|at| [Value::Text("a"), Value::Integer(at)])));
        assert_eq!(drawable.points.len(), MOST_BARS);
        assert_eq!(drawable.note.unwrap(), "The chart shows the first 100 of 500 rows.");
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
            let drawable = drawable(drawn(ChartType::Line, [[x, one], [Value::Null, one]]));
            let left_out = usize::from(axis != Axis::Labels);
            assert_eq!((drawable.axis, drawable.points.len()), (axis, 2 - left_out), "{x:?}");
        }
        assert_eq!(seconds("1970-01-02"), Some(86_400.0));
        assert_eq!(seconds("1970-01-01 00:00:01.5+02"), Some(1.5));
        assert_eq!(seconds("1970-99-01"), None);
    }

    #[test]
    fn what_cannot_be_drawn_is_said_in_words() {
        let text = Value::Text("a");
        assert!(words(drawn(ChartType::Bar, [])).contains("no rows"));
        assert!(words(drawn(ChartType::Bar, [[text, text]])).contains("the column y holds no numbers"));
        assert!(words(drawn(ChartType::Line, [[text, Value::Null]])).contains("holds no numbers"));
        assert!(
            words(drawn(ChartType::Scatter, [[text, Value::Integer(1)]])).contains("a scatter chart needs numbers")
        );
        let missing = Chart { x: "z".to_owned(), ..chart(ChartType::Bar) };
        let failure = Points::new(&missing, &columns()).err().unwrap().to_string();
        assert!(failure.contains("needs the column \"z\"") && failure.contains("it has x, y"), "{failure}");
    }
}
