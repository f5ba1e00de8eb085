//! Reads the whole folder of definitions when the worker starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use data_encoding::HEXLOWER;
use runtime::definitions::{Fault, Faults, Folder, Source};
use sha2::{Digest, Sha256};

use super::{
    check::Check,
    named_queries,
    report_definition::ReportDefinition,
    sheet::{ONLY_SHEET, SheetDefinition},
    sql_template::SqlTemplate,
};

/// Letters of a definition's digest: enough to tell its versions apart.
const DIGEST_LETTERS: usize = 12;

/// The setting of the folder.
pub(crate) const SETTING: &str = "reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)";

/// Reads all definitions of a folder, or returns everything that is wrong with them.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, Arc<ReportDefinition>>, Faults> {
    let folder = Folder::open(SETTING, folder, ["toml", "sql"]);
    folder.read(read_definition, |_| Vec::new())
}

pub(crate) fn read_definition([toml, query]: &[Source; 2]) -> Result<Arc<ReportDefinition>, Vec<Fault>> {
    let queries = named_queries::parse(&query.text).map_err(|errors| {
        let fault = |(line, reason)| Fault { file: query.file.clone(), line: Some(line), reason };
        errors.into_iter().map(|error| fault((error.line, error.message))).collect::<Vec<_>>()
    });
    let (mut definition, queries) = match (toml.parse::<ReportDefinition>(), queries) {
        (Ok(definition), Ok(queries)) => (definition, queries),
        (definition, queries) => {
            return Err(definition.err().into_iter().chain(queries.err().into_iter().flatten()).collect());
        }
    };
    definition.name.clone_from(&toml.name);
    definition.digest = digest(toml, query);
    definition.title = definition.title.trim().to_owned();
    for parameter in definition.parameters.iter_mut().filter(|parameter| parameter.title.is_empty()) {
        parameter.title = parameter.name.replace('_', " ");
    }
    let mut check = Check { toml, sql_file: &query.file, faults: Vec::new() };
    check.definition(&mut definition);
    set_queries(&mut definition, queries, &mut check);
    check.parameters_match_queries(&definition);
    if check.faults.is_empty() { Ok(Arc::new(definition)) } else { Err(check.faults) }
}

fn digest(toml: &Source, query: &Source) -> String {
    let mut digest = Sha256::new();
    for text in [&toml.text, &query.text] {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    let mut letters = HEXLOWER.encode(&digest.finalize());
    letters.truncate(DIGEST_LETTERS);
    letters
}

/// Gives each sheet its query, by its name; a report without `[[sheet]]` is one of one query.
fn set_queries(definition: &mut ReportDefinition, queries: Vec<(String, SqlTemplate)>, check: &mut Check<'_>) {
    if definition.sheets.is_empty() {
        let (chart, columns) = (definition.chart.take(), std::mem::take(&mut definition.columns));
        let [(name, sql)] = &mut queries.into_iter().collect::<Vec<_>>()[..] else {
            check.fault(&[], format!("{} has several queries: each needs a [[sheet]]", check.sql_file));
            return;
        };
        let (name, sql) = (std::mem::take(name), std::mem::take(sql));
        definition.sheets = vec![SheetDefinition { name, title: ONLY_SHEET.to_owned(), chart, columns, sql }];
        return;
    }
    for (name, sql) in queries {
        match definition.sheets.iter_mut().find(|sheet| sheet.name == name) {
            Some(sheet) => sheet.sql = sql,
            None if name.is_empty() => {
                check.fault(&["sheet".into()], format!("a line \"-- name: …\" names each query of {}", check.sql_file));
                return;
            }
            None => check.sql_fault(sql.lines_before + 1, format!("no [[sheet]] has the name {name:?}")),
        }
    }
    for (index, sheet) in definition.sheets.iter().enumerate() {
        if sheet.sql == SqlTemplate::default() {
            let path = ["sheet".into(), index.into(), "name".into()];
            check.fault(&path, format!("{} has no query \"-- name: {}\"", check.sql_file, sheet.name));
        }
    }
}
