//! Resolves an input and the definition that it names, and checks that its owner may import so.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use runtime::{Context, Failure};

use crate::{
    config::{ImportsConfig, TablePattern},
    definition::{
        folder::Definitions,
        parse::Definition,
        rejected::RejectedLimits,
        sheet_tables::{MAX_SHEETS, SheetTables, table_of},
        spec::{ColumnSpec, ImportSpec},
        tables::{TableDefinition, Tables},
    },
    input::{Input, Mode},
    options::SheetChoice,
    table_name::TableName,
};

/// What an import asks for.
#[derive(Debug)]
pub(crate) enum ImportRequest {
    /// One table.
    Table(Box<ImportSpec>),
    /// These sheets of a workbook, each into a table of its own.
    Sheets(Vec<SheetSpec>),
    /// Every sheet that has a value.
    EachSheet,
}

/// A sheet and its table.
#[derive(Debug)]
pub(crate) struct SheetSpec {
    pub(crate) sheet: SheetChoice,
    /// Set if it may be missing or empty.
    pub(crate) optional: bool,
    pub(crate) spec: ImportSpec,
}

/// Resolves the input of one task.
pub(crate) struct Resolver<'a> {
    definitions: &'a Definitions,
    config: &'a ImportsConfig,
    context: &'a Context,
    input: Input,
    definition: Option<Arc<Definition>>,
}

impl<'a> Resolver<'a> {
    /// Finds the input's definition, or refuses it.
    pub(crate) fn new(
        input: Input,
        definitions: &'a Definitions,
        config: &'a ImportsConfig,
        context: &'a Context,
    ) -> Result<Self, Failure> {
        let definition = match &input.definition {
            None => None,
            Some(name) => {
                let definition = definitions.get(name).ok_or_else(|| unknown_definition(name, definitions))?;
                if !context.is_allowed(&definition.allow) {
                    return Err(forbidden());
                }
                Some(definition.clone())
            }
        };
        Ok(Self { definitions, config, context, input, definition })
    }

    /// What is asked for, or why it is refused.
    pub(crate) fn request(&self) -> Result<ImportRequest, Failure> {
        match &self.definition {
            None => self.without_definition(),
            Some(definition) => self.by_definition(definition),
        }
    }

    /// The specs of every sheet of a workbook.
    pub(crate) fn each(&self, sheets: &[String]) -> Result<Vec<SheetSpec>, Failure> {
        let beginning = match &self.definition {
            Some(definition) => definition.tables.of_each().map(|each| &each.table),
            None => self.input.table.as_ref(),
        };
        let mut specs = Vec::with_capacity(sheets.len());
        for sheet in sheets {
            let table = table_of(sheet, beginning).map_err(Failure::input)?;
            let sheet = SheetChoice::Name(sheet.clone());
            let spec = match &self.definition {
                None => self.spec_of_sheet(&sheet, table)?,
                Some(definition) => {
                    let of_each = definition.tables.of_each();
                    let (key, columns) =
                        of_each.map(|each| (each.key.clone(), each.columns.clone())).unwrap_or_default();
                    self.spec_by_definition(definition, &TableDefinition { table, key, columns })?
                }
            };
            specs.push(SheetSpec { sheet, optional: false, spec });
        }
        checked(specs)
    }

    fn without_definition(&self) -> Result<ImportRequest, Failure> {
        let Some(sheets) = &self.input.sheets else {
            let spec = self.spec_of_input(self.input.clone())?;
            return Ok(ImportRequest::Table(Box::new(spec)));
        };
        let of_one = |field: &str| {
            Failure::input(format!(
                "{field}: it is of one table, and sheets of several; a definition may say it of each"
            ))
        };
        if self.input.sheet.is_some() {
            return Err(Failure::input("sheet: sheets says which; leave it out"));
        }
        if !self.input.columns.is_empty() {
            return Err(of_one("columns"));
        }
        if self.input.mode == Some(Mode::Upsert) || !self.input.key.is_empty() {
            return Err(of_one("key"));
        }
        let named = match sheets {
            // Whether its tables may be imported into is known once they are.
            SheetTables::Each(_) => return Ok(ImportRequest::EachSheet),
            SheetTables::Named(named) => named,
        };
        if self.input.table.is_some() {
            return Err(Failure::input("table: sheets says the table of each; leave it out"));
        }
        if named.is_empty() {
            return Err(Failure::input("sheets: it names no sheet"));
        }
        let specs = named.iter().map(|(name, table)| {
            let sheet = SheetChoice::Name(name.clone());
            let spec = self.spec_of_sheet(&sheet, table.clone())?;
            Ok(SheetSpec { sheet, optional: false, spec })
        });
        checked(specs.collect::<Result<_, Failure>>()?).map(ImportRequest::Sheets)
    }

    fn by_definition(&self, definition: &Arc<Definition>) -> Result<ImportRequest, Failure> {
        if self.input.sheets.is_some() {
            return Err(said_by(definition, "sheets"));
        }
        match &definition.tables {
            Tables::One(table) => {
                let spec = self.spec_by_definition(definition, table)?;
                Ok(ImportRequest::Table(Box::new(spec)))
            }
            _ if self.input.sheet.is_some() => Err(said_by(definition, "sheet")),
            // All that is wrong with the input is said before the file is read.
            Tables::Each(table) => self.spec_by_definition(definition, table).map(|_| ImportRequest::EachSheet),
            Tables::Sheets(sheets) => {
                let specs = sheets.iter().map(|sheet| {
                    let spec = self.spec_by_definition(definition, &sheet.table)?;
                    Ok(SheetSpec { sheet: sheet.sheet.clone(), optional: sheet.optional, spec })
                });
                specs.collect::<Result<_, Failure>>().map(ImportRequest::Sheets)
            }
        }
    }

    /// An import of one sheet, as if it were the only one.
    fn spec_of_sheet(&self, sheet: &SheetChoice, table: TableName) -> Result<ImportSpec, Failure> {
        let (sheet, table) = (Some(sheet.clone()), Some(table));
        let spec = self.spec_of_input(Input { sheet, table, sheets: None, ..self.input.clone() })?;
        Ok(ImportSpec { again: self.input.accepting_rejected(), ..spec })
    }

    fn spec_of_input(&self, mut input: Input) -> Result<ImportSpec, Failure> {
        let Self { definitions, config, context, .. } = self;
        let again = input.accepting_rejected();
        let missing = || Failure::input("table: it is missing; name a table, or a definition");
        let table = input.table.clone().ok_or_else(missing)?;
        // Otherwise leaving the definition out would get around its "allow", its rules and its modes.
        if definitions.for_table(&table).next().is_some() {
            return Err(belongs_to_definition(&table, definitions, context));
        }
        check_pattern(&table, &config.tables)?;
        let mode = input.mode.unwrap_or_default();
        match (mode, input.key.is_empty()) {
            (Mode::Upsert, true) => {
                Err(Failure::input("key: mode upsert needs the columns that tell rows apart, such as [\"id\"]"))
            }
            (Mode::Replace | Mode::Append, false) => Err(Failure::input("key: only mode upsert has a key")),
            _ => Ok(()),
        }?;
        let options = input.take_options();
        let shared = config.shared_tables.iter().any(|pattern| pattern.matches(&table));
        without_contradiction(ImportSpec {
            file: input.file,
            table,
            mode,
            key: input.key,
            options,
            columns: ColumnSpec::Types(input.columns),
            definition: None,
            owner: context.owner.clone(),
            shared,
            rejected: (!input.accept_rejected).then(|| RejectedLimits::of(config)),
            again,
        })
    }

    fn spec_by_definition(&self, definition: &Definition, table: &TableDefinition) -> Result<ImportSpec, Failure> {
        let mut input = self.input.clone();
        let again = input.accepting_rejected();
        let fixed = |field: &str| said_by(definition, field);
        if input.table.is_some() {
            return Err(fixed("table"));
        }
        if !input.key.is_empty() {
            return Err(fixed("key"));
        }
        if !input.columns.is_empty() {
            return Err(fixed("columns"));
        }
        let mode = input.mode.unwrap_or(definition.mode);
        if mode != definition.mode && !definition.modes.contains(&mode) {
            return Err(fixed("mode"));
        }
        let options = definition.file.or(input.take_options()).map_err(fixed)?;
        let columns = match table.columns.is_empty() {
            true => ColumnSpec::Types(BTreeMap::new()),
            false => ColumnSpec::Declared(table.columns.clone()),
        };
        let limits = RejectedLimits::of(self.config).overridden(definition.rejected);
        without_contradiction(ImportSpec {
            file: input.file,
            table: table.table.clone(),
            mode,
            key: if mode == Mode::Upsert { table.key.clone() } else { Vec::new() },
            options,
            columns,
            definition: Some(definition.name.clone()),
            owner: self.context.owner.clone(),
            shared: false,
            rejected: (!input.accept_rejected).then_some(limits),
            again,
        })
    }
}

/// Refuses more sheets than one import takes, and two that would go into one table.
fn checked(specs: Vec<SheetSpec>) -> Result<Vec<SheetSpec>, Failure> {
    if specs.len() > MAX_SHEETS {
        let has = specs.len();
        return Err(Failure::input(format!("sheets: they are {has}, and one import takes {MAX_SHEETS} at most")));
    }
    let mut known: HashMap<String, &SheetChoice> = HashMap::new();
    for SheetSpec { sheet, spec, .. } in &specs {
        let table = spec.table.as_str();
        if let Some(other) = known.insert(table.to_ascii_lowercase(), sheet) {
            return Err(Failure::input(format!(
                "sheets: {other} and {sheet} would both go into the table {table}; say another table for one of them, \
                 or import them one after the other with mode append"
            )));
        }
    }
    Ok(specs)
}

fn without_contradiction(spec: ImportSpec) -> Result<ImportSpec, Failure> {
    match spec.options.contradiction() {
        Some(reason) => Err(Failure::input(reason)),
        None => Ok(spec),
    }
}

/// Refuses a table that the settings keep from imports without a definition.
fn check_pattern(table: &TableName, patterns: &[TablePattern]) -> Result<(), Failure> {
    if patterns.iter().any(|pattern| pattern.matches(table)) {
        return Ok(());
    }
    let patterns: Vec<_> = patterns.iter().map(TablePattern::as_str).collect();
    let allowed = if patterns.is_empty() { "none".to_owned() } else { patterns.join(", ") };
    let message = format!("imports may not go into the table {}; they may go into: {allowed}", table.as_str());
    Err(Failure::Permanent { reason: "table", message })
}

fn unknown_definition(name: &str, definitions: &Definitions) -> Failure {
    let name: String = name.chars().take(64).collect();
    let names = definitions.names();
    Failure::input(match names.is_empty() {
        true => format!("definition: there is no {name:?}; this worker has no definitions"),
        false => format!("definition: there is no {name:?}; there are: {}", names.join(", ")),
    })
}

/// The field is the definition's to say.
fn said_by(definition: &Definition, field: &str) -> Failure {
    Failure::input(format!("{field}: the definition {} says it; leave it out", definition.name))
}

/// Ends an import that leaves out the definition of its table.
fn belongs_to_definition(table: &TableName, definitions: &Definitions, context: &Context) -> Failure {
    let allowed = definitions.for_table(table).filter(|definition| context.is_allowed(&definition.allow));
    let names: Vec<_> = allowed.map(|definition| definition.name.as_str()).collect();
    match names.as_slice() {
        [] => forbidden(),
        names => Failure::Permanent {
            reason: "table",
            message: format!(
                "the table {} belongs to the definition {}; name that instead of the table",
                table.as_str(),
                names.join(", ")
            ),
        },
    }
}

fn forbidden() -> Failure {
    Failure::Permanent { reason: "forbidden", message: "You may not start this import.".to_owned() }
}
