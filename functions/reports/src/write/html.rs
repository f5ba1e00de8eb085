//! HTML: one self-contained page with title, what the report says about itself, and a chart and table for each sheet. The
//! rows of a sheet wait in a temporary file, because the chart stands above them and is complete only after them.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Read, Seek, Write},
    sync::Arc,
};

use super::{error::WriteError, report_file::ReportFile};
use crate::{
    about::{About, WrittenSheet},
    chart::{
        data::{ChartData, ChartResult},
        svg,
    },
    definition::{
        column::{Column, ColumnFormat},
        sheet::SheetDefinition,
    },
    number::row_count,
    query::value::{Display, Value},
    upload::UploadWriter,
};

const STYLE: &str = include_str!("page.css");
/// A page with more rows recommends the other formats.
const MANY_ROWS: u64 = 5000;

pub(super) struct HtmlFile {
    out: UploadWriter,
    about: Arc<About>,
    display: Display,
    /// What stands above the rows of the current sheet: its heading, or the head of the page.
    head: String,
    titles: Vec<String>,
    formats: Vec<Option<ColumnFormat>>,
    /// True for each column that has held a number: its title then stands above the digits.
    numeric: Vec<bool>,
    rows: BufWriter<File>,
    line: String,
}

impl HtmlFile {
    pub(super) fn new(out: UploadWriter, about: Arc<About>, display: Display) -> Result<Self, WriteError> {
        Ok(Self {
            out,
            head: page_head(&about),
            about,
            display,
            titles: Vec::new(),
            formats: Vec::new(),
            numeric: Vec::new(),
            rows: BufWriter::with_capacity(256 * 1024, tempfile::tempfile()?),
            line: String::new(),
        })
    }
}

fn page_head(about: &About) -> String {
    let title = escaped(&about.title);
    // A page that is opened from a disk may do nothing but show itself.
    let mut head = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><style>\n{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n"
    );
    if !about.description.is_empty() {
        let _ = writeln!(head, "<p>{}</p>", escaped(&about.description));
    }
    head.push_str("<dl>");
    for (name, value) in about.entries() {
        let _ = write!(head, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(&name), escaped(&value));
    }
    head + "</dl>\n"
}

impl ReportFile for HtmlFile {
    fn begin_sheet(&mut self, sheet: &SheetDefinition, columns: &[Column]) -> Result<(), WriteError> {
        if let Some(heading) = self.about.heading(sheet) {
            let _ = writeln!(self.head, "<h2>{}</h2>", escaped(heading));
        }
        self.titles = columns.iter().map(|column| escaped(&column.title)).collect();
        self.formats = columns.iter().map(|column| column.format).collect();
        self.numeric = vec![false; columns.len()];
        Ok(())
    }

    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        self.line.clear();
        self.line.push_str("<tr>");
        for ((value, format), is_numeric) in row.iter().zip(&self.formats).zip(&mut self.numeric) {
            let is_number = matches!(value, Value::Integer(_) | Value::Real(_) | Value::Decimal(_));
            *is_numeric |= is_number;
            self.line.push_str(if is_number { "<td class=\"n\">" } else { "<td>" });
            escape(&self.display.text(value, *format), &mut self.line);
            self.line.push_str("</td>");
        }
        self.line.push_str("</tr>\n");
        self.out.check_open()?;
        Ok(self.rows.write_all(self.line.as_bytes())?)
    }

    fn end_sheet(&mut self, rows: u64, chart: Option<ChartResult>) -> Result<(), WriteError> {
        self.out.write_all(std::mem::take(&mut self.head).as_bytes())?;
        let advice = if rows > MANY_ROWS { "; to work with so many, CSV or XLSX serves better" } else { "" };
        write!(self.out, "<p>{}{advice}</p>\n{}", row_count(rows), chart.map(figure).unwrap_or_default())?;
        self.out.write_all(b"<div class=\"wide\"><table><thead><tr>")?;
        for (title, is_numeric) in self.titles.iter().zip(&self.numeric) {
            let class = if *is_numeric { " class=\"n\"" } else { "" };
            write!(self.out, "<th scope=\"col\"{class}>{title}</th>")?;
        }
        self.out.write_all(b"</tr></thead>\n<tbody>\n")?;
        self.rows.flush()?;
        self.rows.rewind()?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match self.rows.get_mut().read(&mut buffer)? {
                0 => break,
                length => self.out.write_all(&buffer[..length])?,
            }
        }
        self.rows.rewind()?;
        self.rows.get_mut().set_len(0)?;
        Ok(self.out.write_all(b"</tbody></table></div>\n")?)
    }

    fn finish(mut self: Box<Self>, _sheets: &[WrittenSheet]) -> Result<(), WriteError> {
        self.out.write_all(b"</body></html>\n")?;
        Ok(self.out.finish()?)
    }
}

fn figure(chart: ChartResult) -> String {
    match chart.and_then(|data| Ok((svg::draw(&data)?, data))) {
        Ok((svg, data)) => format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", caption(&data)),
        Err(reason) => format!("<p>{}</p>\n", escaped(&reason)),
    }
}

fn caption(data: &ChartData) -> String {
    let mut caption = String::new();
    for (index, title) in data.y_titles.iter().enumerate() {
        let color = svg::color(index);
        let _ = write!(caption, "<i style=\"background:{color}\"></i>{}", escaped(title));
    }
    let _ = write!(caption, " by {}.", escaped(&data.x_title));
    if let Some(note) = &data.note {
        let _ = write!(caption, " {}", escaped(note));
    }
    caption
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    escape(text, &mut escaped);
    escaped
}

/// Appends a text that can hold no markup.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A parser would make it a line feed.
            '\r' => out.push_str("&#13;"),
            '\0' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}
