//! Parses and checks one definition: how files of one sort are imported, as an operator wrote it.

use runtime::{
    catalogue::{Field, FieldType, Offer},
    definitions::{Fault, Source, check_allow},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use crate::{
    definition::{
        check::Check,
        columns::ColumnEntry,
        question::Question,
        rejected::RejectedEntry,
        sheet_tables::Each,
        tables::{SheetEntry, Tables, WrittenTables},
    },
    input::Mode,
    options::FileOptions,
    table_name::TableName,
};

/// A valid definition.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The name of its file, without `.toml`.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tables: Tables,
    /// Set if other definitions may have the same table.
    pub(crate) shared: bool,
    pub(crate) mode: Mode,
    /// Other modes that an input may choose.
    pub(crate) modes: Vec<Mode>,
    pub(crate) allow: Vec<String>,
    pub(crate) file: FileOptions,
    /// Rows that may be rejected before a person is asked, where they are not those of the settings.
    pub(crate) rejected: RejectedEntry,
    /// The options of reading a file that its form asks for.
    pub(crate) ask: Vec<Question>,
}

/// The file of a definition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefinitionFile {
    title: String,
    #[serde(default)]
    description: String,
    table: Option<TableName>,
    sheets: Option<Spanned<Each>>,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    modes: Vec<Mode>,
    key: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    file: FileOptions,
    rejected: Option<Spanned<RejectedEntry>>,
    #[serde(default)]
    ask: Vec<Spanned<Question>>,
    #[serde(default)]
    column: Vec<Spanned<ColumnEntry>>,
    #[serde(default)]
    sheet: Vec<Spanned<SheetEntry>>,
}

impl Definition {
    /// Parses and checks its file.
    pub(crate) fn parse(source: &Source) -> Result<Self, Vec<Fault>> {
        let file: DefinitionFile = source.parse().map_err(|fault| vec![fault])?;
        let mut check = Check::new(source);
        let upserts = file.mode == Mode::Upsert || file.modes.contains(&Mode::Upsert);
        let written = WrittenTables {
            table: file.table,
            sheets: file.sheets,
            sheet: file.sheet,
            key: file.key,
            column: file.column,
            names_one_sheet: file.file.sheet.is_some(),
        };
        let tables = check.tables(written, upserts);
        let rejected = check.rejected(file.rejected);
        let allow = file.allow.into_iter().map(|entry| check.allow(entry)).collect();
        let ask = file.ask.into_iter().map(|question| check.ask(question, &file.file)).collect();
        if let Some(reason) = file.file.contradiction() {
            check.fault(0..0, format!("file.{reason}"));
        }
        let Some(tables) = tables.filter(|_| check.faults.is_empty()) else { return Err(check.faults) };
        Ok(Self {
            name: source.name.clone(),
            title: file.title,
            description: file.description,
            tables,
            shared: file.shared,
            mode: file.mode,
            modes: file.modes,
            allow,
            file: file.file,
            rejected,
            ask,
        })
    }

    /// The form that starts an import by it.
    pub(crate) fn offer(&self) -> Offer {
        let file = Field {
            path: "file".to_owned(),
            title: "File".to_owned(),
            field_type: FieldType::File,
            default: None,
            required: true,
            choices: Vec::new(),
            hint: self.tables.formats().to_owned(),
        };
        let mut fields = vec![file];
        if !self.modes.is_empty() {
            let others = self.modes.iter().filter(|mode| **mode != self.mode);
            fields.push(Field {
                path: "mode".to_owned(),
                title: "What happens to the rows that are there".to_owned(),
                field_type: FieldType::Text,
                default: Some(json!(self.mode)),
                required: true,
                choices: [&self.mode].into_iter().chain(others).map(|mode| json!(mode)).collect(),
                hint: String::new(),
            });
        }
        if self.file.sheet.is_none() && matches!(self.tables, Tables::One(_)) {
            fields.push(Field {
                path: "sheet".to_owned(),
                title: "Sheet".to_owned(),
                field_type: FieldType::Text,
                default: None,
                required: false,
                choices: Vec::new(),
                hint: "the name of a workbook's sheet, if not the first with values".to_owned(),
            });
        }
        fields.push(Field {
            path: "accept_rejected".to_owned(),
            title: "Import although many rows do not fit".to_owned(),
            field_type: FieldType::Boolean,
            default: Some(json!(false)),
            required: false,
            choices: Vec::new(),
            hint: String::new(),
        });
        fields.extend(self.ask.iter().map(|question| question.field()));
        Offer {
            name: self.name.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            allow: self.allow.clone(),
            input: Map::from_iter([("definition".to_owned(), Value::from(self.name.as_str()))]),
            fields,
        }
    }
}

impl Check<'_> {
    fn rejected(&mut self, entry: Option<Spanned<RejectedEntry>>) -> RejectedEntry {
        let Some(entry) = entry else { return RejectedEntry::default() };
        if entry.get_ref().share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            self.fault(entry.span(), "rejected: the share is a number from 0 to 1, such as 0.05");
        }
        entry.into_inner()
    }

    fn ask(&mut self, question: Spanned<Question>, options: &FileOptions) -> Question {
        let at = question.span();
        let question = question.into_inner();
        if question.is_answered(options) {
            self.fault(at, format!("ask: {:?} is said under [file] already", question.path()));
        }
        question
    }

    fn allow(&mut self, entry: Spanned<String>) -> String {
        if let Err(reason) = check_allow(entry.get_ref()) {
            self.fault(entry.span(), reason);
        }
        entry.into_inner()
    }
}
