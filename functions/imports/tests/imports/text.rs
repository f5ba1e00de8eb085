//! Encodings, delimiters and names of columns.

use serde_json::json;

use crate::world::{columns, over_both};

over_both! {
    async fn encoding_and_delimiter_are_found_out(world) {
        let utf_16: Vec<u8> = "\u{FEFF}a;b\nKöln;€\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (content, encoding, delimiter) in [
            ("a;b\nKöln;€\n".as_bytes(), "utf-8", ";"),
            (b"\xEF\xBB\xBFa|b\nK\xC3\xB6ln|\xE2\x82\xAC\n", "utf-8", "|"),
            (b"a\tb\nK\xF6ln\t\x80\n", "windows-1252", "tab"),
            (&utf_16, "utf-16le", ";"),
        ] {
            let output = world.import(content).await;
            assert_eq!((&output["encoding"], &output["delimiter"]), (&json!(encoding), &json!(delimiter)));
            assert_eq!(world.rows("SELECT a, b FROM t").await, ["Köln|€"]);
        }
    }

    async fn encoding_and_delimiter_may_be_given(world) {
        let given = json!({"encoding": "latin1", "delimiter": ":"});
        world.import_with("t", b"a:b\ncaf\xC3\xA9,x:1\n", given).await.unwrap();
        assert_eq!(world.rows("SELECT a, b FROM t").await, ["cafÃ©,x|1"]);
    }

    async fn the_first_letter_beyond_ascii_decides_even_far_down(world) {
        let mut content = "name,n\n".as_bytes().to_vec();
        for row in 0..200_000 {
            content.extend_from_slice(format!("plain,{row}\n").as_bytes());
        }
        content.extend_from_slice(b"caf\xE9,-1\n");
        let output = world.import(content).await;
        assert_eq!(output["encoding"], "windows-1252");
        assert_eq!(world.rows("SELECT name FROM t WHERE n = -1").await, ["café"]);
    }

    async fn names_are_kept_where_they_are_good_and_none_is_there_twice(world) {
        let output = world.import("iata,Name,name,,Sepal Length (cm),select,größe\n1,2,3,4,5,6,7\n").await;
        let names = "iata, Name, name_2, column_4, Sepal_Length_cm, select, größe";
        assert_eq!(columns(&output).replace(" integer", ""), names);
        let row = "SELECT iata, name_2, column_4, \"select\", \"größe\" FROM t";
        assert_eq!(world.rows(row).await, ["1|3|4|6|7"]);
    }

    async fn a_header_that_is_sql_is_a_name_like_any_other(world) {
        world.import("a\"); DROP TABLE bellwire_imports; --,b\n1,2\n").await;
        assert_eq!(world.rows("SELECT \"a_DROP_TABLE_bellwire_imports\", b FROM t").await, ["1|2"]);
    }

    async fn line_ends_of_windows_and_empty_lines_are_no_part_of_rows(world) {
        let output = world.import("a,b\r\n\r\n1,x\r\n\r\n2,\r\n").await;
        assert_eq!(columns(&output), "a integer, b text");
        assert_eq!(world.rows("SELECT * FROM t ORDER BY a").await, ["1|x", "2|NULL"]);
    }
}
