//! The list of a workbook's sheets.

use quick_xml::events::Event;
use runtime::Failure;

use crate::read::xlsx::{
    checked::PartKind,
    package::Package,
    part::{attribute, is_true},
};

/// What a workbook says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// Its sheets of cells, in their order; not charts, dialogs and macros.
    pub(crate) sheets: Vec<Sheet>,
    /// True if days are counted from 1904.
    pub(crate) from_1904: bool,
    /// The names of the parts that all sheets share.
    pub(crate) texts: Option<String>,
    pub(crate) styles: Option<String>,
}

/// A sheet of cells.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) is_visible: bool,
    pub(crate) part: String,
}

impl Contents {
    /// Reads them.
    pub(crate) fn read(package: &mut Package) -> Result<Self, Failure> {
        let main = package.relations("")?.into_iter().find(|relation| relation.kind == "officeDocument");
        let main = main.map_or_else(|| "xl/workbook.xml".to_owned(), |relation| relation.target);
        if !package.has(&main) {
            return Err(Failure::input(
                "the file is a ZIP archive and no Excel workbook; unpack it and import what is in it",
            ));
        }
        if main.to_lowercase().ends_with(".bin") {
            return Err(Failure::input(
                "the file is a binary Excel workbook (.xlsb); save it as XLSX or CSV and import that",
            ));
        }
        let relations = package.relations(&main)?;
        // Some programs write the part and no relation to it.
        let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
        let of_kind = |kind: &str| {
            let found = relations.iter().find(|relation| relation.kind == kind);
            let usual = || format!("{folder}/{kind}.xml");
            Some(found.map_or_else(usual, |relation| relation.target.clone()))
        };
        let (texts, styles) = (of_kind("sharedStrings"), of_kind("styles"));
        let mut contents = Self { texts, styles, ..Self::default() };
        let missing = || Failure::input("the workbook is broken: its list of sheets is missing");
        let mut part = package.part(&main, PartKind::Settings)?.ok_or_else(missing)?;
        loop {
            match part.next()? {
                Event::Start(tag) if tag.local_name().as_ref() == "workbookPr" => {
                    contents.from_1904 = is_true(attribute(&tag, "date1904"));
                }
                Event::Start(tag) if tag.local_name().as_ref() == "sheet" => {
                    // The id of the relation; "sheetId" is another.
                    let id = attribute(&tag, "id").unwrap_or_default();
                    let relation = relations.iter().find(|relation| relation.id == id);
                    let Some(relation) = relation.filter(|relation| relation.kind == "worksheet") else { continue };
                    contents.sheets.push(Sheet {
                        name: attribute(&tag, "name").unwrap_or_default().into_owned(),
                        is_visible: !matches!(attribute(&tag, "state").as_deref(), Some("hidden" | "veryHidden")),
                        part: relation.target.clone(),
                    });
                }
                Event::Eof => break,
                _ => {}
            }
        }
        Ok(contents)
    }
}
