//! Parameters: bound and never pasted, asked for by a form, and refused by name.

use std::sync::Arc;

use runtime::{Function, catalogue::FieldType};
use serde_json::{Value, json};

use crate::fixture::{Fixture, over_both, permanent_message};

const SALES: &str = "
    CREATE TABLE sales (item text, month text, day date, n integer, price double precision, paid boolean);
    INSERT INTO sales VALUES ('tea', '2026-10', '2026-10-05', 3, 1.5, true);
    INSERT INTO sales VALUES ('jam', '2026-11', '2026-11-22', 7, 2.5, false);";

const EVERY: &str = "
    -- :not_one of them
    SELECT item, ':item' AS literal FROM sales
    WHERE (:item IS NULL OR item = :item) AND month >= :month AND day >= :day AND n >= :n AND price <= :price
      AND paid = :paid /* :nor_this */";

const DECLARED: &str = r#"
title = "Sales"
description = "What was sold"
formats = ["jsonl", "csv"]
allow = ["group:finance", "user:bob"]
parameter = [
  { name = "item", type = "text", hint = "All if empty" },
  { name = "month", type = "month", default = "2026-01", title = "From month" },
  { name = "day", type = "date", default = 2026-01-01 },
  { name = "n", type = "integer", default = 0, choices = [0, 5] },
  { name = "price", type = "number", default = 10 },
  { name = "paid", type = "boolean", required = true },
]"#;

async fn items(fixture: &Fixture, parameters: Value) -> Vec<String> {
    let (mut context, _) = fixture.context();
    context.groups = vec!["finance".to_owned()];
    let input = json!({"report": "sales", "parameters": parameters});
    let done = runtime::testing::run(&fixture.open(), &context, input).await.unwrap();
    let text = String::from_utf8(fixture.get(&done.output).await).unwrap();
    let item = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["literal"], ":item");
        row["item"].as_str().unwrap().to_owned()
    };
    text.lines().map(item).collect()
}

async fn input_error(fixture: &Fixture, input: Value) -> String {
    let (mut context, _) = fixture.context();
    context.owner = "bob".to_owned();
    permanent_message(runtime::testing::run(&fixture.open(), &context, input).await)
}

over_both! {
    async fn every_type_is_bound_as_itself(fixture) {
        fixture.database.execute(SALES).await;
        fixture.define("sales", EVERY, DECLARED);
        assert_eq!(items(fixture, json!({"paid": true})).await, ["tea"]);
        assert_eq!(items(fixture, json!({"paid": false, "item": "jam", "month": "2026-11", "n": 5})).await, ["jam"]);
        assert_eq!(items(fixture, json!({"paid": false, "price": 2.4})).await, [""; 0]);
        assert_eq!(items(fixture, json!({"paid": true, "day": "2026-10-06"})).await, [""; 0]);
    }

    async fn a_value_that_is_sql_is_a_value(fixture) {
        fixture.database.execute(SALES).await;
        fixture.define("sales", EVERY, DECLARED);
        for injection in ["' OR 1=1 --", "'; DROP TABLE sales; --", "$1", "?1", ":item", "\\'; DELETE FROM sales; --"] {
            assert_eq!(items(fixture, json!({"paid": true, "item": injection})).await, [""; 0], "{injection}");
        }
        assert_eq!(fixture.database.count("sales").await, 2);
    }

    async fn a_wrong_value_is_refused_with_the_name_of_its_parameter(fixture) {
        fixture.define("sales", EVERY, DECLARED);
        let with = |parameters: Value| json!({"report": "sales", "parameters": parameters});
        for (input, expected) in [
            (with(json!({})), "parameters.paid (paid): it must be given"),
            (with(json!({"paid": "yes"})), "parameters.paid (paid): \"yes\" is not true or false"),
            (with(json!({"paid": true, "month": "11/2026"})), "parameters.month (From month): \"11/2026\" is not a month; write it like 2026-11"),
            (with(json!({"paid": true, "day": "2026-02-30"})), "parameters.day (day): \"2026-02-30\" is not a day"),
            (with(json!({"paid": true, "n": 7})), "parameters.n (n): 7 is none of its choices: 0, 5"),
            (with(json!({"paid": true, "colour": 1})), "parameters.colour: the report sales has no such parameter; it has item, month, day"),
            (json!({"report": "sales", "format": "xlsx", "parameters": {"paid": true}}), "format: the report sales is not made as xlsx, but as jsonl, csv"),
            (json!({"report": "sales", "format": "docx"}), "input.format: \"docx\" is none of \"csv\", "),
            (json!({"report": "../sales"}), "there is no report \"../sales\""),
            (json!({"report": "sales", "parameter": {}}), "unknown field `parameter`"),
        ] {
            let message = input_error(fixture, input).await;
            assert!(message.contains(expected), "{message}");
        }
        fixture.wait_for_files(0).await;
    }
}

#[tokio::test]
async fn a_report_is_offered_as_a_form_and_made_for_those_alone_who_may_have_it() {
    let fixture = Fixture::new(crate::database::Database::sqlite());
    fixture.database.execute(SALES).await;
    fixture.define("sales", EVERY, DECLARED);
    let reports = Arc::new(fixture.open());
    let offers = reports.offers();
    let [offer] = &offers[..] else { panic!("{offers:?}") };
    assert_eq!((offer.name.as_str(), offer.title.as_str()), ("sales", "Sales"));
    assert_eq!(offer.allow, ["group:finance", "user:bob"]);
    assert_eq!(json!(offer.input), json!({"report": "sales"}));
    let fields: Vec<_> = offer.fields.iter().map(|field| (field.path.as_str(), field.field_type)).collect();
    assert_eq!(
        fields,
        [
            ("parameters.item", FieldType::Text),
            ("parameters.month", FieldType::Month),
            ("parameters.day", FieldType::Date),
            ("parameters.n", FieldType::Integer),
            ("parameters.price", FieldType::Number),
            ("parameters.paid", FieldType::Boolean),
            ("format", FieldType::Text),
        ]
    );
    assert_eq!((&offer.fields[1].title, &offer.fields[0].hint), (&"From month".to_owned(), &"All if empty".to_owned()));
    assert_eq!(
        (&offer.fields[2].default, &offer.fields[3].choices),
        (&Some(json!("2026-01-01")), &vec![json!(0), json!(5)])
    );
    assert!(offer.fields[5].required && !offer.fields[0].required);
    assert_eq!(
        (&offer.fields[6].default, &offer.fields[6].choices),
        (&Some(json!("jsonl")), &vec![json!("jsonl"), json!("csv")])
    );

    let input = json!({"report": "sales", "parameters": {"paid": true}});
    let message = permanent_message(runtime::testing::run(&*reports, &fixture.context().0, input.clone()).await);
    assert_eq!(message, "report: there is no report \"sales\" that you may have");
    assert!(input_error(&fixture, json!({"report": "sales"})).await.contains("must be given"), "bob may");
}
