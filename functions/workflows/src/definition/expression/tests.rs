use serde_json::json;

use super::{operands::Operator, *};

fn scope() -> Scope {
    let steps = json!({ "load": { "output": { "rows": [1, 2], "ok": true } } });
    Scope::default().with("input", json!({ "n": 3, "name": "Ada" })).with("steps", steps)
}

#[test]
fn one_reference_keeps_its_type_and_text_around_it_makes_a_text() {
    for (template, expected) in [
        (json!("{{ input.n }}"), json!(3)),
        (json!(" {{ input.n + 1 }} "), json!(4)),
        (json!("{{ steps.load.output }}"), json!({ "rows": [1, 2], "ok": true })),
        (json!("n is {{ input.n }}"), json!("n is 3")),
        (json!("{{ input.n }}{{ input.n }}"), json!("33")),
        (json!({ "a": ["{{ input.name }}", 7, null] }), json!({ "a": ["Ada", 7, null] })),
        (json!("{{ '}}' }}"), json!("}}")),
        (json!("no reference"), json!("no reference")),
        (json!("<b>{{ '<' }}</b>"), json!("<b><</b>")),
    ] {
        assert_eq!(interpolate(&template, &scope()).unwrap(), expected, "{template}");
    }
}

#[test]
fn what_is_not_there_is_named_and_nothing_is_made_of_it() {
    for (text, names) in [
        ("{{ input.nn }}", "input.nn"),
        ("{{ steps.load.output.row.x }}", "steps.load.output.row"),
        ("n is {{ nothing }}", "not there"),
        ("{{ 1 / 0 }}", "1 / 0"),
        ("{{ input.", "syntax error"),
        ("{% include 'x' %}", "syntax error"),
    ] {
        let error = interpolate(&json!({ "file": text }), &scope()).unwrap_err();
        assert!(error.starts_with("file: ") && error.contains(names), "{text}: {error}");
    }
}

#[test]
fn what_never_ends_or_grows_without_end_is_stopped() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(render(endless, &scope()).unwrap_err().contains("too many steps"));
    let long = format!("{{% for a in range(100) %}}{}{{% endfor %}}", "x".repeat(1000));
    assert!(render(&long, &scope()).unwrap_err().contains("longer than"));
    assert!(interpolate(&json!("{{ 'x' * 9999999999 }}"), &scope()).is_err());
    // What it has in memory is one list; as JSON it would have gigabytes.
    for huge in ["{{ [input.name] * 99999999 }}", "{{ [[input] * 9999] * 9999 }}"] {
        assert!(interpolate(&json!(huge), &scope()).unwrap_err().contains("more than 1048576 bytes"), "{huge}");
    }
    assert!(evaluate_list("[[input] * 999999] * 9", &scope(), 9).unwrap_err().contains("more than 8388608 bytes"));
}

#[test]
fn an_expression_that_would_nest_too_deep_is_refused_and_the_longest_is_evaluated() {
    let sum = |terms: usize| format!("{{{{ 1{} }}}}", "+1".repeat(terms));
    assert_eq!(interpolate(&json!(sum(1000)), &scope()).unwrap(), json!(1001));
    assert!(references_in_text(&sum(1000)).is_ok());
    let error = references_in_text(&sum(100_000)).unwrap_err();
    assert!(error.contains("200003 bytes; 2048 are allowed"), "{error}");
    let quoted = format!("{{{{ '}}}}' ~ 1{} }}}}", "+1".repeat(100_000));
    assert!(references_in_text(&quoted).unwrap_err().contains("2048 are allowed"));
    assert!(references(&"not ".repeat(100_000)).unwrap_err().contains("2048 are allowed"));
    let long = format!("{{{{ input.n }}}}{}", "x".repeat(100_000));
    assert_eq!(references_in_text(&long).unwrap().len(), 1, "a text may be long");
}

#[test]
fn a_list_of_too_many_is_refused_with_their_number() {
    let scope = scope();
    assert_eq!(evaluate_list("range(3)", &scope, 3).unwrap(), [json!(0), json!(1), json!(2)]);
    assert_eq!(evaluate_list("{{ steps.load.output.rows }}", &scope, 3).unwrap(), [json!(1), json!(2)]);
    assert!(evaluate_list("range(100000)", &scope, 1000).unwrap_err().contains("100000 items; 1000 are allowed"));
    for none in ["input.n", "input.name", "input"] {
        assert!(evaluate_list(none, &scope, 9).unwrap_err().contains("not a list"), "{none}");
    }
}

#[test]
fn what_one_person_fills_in_is_one_short_line_of_what_another_reads() {
    let scope = Scope::default().with("input", json!({ "a": "x\r\n\u{202e}y\u{2028}z", "long": "n".repeat(900) }));
    assert_eq!(render_for_people("Load\n{{ input.a }}?", &scope).unwrap(), "Load\nx  y z?");
    assert_eq!(render_for_people("{{ input.long }}?", &scope).unwrap(), format!("{}…?", "n".repeat(200)));
    assert!(render_for_people("{{ input.none }}?", &scope).unwrap_err().contains("not there"));
}

#[test]
fn references_are_listed_without_evaluation() {
    let found = references_in_text("{{ steps.load.output.rows }} of {{ input.n }}").unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["input.n", "steps.load.output.rows"]);
    assert!(references("input.n >").is_err());
    assert!(is_true("input.n > 2 and steps.load.output.ok", &scope()).unwrap());
}

/// A value of each type.
fn values() -> [(Type, Value); 6] {
    [
        (Type::Null, json!(null)),
        (Type::Boolean, json!(true)),
        (Type::Number, json!(1)),
        (Type::Text, json!("1")),
        (Type::List, json!([1, "1"])),
        (Type::Object, json!({ "1": 1 })),
    ]
}

/// The answer of an operator for each pair of types, in the order of [`values`]; `!` where it is refused.
fn answers(operator: Operator) -> [&'static str; 6] {
    // Of the types null, boolean, number, text, list, object.
    match operator {
        Operator::Equal => ["tfffff", "ft!!!!", "f!t!!!", "f!!t!!", "f!!!t!", "f!!!!t"],
        Operator::NotEqual => ["fttttt", "tf!!!!", "t!f!!!", "t!!f!!", "t!!!f!", "t!!!!f"],
        Operator::Less | Operator::Greater => ["!!!!!!", "!!!!!!", "!!f!!!", "!!!f!!", "!!!!!!", "!!!!!!"],
        Operator::LessOrEqual | Operator::GreaterOrEqual => {
            ["!!!!!!", "!!!!!!", "!!t!!!", "!!!t!!", "!!!!!!", "!!!!!!"]
        }
        // The list has a number and a text, so all but null is unlike one of its entries.
        Operator::In => ["!!!!f!", "!!!!!!", "!!!!!!", "!!!t!t", "!!!!!!", "!!!!!!"],
        Operator::Add => ["!!!!!!", "!!!!!!", "!!v!!!", "!!!v!!", "!!!!v!", "!!!!!!"],
        Operator::Multiply => ["!!!!!!", "!!!!!!", "!!vvv!", "!!v!!!", "!!v!!!", "!!!!!!"],
        Operator::Concatenate => ["!!!!!!", "!vvvvv", "!vvvvv", "!vvvvv", "!vvvvv", "!vvvvv"],
        _ => ["!!!!!!", "!!!!!!", "!!v!!!", "!!!!!!", "!!!!!!", "!!!!!!"],
    }
}

#[test]
fn every_operator_answers_for_types_that_are_alike_and_refuses_all_others() {
    for operator in Operator::ALL {
        for ((left_type, left), answers) in values().iter().zip(answers(operator)) {
            for ((right_type, right), expected) in values().iter().zip(answers.chars()) {
                let scope = Scope::default().with("input", json!({ "a": left, "b": right }));
                let expression = format!("input.a {} input.b", operator.sign());
                let found = value_of(&expression, &scope);
                let answer = match &found {
                    Ok(Value::Bool(true)) => 't',
                    Ok(Value::Bool(false)) => 'f',
                    Ok(_) => 'v',
                    Err(_) => '!',
                };
                assert_eq!(answer, expected, "{left} {} {right}: {found:?}", operator.sign());
                let names = found.err().is_none_or(|error| error.starts_with(&expression));
                assert!(names, "{expression} is not named");
                // What the types alone tell is told before there is a value.
                let declared =
                    |path: &[&str]| if path == ["input", "a"] { Some(*left_type) } else { Some(*right_type) };
                let misfits = misfits(&expression, &declared);
                let by_values = operator == Operator::In && *right_type == Type::List;
                assert_eq!(!misfits.is_empty(), expected == '!' && !by_values, "{expression}: {misfits:?}");
            }
        }
    }
}

#[test]
fn what_compares_under_another_name_refuses_unlike_types_as_well() {
    let input =
        json!({ "n": 9, "t": "10", "b": true, "no": null, "mixed": [1, "2"], "of": [{ "k": 1 }, { "k": "2" }] });
    let scope = Scope::default().with("input", input);
    for refused in [
        "input.n < input.t",
        "1 < input.n < input.t",
        "1 < input.t < 5",
        "input.n is lt(input.t)",
        "input.b is eq(1)",
        "input.n is in(['9'])",
        "input.mixed | sort",
        "input.mixed | max",
        "input.of | sort(attribute='k')",
        "input.of | min(attribute='k')",
        "input.mixed | select('gt', 0) | list",
        "[input.n] == [input.t]",
        "{'k': input.n} == {'k': input.t}",
        "9 not in input.mixed",
        "input.n == input.no or input.no < 5",
        "'a' ~ input.no",
        "-input.b",
        "true + 1",
        "input.n == '9' and false",
        "false or [[1]] == [['1']]",
        "[1] == ['1']",
        "1 == '1'",
        "1 in ['1']",
    ] {
        let error = value_of(refused, &scope).unwrap_err();
        assert!(
            error.contains("has no order")
                || error.contains(" has ")
                || error.contains("compares")
                || error.contains("stands"),
            "{refused}: {error}"
        );
    }
    for (expression, expected) in [
        ("input.no is none or input.no < 5", json!(true)),
        ("input.no == none", json!(true)),
        ("input.no != 'x'", json!(true)),
        ("1 < input.n < 10 < 11", json!(true)),
        ("1 < input.n < 3 < 11", json!(false)),
        ("9 in [1, none, 9.0]", json!(true)),
        ("none in [1, none]", json!(true)),
        ("'1' in input.t and 'n' in input", json!(true)),
        ("[3, 1, 2] | sort | first", json!(1)),
        ("['b', 'a'] | min", json!("a")),
        ("[] == [1]", json!(false)),
        ("(input.no or 4) + 1", json!(5)),
        ("-input.n if input.b else 'x'", json!(-9)),
        ("[1, 2, 3] | select('ge', 2) | list", json!([2, 3])),
        ("input.of | map(attribute='k') | list", json!([1, "2"])),
    ] {
        assert_eq!(value_of(expression, &scope), Ok(expected), "{expression}");
    }
    let loops = "{% for n in [1, 2, 3] if n > 1 %}{% if n == 3 %}three{% else %}{{ n }} {% endif %}{% endfor %}";
    assert_eq!(render(loops, &scope).unwrap(), "2 three");
    assert!(render("{% for n in [1, '2'] %}{% if n > 1 %}x{% endif %}{% endfor %}", &scope).is_err());
}

#[test]
fn what_has_no_value_is_said_to_have_none_and_never_becomes_a_text() {
    let scope = Scope::default().with("input", json!({ "no": null, "n": 1 }));
    assert_eq!(interpolate(&json!("{{ input.no }}"), &scope), Ok(json!(null)));
    let error = interpolate(&json!({ "name": "report of {{ input.n }} {{ input.no }}" }), &scope).unwrap_err();
    assert!(error.starts_with("name: input.no: it has no value (null)"), "{error}");
    assert_eq!(render_for_people("Load {{ input.no }}?", &scope).unwrap(), "Load (no value)?");
    assert_eq!(render("{{ input.no or 'all' }}!", &scope).unwrap(), "all!");
    for (expression, words) in [("1e308 * 10", "is inf"), ("[1e308 * 10]", "is inf"), ("{'a': -1e308 * 10}", "is -inf")]
    {
        let error = value_of(expression, &scope).unwrap_err();
        assert!(error.contains(words), "{expression}: {error}");
    }
}

#[test]
fn an_error_names_the_part_of_a_text_that_is_wrong() {
    for (text, part) in [
        ("a {{ input.n }} b {{ input.nn }}", "input.nn: it refers to something that is not there"),
        ("{{ input.n }}{{ input.name < 3 }}", "input.name < 3: < has a text on its left and a number on its right"),
        ("{% if input.n > 'x' %}{% endif %}", "input.n > 'x': > has a number on its left and a text on its right"),
        ("{{ input.name | nosuch }} ", "unknown filter"),
    ] {
        let error = render(text, &scope()).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn types_are_followed_through_filters_and_choices() {
    let declared = |path: &[&str]| match path {
        ["input", "n"] => Some(Type::Number),
        ["input", "t"] => Some(Type::Text),
        _ => None,
    };
    for (fits, wrong) in [
        ("input.t | length > 3", "input.n | string > 3"),
        ("input.t | int == input.n", "input.t | upper == input.n"),
        ("(input.t or 'x') == 'x'", "(input.n if input.t else 3) == 'x'"),
        ("input['n'] > 3", "input['t'] > 3"),
        ("input.other > 3", "[input.n > 'a']"),
        ("input.n in [1]", "input.n in input.t"),
        ("input.t | default('x') == 'y'", "input.t | default('x') == 1"),
        ("not input.n", "not input.n == 'a'"),
        ("input.n == none", "input.n < none"),
        ("input.t is eq('a')", "input.t is eq(1)"),
    ] {
        assert_eq!(misfits(fits, &declared), Vec::<String>::new());
        assert_eq!(misfits(wrong, &declared).len(), 1, "{wrong}");
    }
    let found = misfits_in_text("{% if input.n > 'a' %}{{ input.t < 1 }}{% endif %} {{ input.n }}", &declared);
    assert_eq!(found.len(), 2, "{found:?}");
}
