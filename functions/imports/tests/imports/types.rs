//! Types: found out, given, and widened.

use serde_json::json;

use crate::world::{columns, over_both};

over_both! {
    async fn a_csv_becomes_a_table_of_typed_columns(world) {
        let csv = "id,zip,price,open,day,at,zoned,note\n\
            1,00501,1.50,true,2026-11-22,2026-11-22 05:00:00,2026-11-22T05:00:00Z,\"a, \"\"b\"\"\nc\"\n\
            -2,12345,2,FALSE,,2026-11-22,,\n\
            3,,,,2000-02-29,,,\\N é\n";
        let output = world.import(csv).await;
        assert_eq!(
            columns(&output),
            "id integer, zip text, price number, open boolean, day date, at timestamp, zoned timestamptz, note text"
        );
        assert_eq!((output["rows"].as_u64(), output["bytes"].as_u64()), (Some(3), Some(csv.len() as u64)));
        assert_eq!((output["delimiter"].as_str(), output["encoding"].as_str()), (Some(","), Some("utf-8")));
        assert!(output["seconds"].is_f64() && output.get("rejected").is_none() && output.get("href").is_none());
        assert_eq!(
            world.rows("SELECT id, zip, price, CASE WHEN open THEN 'yes' WHEN NOT open THEN 'no' END, day, note FROM t ORDER BY id").await,
            [
                "-2|12345|2|no|NULL|NULL",
                "1|00501|1.5|yes|2026-11-22|a, \"b\"\nc",
                "3|NULL|NULL|NULL|2000-02-29|\\N é"
            ]
        );
        let later = "SELECT count(*) FROM t WHERE at > '2026-11-22 04:59' AND zoned IS NOT NULL";
        assert_eq!(world.rows(later).await, ["1"]);
    }

    async fn a_value_that_fits_no_longer_widens_its_column_and_loses_nothing(world) {
        let mut csv = "n,zip,when,late,same\n".to_owned();
        // The sample is a mebibyte.
        for row in 0..60_000 {
            csv.push_str(&format!("{row},{},2026-01-01,,{row}\n", 10_000 + row));
        }
        csv.push_str("0.5,00501,2026-01-01 10:00,x,7\n");
        csv.push_str("1,N/A,2026-01-02,,8\n");
        let output = world.import(csv).await;
        assert_eq!(columns(&output), "n number, zip text, when timestamp, late text, same integer");
        assert_eq!(output["rows"], 60_002);
        assert_eq!(world.rows("SELECT zip, late FROM t WHERE same = 7 AND n < 1").await, ["00501|x"]);
        assert_eq!(world.rows("SELECT count(*), max(same) FROM t").await, ["60002|59999"]);
        assert_eq!(world.rows("SELECT zip FROM t WHERE same = 8 AND n = 1").await, ["N/A"]);
    }

    async fn a_given_type_rejects_the_rows_that_do_not_fit_it(world) {
        let csv = "Customer No.,age,note\n1,20,a\n2,old,b\n3,007,c\n";
        let given = json!({"columns": {"age": "integer", "Customer No.": "text"}});
        let done = world.import_with("t", csv, given).await.unwrap();
        assert_eq!(columns(&done.output), "Customer_No text, age integer, note text");
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|20|a"]);
        assert_eq!(
            done.output["rejected"]["first"],
            json!([
                {"line": 3, "reason": "column age: \"old\" is no integer"},
                {"line": 4, "reason": "column age: \"007\" is no integer"}
            ])
        );
    }

    async fn a_number_that_would_lose_digits_stays_text(world) {
        let output = world.import("card,exact\n4111111111111111111111,0.1234567890123456789\n").await;
        assert_eq!(columns(&output), "card text, exact text");
        assert_eq!(world.rows("SELECT * FROM t").await, ["4111111111111111111111|0.1234567890123456789"]);
    }

    async fn whole_numbers_of_64_bits_keep_all_digits(world) {
        world.import("n\n9223372036854775807\n-9223372036854775808\n").await;
        let all = world.rows("SELECT n FROM t ORDER BY n").await;
        assert_eq!(all, ["-9223372036854775808", "9223372036854775807"]);
    }
}
