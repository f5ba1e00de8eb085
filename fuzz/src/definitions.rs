use std::sync::LazyLock;

use model::Kind;
use serde_json::{Value, json};

/// Most bytes that an evaluation may give as text.
const MAX_TEXT: usize = 64 * 1024;

static FUNCTIONS: LazyLock<[Kind; 2]> =
    LazyLock::new(|| ["imports", "reports"].map(|name| name.parse().expect("a name")));

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "file": "01JD/a.csv", "n": 3, "big": u64::MAX, "x": 1.5, "yes": true, "none": null, "list": [3, 1, 2, "a", null],
        "object": { "b": { "c": [[]] }, "é": "ü" }, "text": "a{{ input.n }}b\u{0}\u{202e}", "long": "x".repeat(1000),
    })
});

/// Evaluation ends, is bounded, and says in words what is wrong.
pub fn workflow_expression(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    // Up to a hundred million of anything may be in memory while it is evaluated: whoever writes `*` is an operator.
    if text.contains('*') {
        return;
    }
    let found = workflows::inspect_expression(text, &INPUT);
    assert!(found.text.is_err() || found.text.as_ref().is_ok_and(|text| text.len() <= MAX_TEXT.max(input.len())));
    assert!(found.items.is_err() || found.items.as_ref().is_ok_and(|items| items.len() <= 1000));
    for error in [found.text.err(), found.value.err(), found.items.err(), found.is_true.err()].into_iter().flatten() {
        assert!(!error.is_empty() && error.len() < 4096, "{error}");
    }
}

pub fn expressions() -> Vec<Vec<u8>> {
    let texts = [
        "{{ input.file }}",
        "{{ input.n }} of {{ input.list | length }}",
        "input.n > 2 and input.yes",
        "{{ input.list | sort | map('upper') | join(', ') }}",
        "{% for i in range(100000) %}{{ i }}{% endfor %}",
        "{{ range(1000) | list }}",
        "{{ [input.long, input.long] }}",
        "{{ input.object.b.c[0] is defined }}",
        "{{ input.long | replace('x', input.long) }}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{{ (((((((((((((((input.n))))))))))))))) }}",
        "{{ -input.big // 0 % 3 ~ input.x }}",
        "{{ input.text.format(1) }} {{ dict(a=1) }} {{ debug() }}",
        "{{ input.list[::-1] }} {{ input.text[99:-99:7] }}",
        "{# comment #}{% raw %}{{ x }}{% endraw %}",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// A definition is taken, or each fault names its line.
pub fn workflow(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Err(faults) = workflows::Definitions::read_text(text, &*FUNCTIONS) {
        assert!(!faults.is_empty());
        let lines = text.matches('\n').count() + 1;
        assert!(faults.iter().all(|fault| fault.line.is_none_or(|line| (1..=lines).contains(&line))), "{faults:?}");
    }
}

pub fn workflows() -> Vec<Vec<u8>> {
    let texts = [
        include_str!("../../functions/workflows/examples/airports-approved.toml"),
        include_str!("../../functions/workflows/examples/airports-later.toml"),
        include_str!("../../functions/workflows/examples/weather-by-year.toml"),
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// A definition and its queries, after a line of `---`. A query that was taken is its own text, a semicolon aside.
pub fn report(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (toml, sql) = text.split_once("---\n").unwrap_or((text, "SELECT 1"));
    match reports::inspect_definition(toml, sql) {
        Ok(queries) if !sql.contains("name:") => {
            let query = queries.concat();
            let without_end = || sql.match_indices(';').any(|(at, _)| query == [&sql[..at], &sql[at + 1..]].concat());
            assert!(query == sql || without_end(), "{sql:?} became {query:?}");
        }
        Ok(queries) => {
            let all = sql.replace(';', "");
            assert!(queries.iter().all(|query| all.contains(&query.replace(';', ""))), "{sql:?} became {queries:?}");
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
}

pub fn reports() -> Vec<Vec<u8>> {
    let examples = [
        include_str!("../../functions/reports/examples/airports-by-state.toml"),
        include_str!("../../functions/reports/examples/weather-by-month.toml"),
        include_str!("../../functions/reports/examples/zipcodes-and-airports.toml"),
    ];
    let queries = [
        include_str!("../../functions/reports/examples/airports-by-state.sql"),
        include_str!("../../functions/reports/examples/weather-by-month.sql"),
        include_str!("../../functions/reports/examples/zipcodes-and-airports.sql"),
    ];
    let both = examples.into_iter().zip(queries).map(|(toml, sql)| format!("{toml}---\n{sql}"));
    let tricky = "title = 't'\nformats = ['csv']\n[[parameter]]\nname = 'a'\ntype = 'text'\n---\n\
                  SELECT ':a', \"x:a\", /* :a /* */ ; */ E'\\'', $q$ :a $q$, a::text, :a -- ;\n ; ";
    let sheets = "title = 't'\n[[sheet]]\nname = 'a'\n[[sheet]]\nname = 'b'\ntitle = 'B'\n---\n\
                  -- name: a\nSELECT '\n-- name: c\n';\n-- name: b\nSELECT 2;";
    both.chain([tricky, sheets].map(str::to_owned)).map(String::into_bytes).collect()
}

/// A definition is taken, or its faults are said.
pub fn import(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Err(error) = imports::inspect_definition(text) {
        assert!(error.starts_with("definition.toml"), "{error}");
    }
}

pub fn imports() -> Vec<Vec<u8>> {
    let texts = [
        include_str!("../../functions/imports/examples/airports.toml"),
        include_str!("../../functions/imports/examples/weather.toml"),
        include_str!("../../functions/imports/examples/zipcodes.toml"),
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
