//! Several sheets of a workbook, each into a table of its own: all of them, or none.

use std::time::{Duration, Instant};

use imports::ImportsConfig;
use model::toast::Level;
use runtime::{Failure, testing};
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::time::sleep;

use crate::{
    database::Database,
    world::{World, columns, over_both},
};

/// A workbook of these sheets; a name that begins with a point is that of a hidden one.
fn workbook(sheets: &[(&str, &[&[&str]])]) -> Vec<u8> {
    let mut book = Workbook::new();
    for (name, rows) in sheets {
        let sheet = book.add_worksheet();
        sheet.set_name(name.trim_start_matches('.')).unwrap();
        sheet.set_hidden(name.starts_with('.'));
        for (row, cells) in rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
                match cell.parse::<f64>() {
                    Ok(number) => sheet.write(row, column, number).unwrap(),
                    Err(_) => sheet.write(row, column, *cell).unwrap(),
                };
            }
        }
    }
    book.save_to_buffer().unwrap()
}

const SHOP: &[(&str, &[&[&str]])] = &[
    ("Orders", &[&["id", "sum"], &["1", "2.5"], &["2", "3"]]),
    ("Empty", &[]),
    ("Customers 2026", &[&["id", "name"], &["7", "Ada"]]),
    (".Codes", &[&["code"], &["x"]]),
];

async fn import(world: &World, content: &[u8], mut input: Value) -> Result<Value, String> {
    input["file"] = json!(world.put(content).await);
    match world.run(&world.context().0, input).await {
        Ok(done) => Ok(done.output),
        Err(Failure::Permanent { message, .. }) => Err(message),
        Err(Failure::Refused(refusal)) => Err(refusal.message),
        Err(failure) => panic!("{failure:?}"),
    }
}

over_both! {
    async fn each_sheet_becomes_a_table_of_its_name(world) {
        let done = world.run(&world.context().0, json!({"file": world.put(workbook(SHOP)).await, "sheets": "each"})).await.unwrap();
        let output = done.output;
        assert_eq!((&output["rows"], output["sheets"].as_array().unwrap().len()), (&json!(3), 2));
        let [orders, customers] = [0, 1].map(|at| &output["sheets"][at]);
        assert_eq!((&orders["table"], &orders["sheet"], &orders["rows"]), (&json!("orders"), &json!("Orders"), &json!(2)));
        assert_eq!(columns(orders), "id integer, sum number");
        assert_eq!((&customers["table"], columns(customers)), (&json!("customers_2026"), "id integer, name text".to_owned()));
        assert_eq!(output["notes"], json!(["without the sheets that are empty or hidden: \"Empty\", \"Codes\""]));
        assert_eq!(world.rows("SELECT id, sum FROM orders ORDER BY id").await, ["1|2.5", "2|3"]);
        assert_eq!(world.rows("SELECT * FROM customers_2026").await, ["7|Ada"]);
        assert_eq!((done.toast.level, done.toast.title.as_str()), (Level::Success, "2 tables are imported"));
        assert!(done.toast.body.unwrap().starts_with("orders: 2 rows; customers_2026: 1 row; without the sheets"));
        assert_eq!(world.rows("SELECT table_name FROM bellwire_imports").await, ["orders, customers_2026"]);
        // Named after a beginning, and only one sheet is a list as well.
        let output = import(world, &workbook(&SHOP[..1]), json!({"sheets": "each", "table": "shop"})).await.unwrap();
        assert_eq!((&output["sheets"][0]["table"], &output["rows"]), (&json!("shop_orders"), &json!(2)));
        assert!(world.database.has("shop_orders").await);
    }

    async fn a_second_run_of_the_task_finds_what_the_first_did(world) {
        let input = json!({"file": world.put(workbook(SHOP)).await, "sheets": "each"});
        let (context, _) = world.context();
        let first = world.run(&context, input.clone()).await.unwrap();
        world.database.execute("DROP TABLE orders").await;
        let second = world.run(&world.again(context.task), input).await.unwrap();
        assert_eq!(first.output, second.output);
        assert!(!world.database.has("orders").await, "nothing is imported twice");
    }

    async fn an_input_says_the_table_of_each_sheet(world) {
        let sheets = json!({"Orders": "o", "Codes": "c"});
        let output = import(world, &workbook(SHOP), json!({"sheets": sheets})).await.unwrap();
        let tables: Vec<_> = output["sheets"].as_array().unwrap().iter().map(|sheet| sheet["table"].clone()).collect();
        assert_eq!(tables, [json!("c"), json!("o")]);
        for (mut input, words) in [
            (json!({"sheets": {"Nowhere": "t"}}), "sheet: the workbook has no sheet \"Nowhere\"; it has: Orders, Empty, Customers 2026, Codes"),
            (json!({"sheets": {"Empty": "t"}}), "the sheet \"Empty\": the sheet has no header, only empty cells"),
            (json!({"sheets": {"Orders": "t", "Codes": "T"}}), "sheets: \"Codes\" and \"Orders\" would both go into the table t"),
            (json!({"sheets": {}}), "sheets: it names no sheet"),
            (json!({"sheets": {"Orders": "pg_x"}}), "a table name may not begin with pg_"),
            (json!({"sheets": "all"}), "sheets"),
            (json!({"sheets": "each", "sheet": "Orders"}), "sheet: sheets says which; leave it out"),
            (json!({"sheets": {"Orders": "o"}, "table": "t"}), "table: sheets says the table of each; leave it out"),
            (json!({"sheets": "each", "columns": {"id": "text"}}), "columns: it is of one table"),
            (json!({"sheets": "each", "mode": "upsert", "key": ["id"]}), "key: it is of one table"),
        ] {
            input["file"] = json!(world.put(workbook(SHOP)).await);
            let failure = world.run(&world.context().0, input.clone()).await.unwrap_err().to_string();
            assert!(failure.contains(words), "{input}: {failure}");
        }
        for (csv, words) in [("a,b\n1,2\n", "sheets: the file is no workbook"), ("", "the file is empty")] {
            let told = import(world, csv.as_bytes(), json!({"sheets": "each"})).await.unwrap_err();
            assert!(told.starts_with(words), "{told}");
        }
        let same: &[(&str, &[&[&str]])] = &[("A b", &[&["x"], &["1"]]), ("a-B", &[&["x"], &["1"]])];
        let told = import(world, &workbook(same), json!({"sheets": "each"})).await.unwrap_err();
        assert!(told.starts_with("sheets: \"A b\" and \"a-B\" would both go into the table a_b"), "{told}");
        let told = import(world, &workbook(&[("订单", &[&["x"]])]), json!({"sheets": "each"})).await.unwrap_err();
        assert!(told.contains("gives no table's name"), "{told}");
    }

    async fn all_sheets_are_imported_or_none(world) {
        world.database.execute("CREATE TABLE customers_2026 (id bigint)").await;
        let told = import(world, &workbook(SHOP), json!({"sheets": "each"})).await.unwrap_err();
        assert!(told.starts_with("the table customers_2026 is there already and no import made it"), "{told}");
        assert!(!world.database.has("orders").await);
        world.database.execute("DROP TABLE customers_2026").await;
        // A later sheet whose types do not hold begins all of them anew.
        let many: Vec<String> = (0..6000).map(|number| number.to_string()).collect();
        let mut rows: Vec<&[&str]> = vec![&["n"]];
        let cells: Vec<[&str; 1]> = many.iter().map(|number| [number.as_str()]).collect();
        rows.extend(cells.iter().map(|cell| &cell[..]));
        rows.push(&["text"]);
        let book = workbook(&[SHOP[0], ("Late", &rows)]);
        for _ in 0..2 {
            let output = import(world, &book, json!({"sheets": "each"})).await.unwrap();
            assert_eq!(columns(&output["sheets"][1]), "n text");
            assert_eq!(world.rows("SELECT count(*) FROM orders").await, ["2"]);
            assert_eq!(world.rows("SELECT count(*) FROM late").await, ["6001"]);
        }
        import(world, &book, json!({"sheets": "each", "mode": "append"})).await.unwrap();
        assert_eq!(world.rows("SELECT count(*) FROM orders").await, ["4"]);
    }

    async fn a_definition_says_which_sheets_go_into_which_tables(world) {
        let defined = "title = \"Shop\"\nmode = \"upsert\"\nmodes = [\"replace\"]\n
            [[sheet]]\nname = [\"Sales\", \"Orders\"]\ntable = \"orders\"\nkey = [\"id\"]\n
            [[sheet.column]]\nname = \"id\"\ntype = \"integer\"\nrequired = true\n
            [[sheet.column]]\nname = \"total\"\nfrom = \"sum\"\ntype = \"number\"\nmax = 100\n
            [[sheet]]\nname = \"Returns\"\ntable = \"returns\"\nkey = [\"id\"]\noptional = true\n
            [[sheet]]\nname = 3\ntable = \"customers\"\nkey = [\"id\"]\n";
        let world = world.defining(&[("shop", defined)]);
        for _ in 0..2 {
            let output = import(&world, &workbook(SHOP), json!({"definition": "shop"})).await.unwrap();
            assert_eq!(output["notes"], json!(["the sheet \"Returns\" is not there, or empty"]));
            assert_eq!(columns(&output["sheets"][0]), "id integer, total number");
            assert_eq!((&output["definition"], &output["sheets"][1]["sheet"]), (&json!("shop"), &json!("Customers 2026")));
            assert_eq!(world.rows("SELECT id, total FROM orders ORDER BY id").await, ["1|2.5", "2|3"]);
            assert_eq!(world.rows("SELECT id, name FROM customers").await, ["7|Ada"]);
        }
        let told = world.import_with("customers", "id\n1\n", json!({})).await.unwrap_err().to_string();
        assert!(told.contains("belongs to the definition shop"), "{told}");
        for field in [json!({"sheet": "Orders"}), json!({"sheets": "each"}), json!({"table": "t"})] {
            let mut input = field.clone();
            input["definition"] = json!("shop");
            let told = import(&world, &workbook(SHOP), input).await.unwrap_err();
            assert!(told.ends_with("the definition shop says it; leave it out"), "{told}");
        }
        let told = import(&world, &workbook(&SHOP[1..]), json!({"definition": "shop"})).await.unwrap_err();
        assert!(told.starts_with("sheet: the workbook has no sheet \"Sales\" or \"Orders\""), "{told}");
        let each = world.defining(&[("months", "title = \"Months\"\ntable = \"months\"\nsheets = \"each\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\n")]);
        let output = import(&each, &workbook(SHOP), json!({"definition": "months"})).await.unwrap();
        assert_eq!((&output["sheets"][0]["table"], &output["sheets"][0]["ignored"]), (&json!("months_orders"), &json!(["sum"])));
        let told = each.import_with("months_june", "id\n1\n", json!({})).await.unwrap_err().to_string();
        assert!(told.contains("belongs to the definition months"), "{told}");
    }

    async fn rejected_rows_are_told_for_each_sheet_and_limited_for_each_and_for_all(world) {
        let world = world.with(ImportsConfig { rejected_limit: 3, rejected_share: 0.6, ..ImportsConfig::default() });
        let book = |a: &[&[&str]], b: &[&[&str]]| workbook(&[("A", a), ("B", b)]);
        let defined = |world: &World| {
            let columns = "[[sheet.column]]\nname = \"n\"\ntype = \"integer\"\n";
            let text = format!("title = \"T\"\nmode = \"append\"\n[rejected]\nrows = 3\nshare = 0.6\n[[sheet]]\nname = \"A\"\ntable = \"a\"\n{columns}[[sheet]]\nname = \"B\"\ntable = \"b\"\n{columns}");
            world.defining(&[("t", &text)])
        };
        let world = defined(&world);
        let one = book(&[&["n"], &["1"], &["x"]], &[&["n"], &["y"], &["2"]]);
        let output = import(&world, &one, json!({"definition": "t"})).await.unwrap();
        assert_eq!((&output["rows"], &output["rejected"]["rows"]), (&json!(2), &json!(2)));
        for (sheet, line) in [(0, 3), (1, 2)] {
            let rejected = &output["sheets"][sheet]["rejected"];
            assert_eq!((&rejected["rows"], &rejected["first"][0]["line"]), (&json!(1), &json!(line)));
            assert_eq!(rejected["href"], output["href"]);
        }
        let file = world.get(output["href"].as_str().unwrap()).await;
        assert!(file.starts_with("sheet,line,reason,row\n\"A\",3,"), "{file}");
        assert!(file.contains("\n\"B\",2,\"column n: "), "{file}");
        let bad: &[&[&str]] = &[&["n"], &["1"], &["2"], &["x"], &["y"]];
        for (book, words) in [
            (book(&[&["n"], &["1"]], &[&["n"], &["1"], &["x"], &["y"]]), "the sheet \"B\": 2 of 3 rows do not fit, so nothing was imported"),
            (book(bad, bad), "the sheet \"B\": more than 3 rows of all sheets do not fit"),
            (book(&[&["n"], &["1"]], &[&["n"], &["x"]]), "the sheet \"B\": 1 of 1 rows do not fit"),
        ] {
            let told = import(&world, &book, json!({"definition": "t"})).await.unwrap_err();
            assert!(told.starts_with(words), "{told}");
        }
        assert_eq!(world.rows("SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)").await, ["2"]);
        let output = import(&world, &book(bad, bad), json!({"definition": "t", "accept_rejected": true})).await.unwrap();
        assert_eq!((&output["rows"], &output["rejected"]["rows"]), (&json!(4), &json!(4)));
    }

    async fn the_quota_counts_all_sheets_once(world) {
        let small = ImportsConfig { quota_per_user: 400, tables_per_user: 2, ..ImportsConfig::default() };
        let world = world.with(small);
        for _ in 0..3 {
            import(&world, &workbook(SHOP), json!({"sheets": "each"})).await.unwrap();
        }
        // As if each had been imported alone.
        let counted = "SELECT table_name, bytes FROM bellwire_imported_bytes ORDER BY table_name";
        let together = world.rows(counted).await;
        for (sheet, table) in [("Orders", "orders"), ("Customers 2026", "customers_2026")] {
            import(&world, &workbook(SHOP), json!({"sheet": sheet, "table": table})).await.unwrap();
        }
        assert_eq!(world.rows(counted).await, together);
        // What is replaced later does not count earlier: 35 for each row.
        let rows = |number: usize| {
            let mut rows: Vec<&[&str]> = vec![&["n"]];
            rows.resize(number + 1, &["1"]);
            rows
        };
        for (orders, customers) in [(2, 9), (9, 2)] {
            let book = workbook(&[("Orders", &rows(orders)), ("Customers 2026", &rows(customers))]);
            import(&world, &book, json!({"sheets": "each"})).await.unwrap();
        }
        import(&world, &workbook(SHOP), json!({"sheets": "each"})).await.unwrap();
        let told = import(&world, &workbook(SHOP), json!({"sheets": "each", "table": "more"})).await.unwrap_err();
        assert!(told.contains("imports.tables_per_user"), "{told}");
        let told = import(&world, &workbook(&[("Orders", &rows(8)), ("Customers 2026", &rows(8))]), json!({"sheets": "each"})).await.unwrap_err();
        assert!(told.contains("imports.quota_per_user"), "{told}");
        let mut all = SHOP.to_vec();
        all.push(("Third", &[&["x"], &["1"]]));
        let told = import(&world, &workbook(&all), json!({"sheets": "each"})).await.unwrap_err();
        assert!(told.contains("imports.tables_per_user"), "{told}");
        assert!(!world.database.has("third").await);
    }

    async fn sheets_whose_types_turn_out_late_are_read_again_once_and_not_once_each(world) {
        // More rows than are looked at first.
        let mut rows: Vec<&[&str]> = vec![&["1"]; 5002];
        (rows[0], rows[5001]) = (&["n"], &["x"]);
        let book = workbook(&[("A", &rows), ("B", &rows), ("C", &rows)]);
        let input = json!({"file": world.put(book).await, "sheets": "each"});
        let run = testing::Harness::new().run(&*world.imports, &world.context().0, input).await;
        let output = run.result.unwrap().output;
        for sheet in output["sheets"].as_array().unwrap() {
            assert_eq!((&sheet["rows"], columns(sheet).as_str()), (&json!(5001), "n text"));
        }
        let again = run.log.iter().filter(|line| line.message.contains("reading from the beginning"));
        assert_eq!(again.count(), 1, "{:?}", run.log);
    }

    async fn sheets_with_rows_that_the_database_refuses_are_read_again_once_and_not_once_each(world) {
        let names = ["A", "B", "C", "D"];
        for name in names {
            world.database.execute(&format!("CREATE TABLE own_{name} (n bigint CHECK (n <> 13))")).await;
        }
        let tables = names.map(|name| format!("[[sheet]]\nname = \"{name}\"\ntable = \"own_{}\"\n", name.to_lowercase()));
        let defined = format!("title = \"T\"\nmode = \"append\"\n[rejected]\nshare = 1.0\n{}", tables.concat());
        let world = world.defining(&[("t", &defined)]);
        let rows: &[&[&str]] = &[&["n"], &["1"], &["13"], &["2"]];
        let file = world.put(workbook(&names.map(|name| (name, rows)))).await;
        let input = json!({"file": file, "definition": "t"});
        let run = testing::Harness::new().run(&*world.imports, &world.context().0, input).await;
        let output = run.result.unwrap().output;
        assert_eq!((&output["rows"], &output["rejected"]["rows"]), (&json!(8), &json!(4)));
        let again = run.log.iter().filter(|line| line.message.contains("loading in batches")).count();
        // SQLite refuses a row by itself, and needs no second reading.
        assert_eq!(again, if world.database.is_sqlite() { 0 } else { 1 }, "{:?}", run.log);
    }

    async fn a_table_that_stays_has_its_columns_whatever_sheet_begins_the_load_anew(world) {
        let mut rows: Vec<&[&str]> = vec![&["1"]; 5002];
        (rows[0], rows[5001]) = (&["n"], &["x"]);
        let mut more: Vec<&[&str]> = vec![&["1", "2"]; 5002];
        (more[0], more[5001]) = (&["a", "b"], &["1", "2", "stray"]);
        let book = workbook(&[("A", &rows), ("B", &more)]);
        import(world, &workbook(&[("B", &more[..2])]), json!({"sheets": "each"})).await.unwrap();
        let output = import(world, &book, json!({"sheets": "each", "mode": "append"})).await.unwrap();
        assert_eq!((&output["sheets"][1]["rows"], &output["sheets"][1]["rejected"]["rows"]), (&json!(5000), &json!(1)));
        assert_eq!(world.rows("SELECT count(*) FROM b").await, ["5001"]);
        // And one that no import made.
        for sql in ["DROP TABLE a", "CREATE TABLE own (a bigint, b bigint)"] {
            world.database.execute(sql).await;
        }
        let defined = "title = \"T\"\n[[sheet]]\nname = \"A\"\ntable = \"a\"\n[[sheet]]\nname = \"B\"\ntable = \"own\"\n";
        let world = world.defining(&[("t", defined)]);
        import(&world, &book, json!({"definition": "t"})).await.unwrap();
        assert_eq!(world.rows("SELECT count(*) FROM own").await, ["5000"]);
    }

    async fn a_preview_shows_each_sheet_and_progress_goes_over_all(world) {
        let output = import(world, &workbook(SHOP), json!({"sheets": "each", "preview": true})).await.unwrap();
        let sheets: Vec<_> = output["sheets"].as_array().unwrap().iter().map(|sheet| (sheet["sheet"].clone(), sheet["first_rows"].clone())).collect();
        assert_eq!(sheets, [(json!("Orders"), json!([["1", "2.5"], ["2", "3"]])), (json!("Customers 2026"), json!([["7", "Ada"]]))]);
        assert!(!world.database.has("orders").await);
        let (context, mut progress) = world.context();
        let input = json!({"file": world.put(workbook(SHOP)).await, "sheets": "each"});
        world.run(&context, input).await.unwrap();
        assert!((*progress.borrow_and_update() - 0.99).abs() < 0.35, "{}", *progress.borrow());
    }
}

#[tokio::test]
async fn who_reads_the_first_table_does_not_wait_for_the_second_sheet() {
    let world = World::over(Database::postgres().await);
    import(&world, &workbook(SHOP), json!({"sheets": "each"})).await.unwrap();
    let mut other = world.database.connect().await;
    let mut held = other.begin().await.unwrap();
    held.execute("LOCK TABLE customers_2026 IN EXCLUSIVE MODE").await.unwrap();
    let more: &[(&str, &[&[&str]])] = &[("Orders", &[&["id"], &["9"]]), ("Customers 2026", &[&["id"], &["9"]])];
    let book = workbook(more);
    let importing = import(&world, &book, json!({"sheets": "each"}));
    let reading = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'customers_2026'::regclass AND NOT granted";
        let begun = Instant::now();
        while world.rows(waiting).await != ["1"] {
            assert!(begun.elapsed() < Duration::from_secs(60), "the second table is waited for");
            sleep(Duration::from_millis(5)).await;
        }
        let read = world.rows("SET statement_timeout = '10s'; SELECT count(*) FROM orders").await;
        held.rollback().await.unwrap();
        read
    };
    let (imported, read) = tokio::join!(importing, reading);
    assert_eq!((imported.unwrap()["rows"].clone(), read), (json!(2), vec!["2".to_owned()]));
    assert_eq!(world.rows("SELECT id FROM orders UNION ALL SELECT id FROM customers_2026").await, ["9", "9"]);
    world.database.end().await;
}

#[test]
fn what_is_wrong_with_the_sheets_of_a_definition_is_named_with_its_line() {
    let sheet = "[[sheet]]\nname = \"A\"\ntable = \"a\"\n";
    for (text, line, words) in [
        ("".to_owned(), 1, "table: it is missing; write the table that files go into, or a [[sheet]]"),
        (format!("table = \"t\"\n{sheet}"), 3, "table: with [[sheet]], it is said of each sheet"),
        (
            format!("{sheet}{}", sheet.replace("\"A\"", "\"B\"")),
            5,
            "the sheets \"A\" and \"B\" would both go into the table a",
        ),
        (format!("mode = \"upsert\"\n{sheet}"), 3, "mode upsert needs a key"),
        (format!("{sheet}[file]\nsheet = \"A\"\n"), 2, "file.sheet: it is one sheet, and these are several"),
        (format!("{sheet}[[column]]\nname = \"a\"\ntype = \"text\"\n"), 2, "[[column]]: with [[sheet]]"),
        (format!("{sheet}[[sheet.column]]\nname = \"a b\"\ntype = \"text\"\n"), 6, "\"a b\" is no column name"),
        ("table = \"t\"\nsheets = \"all\"\n".to_owned(), 3, "unknown variant `all`"),
    ] {
        let told = imports::inspect_definition(&format!("title = \"T\"\n{text}")).unwrap_err();
        assert!(told.contains(&format!("definition.toml:{line}:")) && told.contains(words), "{text}\n{told}");
    }
}
