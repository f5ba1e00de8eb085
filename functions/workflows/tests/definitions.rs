//! Definitions with mistakes, each answered with its file and line; and those that ship.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use tempfile::TempDir;
use workflows::Definitions;

fn kinds() -> Vec<model::Kind> {
    ["imports", "reports"].map(|kind| kind.parse().unwrap()).into()
}

fn errors(definitions: &[(&str, &str)]) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    for (name, toml) in definitions {
        std::fs::write(folder.path().join(format!("{name}.toml")), toml).unwrap();
    }
    let told = Definitions::read(folder.path(), &kinds()).map(drop).err().map(|told| told.faults).unwrap_or_default();
    told.iter().map(ToString::to_string).collect()
}

/// The only mistake of one definition.
fn error(toml: &str) -> String {
    let errors = errors(&[("it", toml)]);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.into_iter().next().unwrap()
}

const TWO: &str = "title = 'T'
[[input]]
name = 'file'
type = 'file'
[[step]]
id = 'one'
kind = 'imports'
[[step]]
id = 'two'
kind = 'reports'
needs = ['one']
";

#[test]
fn the_examples_are_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let definitions = Definitions::read(&folder, &kinds()).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = definitions.all().map(|definition| definition.name.clone()).collect();
    assert_eq!(names, ["airports-approved", "airports-later", "weather-by-year"]);
}

#[test]
fn what_the_documentation_shows_is_right() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let of_workflows = read("README.md");
    let of_all = read("../../README.md");
    let examples: Vec<_> = [&of_workflows, &of_all]
        .into_iter()
        .flat_map(|text| text.split("```toml\n").skip(1))
        .filter_map(|rest| rest.split("```").next().filter(|toml| toml.contains("[[step]]")))
        .collect();
    assert_eq!(examples.len(), 2);
    for toml in examples {
        assert_eq!(errors(&[("it", toml)]), Vec::<String>::new(), "{toml}");
    }
}

#[test]
fn a_reference_to_what_is_not_there_is_named_with_its_line() {
    for (more, says) in [
        ("input = { file = '{{ input.fiel }}' }", "it.toml:12: file: there is no [[input]] \"fiel\""),
        ("input = { a = { b = ['{{ steps.tow.output }}'] } }", "it.toml:12: a.b: there is no step \"tow\""),
        ("input = { a = '{{ steps.two.output }}' }", "it.toml:12: a: step \"two\" is not among its needs, or theirs"),
        (
            "[step.input]\na = 1\nb = 'x {{ nothing }}'",
            "it.toml:14: b: \"nothing\" is none of input, steps, item and run",
        ),
        ("when = 'steps.one.rows > 1'", "it.toml:12: step \"two\": when: of a step there are"),
        ("when = 'steps.one.output.rows >'", "it.toml:12: step \"two\": when: syntax error"),
        ("input = { a = '{{ item }}' }", "it.toml:12: a: item is there only in a step with for_each"),
        ("input = { a = '{{ steps }}' }", "it.toml:12: a: write steps.<id>.output"),
        ("input = { day = 2026-11-22 }", "it.toml:12: day: put dates and times into quotes"),
        (
            "compensate = { kind = 'imports', input = { a = '{{ steps.three.output }}' } }",
            "it.toml:12: a: there is no step",
        ),
    ] {
        let found = error(&format!("{TWO}{more}\n"));
        assert!(found.starts_with(says), "{more}\n{found}");
    }
    assert!(
        errors(&[("it", &format!("{TWO}input = {{ a = '{{{{ steps.one.output.x + input.file }}}}' }}\n"))]).is_empty()
    );
}

#[test]
fn what_a_step_must_or_may_not_have_is_named_with_its_line() {
    for (more, says) in [
        ("[[step]]\nid = 'one'\nkind = 'imports'", "it.toml:13: step \"one\": there are two of this id"),
        ("[[step]]\nid = 'a-b'\nkind = 'imports'", "it.toml:13: step \"a-b\": it must be 1 to 64 of a-z, 0-9 and '_'"),
        (
            "[[step]]\nid = 'x'\nkind = 'import'",
            "it.toml:14: step \"x\": kind: there is no \"import\"; there are approval, wait, imports",
        ),
        ("[[step]]\nid = 'x'\nkind = 'workflows'", "it.toml:14: step \"x\": kind: name the other workflow itself"),
        (
            "[[step]]\nid = 'x'\nkind = 'imports'\nneeds = ['one', 'y']",
            "it.toml:15: step \"x\": needs: there is no step \"y\"",
        ),
        ("[[step]]\nid = 'x'\nkind = 'approval'", "it.toml:12: step \"x\": ask: say who is asked"),
        ("[[step]]\nid = 'x'\nkind = 'wait'", "it.toml:12: step \"x\": for: a wait has either"),
        (
            "[[step]]\nid = 'x'\nkind = 'approval'\nask = '{{ input.file }}'",
            "it.toml:15: step \"x\": ask: {{ input.file }} does not say what it is; write user:{{ input.file }} or group:",
        ),
        (
            "[[step]]\nid = 'x'\nkind = 'approval'\nask = 'group:{{ input.fiel }}'",
            "it.toml:15: step \"x\": ask: there is no [[input]] \"fiel\"",
        ),
        (
            "[[step]]\nid = 'x'\nkind = 'approval'\nask = 'ada'",
            "it.toml:15: step \"x\": ask: audience: \"ada\" is none",
        ),
        (
            "[[step]]\nid = 'x'\nkind = 'wait'\nfor = '1s'\nuntil = 'x'",
            "it.toml:15: step \"x\": for: a wait has either",
        ),
        ("[[step]]\nid = 'x'\nkind = 'wait'\nfor = 'soon'", "it.toml:15: \"soon\" is no duration"),
        (
            "[[step]]\nid = 'x'\nkind = 'wait'\nfor = '9999d'",
            "it.toml:15: step \"x\": for: it is more than nothing and at most a year",
        ),
        ("retry = { attempts = 2, most = '1m' }", "it.toml:12: step \"two\": retry.most: it needs first"),
        ("priority = 'urgent'", "it.toml:12: unknown variant `urgent`"),
        (
            "unique = ['owner']",
            "it.toml:12: step \"two\": unique: a run does its steps whatever others do; write it at",
        ),
        ("rate = '5/m'", "it.toml:12: step \"two\": rate: it holds for all jobs alike; write it into"),
        ("delay = '15m'", "it.toml:12: step \"two\": delay: put a step before it that waits: kind = \"wait\""),
        ("retry = { attempts = 0 }", "it.toml:12: step \"two\": retry.attempts: it is 1 to 20"),
        ("ask = 'user:ada'", "it.toml:12: step \"two\": ask: only an approval asks"),
        (
            "compensate = { kind = 'approval' }",
            "it.toml:12: step \"two\": compensate.kind: \"approval\" is no function",
        ),
        ("nedes = ['one']", "it.toml:12: unknown field `nedes`"),
    ] {
        let found = error(&format!("{TWO}{more}\n"));
        assert!(found.starts_with(says), "{more}\n{found}");
    }
}

#[test]
fn what_is_wrong_with_the_head_is_named_with_its_line() {
    let step = "[[step]]\nid = 'one'\nkind = 'imports'\n";
    for (head, says) in [
        ("title = ' '\n", "it.toml:1: title: it has 1 to 180"),
        ("title = 'T'\nallow = ['staff']\n", "it.toml:2: allow: \"staff\" is neither user:ID nor group:NAME"),
        ("title = 'T'\nname = 'x'\n", "it.toml:2: name: a workflow's name is that of its file"),
        (
            "title = 'T'\n[[input]]\nname = 'n'\ntype = 'integer'\ndefault = 'x'\n",
            "it.toml:5: input \"n\": default: \"x\" is not a whole number",
        ),
        ("title = 'T'\n[[input]]\nname = 'N'\n", "it.toml:3: input \"N\": it must be 1 to 64"),
        ("title = 'T'\n[[input]]\nname = 'n'\ntype = 'list'\n", "it.toml:4: unknown variant `list`"),
        ("title = 'T\n", "it.toml:1: "),
    ] {
        let found = error(&format!("{head}{step}"));
        assert!(found.starts_with(says), "{head}\n{found}");
    }
    assert_eq!(error("title = 'T'\n"), "it.toml:1: it has no [[step]]");
    let many: String = (0..101).map(|n| format!("[[step]]\nid = 's{n}'\nkind = 'imports'\n")).collect();
    assert_eq!(error(&format!("title = 'T'\n{many}")), "it.toml:2: it has 101 steps; 100 are allowed");
}

#[test]
fn steps_that_wait_for_each_other_are_named() {
    let toml = "title = 'T'\n[[step]]\nid = 'a'\nkind = 'imports'\nneeds = ['c']\n[[step]]\nid = 'b'\nkind = 'imports'\n\
                needs = ['a']\n[[step]]\nid = 'c'\nkind = 'imports'\nneeds = ['b']\n";
    assert_eq!(error(toml), "it.toml:5: needs: these steps wait for each other: a → c → b → a");
}

#[test]
fn workflows_that_start_each_other_without_end_or_too_deep_are_named() {
    let starts = |other: &str| format!("title = 'T'\n[[step]]\nid = 'a'\nkind = '{other}'\n");
    let found = errors(&[("one", &starts("two")), ("two", &starts("one"))]);
    assert_eq!(found, ["one.toml:4: kind: these workflows start each other without end: one → two → one"]);
    assert!(error(&starts("it")).contains("it → it"));
    let chain: Vec<_> = (0..6)
        .map(|n| (format!("w{n}"), starts(&if n == 5 { "imports".to_owned() } else { format!("w{}", n + 1) })))
        .collect();
    let chain: Vec<_> = chain.iter().map(|(name, toml)| (name.as_str(), toml.as_str())).collect();
    assert_eq!(errors(&chain), ["w0.toml:4: kind: it starts workflows more than 5 deep"]);
    assert!(errors(&chain[1..]).is_empty());
}

#[test]
fn a_file_with_a_name_that_is_none_or_taken_is_named() {
    for name in ["imports", "approval", "workflows", "Upper", "a b"] {
        let found = errors(&[(name, TWO)]);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{name}.toml: ")), "{found:?}");
    }
    assert!(
        Definitions::read(Path::new("/nowhere/at/all"), &kinds()).unwrap_err().to_string().contains("/nowhere/at/all")
    );
}

#[test]
fn what_compares_unlike_types_is_named_before_anything_runs() {
    let inputs = "title = 'T'\n[[input]]\nname = 'n'\ntype = 'integer'\n[[input]]\nname = 't'\n[[input]]\nname = 'day'\ntype = 'date'\n";
    let step = "[[step]]\nid = 'ask'\nkind = 'approval'\nask = 'group:x'\n[[step.field]]\nname = 'size'\ntype = 'number'\n\
                [[step]]\nid = 'two'\nkind = 'imports'\nneeds = ['ask']\n";
    for (more, says) in [
        ("when = 'input.n < input.t'", "when: input.n < input.t: < has a number on its left and a text on its right"),
        ("when = 'input.t == 5'", "when: input.t == 5: == has a text"),
        ("when = 'input.day > 20261129'", "when: input.day > 20261129: > has a text"),
        ("when = 'steps.ask.state == 1'", "when: steps.ask.state == 1: == has a text"),
        ("when = 'steps.ask.answer.size > input.t'", "when: steps.ask.answer.size > input.t: > has a number"),
        ("when = 'steps.ask.output.decision == true'", "when: steps.ask.output.decision == true: == has a text"),
        ("for_each = 'input.n + input.t'", "for_each: input.n + input.t: + has a number"),
    ] {
        let found = error(&format!("{inputs}{step}{more}\n"));
        assert!(found.starts_with(&format!("it.toml:21: step \"two\": {says}")), "{more}\n{found}");
    }
    let found = error(&format!("{inputs}{step}input = {{ a = 'x {{{{ input.t < 1 }}}}' }}\n"));
    assert!(found.starts_with("it.toml:21: a: input.t < 1: < has a text"), "{found}");
    for right in ["input.n == none or input.n < 5", "input.day > '2026-11-29'", "steps.ask.answer.size in [1, 2]"] {
        assert_eq!(errors(&[("it", &format!("{inputs}{step}when = \"{right}\"\n"))]), Vec::<String>::new());
    }
}

#[test]
fn what_is_wrong_with_an_approval_is_named_with_its_line() {
    let head = "title = 'T'\n[[input]]\nname = 'file'\ntype = 'file'\n[[step]]\nid = 'x'\nkind = 'approval'\n";
    for (more, says) in [
        ("ask = 'group:a'\napprovals = 0", "9: step \"x\": approvals: it is 1 to 20"),
        ("ask = 'user:a user:b'\napprovals = 3", "9: step \"x\": approvals: 3 are needed, and ask names only 2"),
        ("ask = 'user:{{ run.owner }}'", "8: step \"x\": ask: it asks whoever started the run alone"),
        ("ask = 'group:a'\nshow = ['file', 'fiel']", "9: step \"x\": show: there is no [[input]] \"fiel\""),
        ("ask = 'group:a'\nfiles = ['a/b']", "9: step \"x\": files: \"a/b\" is no reference"),
        ("ask = 'group:a'\nfiles = ['{{ input.fiel }}']", "9: step \"x\": files: there is no [[input]] \"fiel\""),
        ("ask = 'group:a'\nremind = '31d'", "9: step \"x\": remind: it is before the timeout"),
        (
            "ask = 'group:a'\ntimeout = '1h'\nescalate = { after = '2h', ask = 'group:b' }",
            "10: step \"x\": escalate: it is before",
        ),
        (
            "ask = 'group:a'\nescalate = { after = '2h', ask = 'b' }",
            "9: step \"x\": escalate.ask: audience: \"b\" is none",
        ),
        (
            "ask = 'group:a'\nescalate = { after = '2h', ask = 'group:{{ input.y }}' }",
            "9: step \"x\": escalate: there is no [[input]]",
        ),
        ("ask = 'group:a'\n[[step.field]]\nname = 'A'", "10: step \"x\": field \"A\": it must be 1 to 64"),
        ("ask = 'group:a'\n[[step.field]]\nname = 'a'\ntype = 'file'", "11: step \"x\": field \"a\": a file cannot"),
        (
            "ask = 'group:a'\n[[step.field]]\nname = 'a'\ndefault = 1",
            "11: step \"x\": field \"a\": default: 1 is not a text",
        ),
        (
            "ask = 'group:a'\n[[step.field]]\nname = 'a'\n[[step.field]]\nname = 'a'",
            "12: step \"x\": field \"a\": there are two",
        ),
        (
            "ask = 'group:a'\n[[step]]\nid = 'y'\nkind = 'imports'\nneeds = ['x']\nwhen = 'steps.x.answer.a'",
            "13: step \"y\": when: the step \"x\" asks for no [[step.field]]",
        ),
        (
            "ask = 'group:a'\n[[step.field]]\nname = 'a'\n[[step]]\nid = 'y'\nkind = 'imports'\nneeds = ['x']\nwhen = 'steps.x.answer.b'",
            "15: step \"y\": when: the step \"x\" has no [[step.field]] \"b\"",
        ),
    ] {
        let found = error(&format!("{head}{more}\n"));
        assert!(found.starts_with(&format!("it.toml:{says}")), "{more}\n{found}");
    }
    let found = error(&format!("{TWO}approvals = 2\n"));
    assert!(found.starts_with("it.toml:12: step \"two\": approvals: only an approval has it"), "{found}");
}
