//! A sheet on the pages of a document: heading, chart, table.

use std::io;

use pdf_writer::{Content, Ref};

use super::{
    chart::Canvas,
    document::PageSize,
    font::Fonts,
    lines::{widths, wrap},
    page::{DIM, INK, LANDSCAPE, LEADING, MARGIN, PORTRAIT, SMALL},
    paper::Paper,
};
use crate::{
    about::shortened,
    chart::{
        data::{ChartData, ChartResult},
        plot::{self, SIZE},
    },
    definition::{chart::ChartDefinition, column::Column},
    number::row_count,
};

/// The size of letters in a table, and in one that is too wide for them.
const LETTERS: f32 = 8.5;
const SMALL_LETTERS: f32 = 6.5;
/// Space within a cell, at its sides and above and below.
const PADDING: (f32, f32) = (4.0, 2.5);
/// Most lines of a column's title.
const MAX_TITLE_LINES: usize = 6;
/// Most characters of a title under a chart.
const MAX_CAPTION: usize = 40;

/// Rows that decide how wide columns are, and most bytes of them.
const MEASURED_ROWS: usize = 200;
const MEASURED_BYTES: usize = 1024 * 1024;

/// A value as it is shown.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) is_number: bool,
}

pub(super) struct Section {
    heading: Option<String>,
    pub(super) columns: Vec<Column>,
    /// Titles under the chart, if there is one: of what is from bottom to top, then from left to right.
    caption: Option<(Vec<String>, String)>,
    /// Rows that are measured before the first of them is written.
    waiting: Vec<Vec<Cell>>,
    waiting_bytes: usize,
    table: Option<Table>,
    /// Lines that may say why there is no chart.
    reason_lines: f32,
    /// Where the number of rows and the chart will be, once they are known.
    later: Option<Later>,
}

struct Table {
    widths: Vec<f32>,
    size: f32,
    titles: Vec<Vec<String>>,
    numeric: Vec<bool>,
}

/// A part of a page, by its upper left corner, that is drawn when the sheet ends.
struct Later {
    stream: Ref,
    corner: (f32, f32),
    width: f32,
}

impl Section {
    pub(super) fn new(heading: Option<String>, columns: &[Column], chart: Option<&ChartDefinition>) -> Self {
        let title = |name: &String| {
            let column = columns.iter().find(|column| column.name == *name);
            shortened(column.map_or(name, |column| &column.title), MAX_CAPTION)
        };
        let caption = chart.map(|chart| (chart.y.iter().map(title).collect(), title(&chart.x)));
        Self {
            heading,
            columns: columns.to_vec(),
            caption,
            waiting: Vec::new(),
            waiting_bytes: 0,
            table: None,
            reason_lines: 0.0,
            later: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.table.is_some()
    }

    /// Lets a row wait; true if enough of them do.
    pub(super) fn wait(&mut self, cells: Vec<Cell>) -> bool {
        self.waiting_bytes += cells.iter().map(|cell| cell.text.len()).sum::<usize>();
        self.waiting.push(cells);
        self.waiting.len() == MEASURED_ROWS || self.waiting_bytes > MEASURED_BYTES
    }

    /// Leaves no room for a chart, but for the reason why there is none.
    pub(super) fn leave_out_chart(&mut self) {
        self.caption = None;
        self.reason_lines = 2.0;
    }

    /// Decides how wide the columns are, and the page.
    pub(super) fn measure(&mut self, fonts: &mut Fonts) -> PageSize {
        let count = self.columns.len();
        let mut wanted: Vec<f32> = self.columns.iter().map(|column| line_width(fonts, &column.title)).collect();
        let mut numeric = vec![false; count];
        for (index, cell) in self.waiting.iter().flat_map(|row| row.iter().enumerate()) {
            wanted[index] = wanted[index].max(line_width(fonts, &cell.text));
            numeric[index] |= cell.is_number;
        }
        let room = |size: PageSize| size.width - 2.0 * MARGIN - count as f32 * 2.0 * PADDING.0;
        let sum: f32 = wanted.iter().sum();
        let (page, size) = match () {
            () if sum * LETTERS <= room(PORTRAIT) => (PORTRAIT, LETTERS),
            () if sum * LETTERS <= room(LANDSCAPE) => (LANDSCAPE, LETTERS),
            () => (LANDSCAPE, SMALL_LETTERS),
        };
        let wanted: Vec<_> = wanted.iter().map(|width| width * size).collect();
        let widths = widths(&wanted, room(page));
        let lines = |(column, width): (&Column, &f32)| {
            let mut lines = wrap(fonts, &column.title, width / size);
            if lines.len() > MAX_TITLE_LINES {
                lines.truncate(MAX_TITLE_LINES);
                lines[MAX_TITLE_LINES - 1].push('…');
            }
            lines
        };
        let titles = self.columns.iter().zip(&widths).map(lines).collect();
        self.table = Some(Table { widths, size, titles, numeric });
        page
    }

    /// Begins the table on the page, after what stands above it, with the rows that waited.
    pub(super) fn open(&mut self, paper: &mut Paper) -> io::Result<()> {
        if let Some(heading) = &self.heading {
            paper.heading(heading, 12.0)?;
        }
        let width = paper.page().width().min(PORTRAIT.width - 2.0 * MARGIN);
        let chart = width * SIZE.1 as f32 / SIZE.0 as f32;
        let height = match &self.caption {
            Some((titles, _)) => SMALL * LEADING * (titles.len() as f32 + 3.0) + chart,
            None => SMALL * LEADING * (1.0 + self.reason_lines),
        };
        paper.make_room(height + 40.0)?;
        let stream = paper.document.reserve();
        let page = paper.page();
        page.later.push(stream);
        self.later = Some(Later { stream, corner: page.point(MARGIN, page.y), width });
        page.y += height + 6.0;
        if let Some(table) = &self.table {
            table.write_titles(paper);
            for row in std::mem::take(&mut self.waiting) {
                table.write_row(paper, &row)?;
            }
        }
        Ok(())
    }

    pub(super) fn write_row(&mut self, paper: &mut Paper, cells: &[Cell]) -> io::Result<()> {
        match &self.table {
            Some(table) => table.write_row(paper, cells),
            None => Ok(()),
        }
    }

    /// Draws what is only known now.
    pub(super) fn end(self, paper: &mut Paper, rows: u64, chart: Option<ChartResult>) -> io::Result<()> {
        let Some(Later { stream, corner: (x, y), width }) = self.later else { return Ok(()) };
        let mut content = Content::new();
        let text = |content: &mut Content, fonts: &mut Fonts, text: &str, (x, y): (f32, f32)| {
            content.set_fill_gray(DIM);
            fonts.show(content, text, (x, y), SMALL);
        };
        text(&mut content, &mut paper.fonts, &row_count(rows), (x, y - SMALL));
        let top = y - SMALL * LEADING;
        let drawn = chart.map(|chart| {
            let data = chart?;
            let scale = width / SIZE.0 as f32;
            let canvas = Canvas { content: &mut content, fonts: &mut paper.fonts, corner: (x, top), scale };
            plot::draw(canvas, &data).map(|()| data)
        });
        match drawn {
            Some(Ok(data)) => {
                let mut bottom = top - width * SIZE.1 as f32 / SIZE.0 as f32 - SMALL;
                for (index, title) in self.caption.iter().flat_map(|(titles, _)| titles).enumerate() {
                    let (red, green, blue) = plot::color(index);
                    content.set_fill_rgb(f32::from(red) / 255.0, f32::from(green) / 255.0, f32::from(blue) / 255.0);
                    content.rect(x, bottom, SMALL * 0.7, SMALL * 0.7).fill_nonzero();
                    text(&mut content, &mut paper.fonts, title, (x + SMALL * 1.2, bottom));
                    bottom -= SMALL * LEADING;
                }
                let by = self.caption.as_ref().map(|(_, x)| format!("by {x}. ")).unwrap_or_default();
                text(&mut content, &mut paper.fonts, &(by + note(&data)), (x, bottom));
            }
            Some(Err(reason)) => {
                for (index, line) in wrap(&mut paper.fonts, &reason, width / SMALL).iter().enumerate() {
                    let y = top - SMALL * LEADING * (index + 1) as f32;
                    text(&mut content, &mut paper.fonts, line, (x, y));
                }
            }
            None => {}
        }
        paper.document.write_stream(stream, content.finish().as_slice())
    }
}

fn note(data: &ChartData) -> &str {
    data.note.as_deref().unwrap_or_default()
}

/// The width that a text wants at size 1; that of its longest line.
fn line_width(fonts: &mut Fonts, text: &str) -> f32 {
    // A little more, so that a rounded sum never wraps what fits.
    text.lines().map(|line| fonts.width(&super::font::composed(line))).fold(0.0, f32::max) + 0.05
}

impl Table {
    fn leading(&self) -> f32 {
        self.size * LEADING
    }

    fn write_titles(&self, paper: &mut Paper) {
        let lines = self.titles.iter().map(Vec::len).max().unwrap_or(0);
        paper.page().begin_bold(self.size);
        let titles: Vec<_> =
            self.titles.iter().zip(&self.numeric).map(|(lines, numeric)| (&lines[..], *numeric)).collect();
        self.write_lines(paper, &titles);
        let page = paper.page();
        page.content.restore_state();
        page.y += lines as f32 * self.leading() + 2.0 * PADDING.1;
        page.rule(page.y, (1.0, DIM));
    }

    /// Writes a row, over several pages where one does not hold it.
    fn write_row(&self, paper: &mut Paper, cells: &[Cell]) -> io::Result<()> {
        let wrapped: Vec<_> = cells
            .iter()
            .zip(&self.widths)
            .map(|(cell, width)| wrap(&mut paper.fonts, &cell.text, width / self.size))
            .collect();
        let count = wrapped.iter().map(Vec::len).max().unwrap_or(1);
        let height = |lines: usize| lines as f32 * self.leading() + 2.0 * PADDING.1;
        let mut from = 0;
        loop {
            let left = count - from;
            let fitting =
                |paper: &mut Paper| ((paper.page().room() - 2.0 * PADDING.1) / self.leading()).max(0.0) as usize;
            let mut lines = left.min(fitting(paper));
            if lines < left {
                // A row that a page holds begins on one of its own; any other goes on there.
                let size = paper.page().size;
                let is_long = height(left) > size.height / 2.0;
                if !is_long || lines == 0 {
                    paper.begin_page(size)?;
                    self.write_titles(paper);
                    lines = left.min(fitting(paper)).max(1);
                }
            }
            let part = |lines_of: &'_ [String]| -> (usize, usize) {
                (from.min(lines_of.len()), (from + lines).min(lines_of.len()))
            };
            let parts: Vec<_> = wrapped
                .iter()
                .zip(cells)
                .map(|(all, cell)| {
                    let (start, end) = part(all);
                    (&all[start..end], cell.is_number)
                })
                .collect();
            self.write_lines(paper, &parts);
            let page = paper.page();
            page.y += height(lines);
            page.rule(page.y, (0.4, 0.75));
            from += lines;
            if from >= count {
                return Ok(());
            }
        }
    }

    /// Writes lines into each column, at its right where they are numbers.
    fn write_lines(&self, paper: &mut Paper, columns: &[(&[String], bool)]) {
        let (page, fonts) = paper.parts();
        let mut left = MARGIN;
        for ((lines, at_right), width) in columns.iter().zip(&self.widths) {
            for (index, line) in lines.iter().enumerate() {
                let free = if *at_right { width - fonts.width(line) * self.size } else { 0.0 };
                let y = page.y + PADDING.1 + index as f32 * self.leading();
                page.show(fonts, line, (left + PADDING.0 + free.max(0.0), y), (self.size, INK));
            }
            left += width + 2.0 * PADDING.0;
        }
    }
}
