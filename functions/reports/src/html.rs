//! A page that needs nothing else: what it is, a chart, the table. Its rows wait in a file on disk, because the chart
//! stands above them and is known after them.

use std::{
    fmt::Write as _,
    fs::File as Disk,
    io::{self, BufWriter, Read, Seek, Write},
};

use crate::{
    broken::Broken,
    definition::Definition,
    drawing,
    format::{Column, Shown, counted, text},
    points::{Drawable, Picture},
    row::Value,
    upload::Outlet,
    writing::File,
};

const STYLE: &str = include_str!("page.css");
/// From so many rows on a reader is told what is better.
const MANY_ROWS: u64 = 5000;

pub(crate) struct Page {
    out: Outlet,
    head: String,
    titles: Vec<String>,
    shown: Vec<Option<Shown>>,
    /// Whether a column has held a number: then its title stands above the digits.
    numbers: Vec<bool>,
    rows: BufWriter<Disk>,
    line: String,
}

impl Page {
    pub(crate) fn begin(out: Outlet, definition: &Definition, columns: &[Column]) -> Result<Self, Broken> {
        let title = escaped(&definition.title);
        // A page that is opened from a disk may do nothing but show itself.
        let head = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width\"><style>\n{STYLE}</style></head>\n\
             <body><h1>{title}</h1>\n"
        );
        let description = escaped(&definition.description);
        let head = if description.is_empty() { head } else { format!("{head}<p>{description}</p>\n") };
        Ok(Self {
            out,
            head,
            titles: columns.iter().map(|column| escaped(&column.title)).collect(),
            shown: columns.iter().map(|column| column.shown).collect(),
            numbers: vec![false; columns.len()],
            rows: BufWriter::with_capacity(256 * 1024, tempfile::tempfile()?),
            line: String::new(),
        })
    }

    fn write_head(&mut self, rows: u64, picture: Option<Picture>) -> io::Result<()> {
        self.out.write_all(self.head.as_bytes())?;
        let advice = if rows > MANY_ROWS { "; to work with so many, CSV or XLSX serves better" } else { "" };
        write!(self.out, "<p>{}{advice}</p>\n{}", counted(rows), picture.map(figure).unwrap_or_default())?;
        self.out.write_all(b"<div class=\"wide\"><table><thead><tr>")?;
        for (title, has_numbers) in self.titles.iter().zip(&self.numbers) {
            let class = if *has_numbers { " class=\"n\"" } else { "" };
            write!(self.out, "<th scope=\"col\"{class}>{title}</th>")?;
        }
        self.out.write_all(b"</tr></thead>\n<tbody>\n")
    }
}

impl File for Page {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), Broken> {
        self.line.clear();
        self.line.push_str("<tr>");
        for ((value, shown), has_numbers) in row.iter().zip(&self.shown).zip(&mut self.numbers) {
            let is_number = matches!(value, Value::Integer(_) | Value::Real(_) | Value::Decimal(_));
            *has_numbers |= is_number;
            self.line.push_str(if is_number { "<td class=\"n\">" } else { "<td>" });
            escape(&text(value, *shown), &mut self.line);
            self.line.push_str("</td>");
        }
        self.line.push_str("</tr>\n");
        self.out.check()?;
        Ok(self.rows.write_all(self.line.as_bytes())?)
    }

    fn end(mut self: Box<Self>, rows: u64, picture: Option<Picture>) -> Result<(), Broken> {
        self.write_head(rows, picture)?;
        self.rows.flush()?;
        self.rows.rewind()?;
        let mut piece = vec![0; 256 * 1024];
        loop {
            match self.rows.get_mut().read(&mut piece)? {
                0 => break,
                length => self.out.write_all(&piece[..length])?,
            }
        }
        self.out.write_all(b"</tbody></table></div></body></html>\n")?;
        Ok(self.out.finish()?)
    }
}

fn figure(picture: Picture) -> String {
    let drawable = match picture {
        Picture::Drawable(drawable) => drawable,
        Picture::Words(words) => return format!("<p>{}</p>\n", escaped(&words)),
    };
    match drawing::svg(&drawable) {
        Ok(svg) => format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", caption(&drawable)),
        Err(words) => format!("<p>{}</p>\n", escaped(&words)),
    }
}

fn caption(drawable: &Drawable) -> String {
    let mut caption = String::new();
    for (at, title) in drawable.y_titles.iter().enumerate() {
        let color = drawing::color(at);
        let _ = write!(caption, "<i style=\"background:{color}\"></i>{}", escaped(title));
    }
    let _ = write!(caption, " by {}.", escaped(&drawable.x_title));
    if let Some(note) = &drawable.note {
        let _ = write!(caption, " {}", escaped(note));
    }
    caption
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    escape(text, &mut escaped);
    escaped
}

/// A text is a text, whatever is in it.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}
