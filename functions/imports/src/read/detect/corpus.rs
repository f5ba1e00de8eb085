//! Short tables in many languages: which of them are decided wrongly is listed, and that none is called likely.

use crate::read::{
    charset::Charset,
    detect::{Certainty, detect, detect_utf_16},
};

/// What stands beside numbers in Western tables.
const SIGNS: [&str; 44] = [
    "£5",
    "±1",
    "5 µm",
    "1¼",
    "©",
    "20 °C",
    "§ 12",
    "€ 5",
    "3½",
    "10²",
    "5 m³",
    "£1,200",
    "–5",
    "1 ‰",
    "µg/l",
    "±0.5 µm",
    "½",
    "¾ cup",
    "3 × 4",
    "8 ÷ 2",
    "Foo™",
    "Bar®",
    "“quoted”",
    "it’s",
    "…",
    "• item",
    "¥100",
    "¢5",
    "¬",
    "¶",
    "Ø 5",
    "Ø",
    "¿",
    "¡",
    "«a»",
    "20°",
    "37,5°C",
    "£",
    "1ª",
    "2º",
    "n° 5",
    "50 µl",
    "10–20",
    "³",
];

/// Words of a language, and encodings in which its tables come.
const LANGUAGES: [(&str, &[&str], &str); 22] = [
    (
        "German",
        &["windows-1252", "macintosh", "cp850"],
        "Müller|Größe|Straße|Köln|für Öl und Bäume|schön|Übergröße|Düsseldorf|weiß",
    ),
    (
        "French",
        &["windows-1252", "macintosh", "cp850"],
        "Forêt|élève|Noël|façade|à la carte|très bien|hôtel|déjà vu|garçon",
    ),
    ("Spanish", &["windows-1252", "cp850"], "Año|señor|Málaga|corazón|¿qué?|niño|Cádiz|mañana|ácido"),
    ("Portuguese", &["windows-1252", "cp850"], "São Paulo|coração|ação|informações|não|Conceição|irmã|pão|avó"),
    ("Swedish", &["windows-1252", "cp850"], "Göteborg|Malmö|Åre|smörgås|kött|räksmörgås|fågel|hår|sjö"),
    ("Polish", &["windows-1250", "iso-8859-2"], "Łódź|Kraków|Gdańsk|źrebię|część|ręka|żółw|miłość|święta"),
    ("Czech", &["windows-1250", "iso-8859-2"], "Plzeň|řeka|čaj|žluťoučký kůň|město|Dvořák|Přerov|věž|děti"),
    ("Hungarian", &["windows-1250", "iso-8859-2"], "Győr|őz|űrhajó|árvíztűrő|tükörfúrógép|Szőlő|könyv|erdő|hűtő"),
    ("Romanian", &["windows-1250", "iso-8859-2"], "Bucureşti|ţară|mâine|învăţător|apă|şcoală|Iaşi|România|pâine"),
    ("Turkish", &["windows-1254"], "İstanbul|Şişli|ağaç|çocuk|güneş|ığdır|Diyarbakır|öğrenci|kış"),
    ("Greek", &["windows-1253", "iso-8859-7"], "Αθήνα|Θεσσαλονίκη|καλημέρα|ψωμί|νερό|σπίτι|Πάτρα|ώρα|ημέρα"),
    (
        "Russian",
        &["windows-1251", "koi8-r", "ibm866", "iso-8859-5"],
        "Москва|Санкт-Петербург|привет|вода|хлеб|дом|Казань|город|улица",
    ),
    ("Ukrainian", &["windows-1251", "koi8-u"], "Київ|Львів|їжак|гарний|вулиця|Україна|місто|хліб|ґанок"),
    ("Lithuanian", &["windows-1257"], "Šiauliai|ąžuolas|ėjimas|žmogus|Kaišiadorys|švyturys|ūkis|įmonė|žąsis"),
    ("Japanese", &["shift_jis", "euc-jp"], "東京都|大阪府|名前|カタカナ|ひらがな|株式会社|京都市|北海道|電話番号"),
    ("Chinese", &["gbk"], "北京市|上海|名称|价格|中国人民|数据|广州|深圳市|地址"),
    ("Taiwanese", &["big5"], "台北市|高雄|名稱|價格|臺灣|資料|電話|地址|公司"),
    ("Korean", &["euc-kr"], "서울특별시|부산|이름|가격|대한민국|데이터|주소|전화번호|인천"),
    ("Hebrew", &["windows-1255", "iso-8859-8"], "ירושלים|תל אביב|שלום|מחיר|כתובת|חיפה|ילד|ספר|מים"),
    ("Arabic", &["windows-1256", "iso-8859-6"], "القاهرة|الرياض|السلام|السعر|العنوان|مدينة|كتاب|ماء|بيت"),
    ("Thai", &["windows-874"], "กรุงเทพ|เชียงใหม่|สวัสดี|ราคา|ชื่อ|น้ำ|บ้าน|ที่อยู่|ประเทศ"),
    ("English", &["windows-1252"], "café|naïve|10 °C|£5|résumé|±1|Zoë|5 µm|fiancée"),
];

/// How many tables of 1, 2, 3, 5 and 9 words are decided wrongly; of those that are not here, none.
const WRONG: &str = "
German macintosh [6, 1, 0, 0, 0]
German cp850 [8, 3, 1, 0, 0]
French macintosh [8, 4, 1, 0, 0]
French cp850 [8, 5, 2, 0, 0]
Spanish windows-1252 [0, 1, 0, 0, 0]
Spanish cp850 [9, 0, 0, 0, 0]
Portuguese windows-1252 [0, 1, 0, 0, 0]
Portuguese cp850 [9, 3, 2, 0, 0]
Swedish cp850 [9, 7, 4, 2, 0]
Polish windows-1250 [6, 1, 0, 0, 0]
Polish iso-8859-2 [6, 1, 0, 0, 0]
Czech windows-1250 [8, 3, 1, 0, 0]
Czech iso-8859-2 [8, 3, 1, 0, 0]
Hungarian windows-1250 [7, 5, 4, 3, 1]
Hungarian iso-8859-2 [7, 5, 4, 3, 1]
Romanian windows-1250 [4, 0, 0, 0, 0]
Romanian iso-8859-2 [4, 0, 0, 0, 0]
Turkish windows-1254 [8, 2, 1, 0, 0]
Greek windows-1253 [3, 1, 0, 0, 0]
Greek iso-8859-7 [3, 1, 0, 0, 0]
Russian windows-1251 [3, 0, 0, 0, 0]
Russian koi8-r [2, 1, 0, 0, 0]
Russian ibm866 [2, 0, 0, 0, 0]
Russian iso-8859-5 [1, 0, 0, 0, 0]
Ukrainian windows-1251 [3, 1, 0, 0, 0]
Ukrainian koi8-u [3, 0, 0, 0, 0]
Lithuanian windows-1257 [9, 4, 3, 0, 0]
Japanese euc-jp [2, 0, 0, 0, 0]
Chinese gbk [3, 0, 0, 0, 0]
Taiwanese big5 [1, 0, 0, 0, 0]
Korean euc-kr [2, 0, 0, 0, 0]
Hebrew windows-1255 [2, 0, 0, 0, 0]
Hebrew iso-8859-8 [2, 0, 0, 0, 0]
Arabic windows-1256 [2, 1, 0, 0, 0]
Arabic iso-8859-6 [3, 2, 1, 0, 0]
Thai windows-874 [5, 2, 1, 0, 0]
";

fn table(words: &[&str]) -> String {
    let row = |(at, word): (usize, &&str)| format!("{at},{word},{}.5\n", at * 3);
    format!("id,name,price\n{}", words.iter().enumerate().map(row).collect::<String>())
}

/// The tables of so many words that stand side by side, where they are not all ASCII.
fn tables<'a>(words: &'a [&'a str], count: usize) -> impl Iterator<Item = String> + 'a {
    words.windows(count).map(table).filter(|table| !table.is_ascii())
}

#[test]
fn signs_beside_numbers_are_windows_1252() {
    for count in 1..8 {
        for table in tables(&SIGNS, count) {
            let found = detect(&Charset::WINDOWS_1252.encode(&table));
            assert_eq!(found.charset, Charset::WINDOWS_1252, "{table}");
        }
    }
}

#[test]
fn words_of_many_languages_are_decided_as_listed_and_none_is_called_likely_wrongly() {
    let mut wrong = String::new();
    for (language, encodings, words) in LANGUAGES {
        let words: Vec<_> = words.split('|').collect();
        for encoding in encodings {
            let charset = Charset::for_label(encoding).unwrap();
            let counts = [1, 2, 3, 5, 9].map(|count| {
                let decided = tables(&words, count).map(|table| {
                    let bytes = charset.encode(&table);
                    assert_eq!(charset.decode(&bytes), table);
                    let found = detect(&bytes);
                    let is_right = found.charset.decode(&bytes) == table;
                    let name = found.charset.name();
                    assert!(is_right || found.certainty == Certainty::Guess, "{encoding} became {name}: {table}");
                    is_right
                });
                decided.filter(|is_right| !is_right).count()
            });
            if counts != [0; 5] {
                wrong.push_str(&format!("{language} {encoding} {counts:?}\n"));
            }
        }
    }
    assert_eq!(wrong.trim(), WRONG.trim(), "\n{wrong}");
}

#[test]
fn many_words_make_it_likely() {
    for (language, encodings, words) in LANGUAGES.iter().filter(|(language, ..)| *language != "Hungarian") {
        let words: Vec<_> = words.split('|').collect();
        let bytes = Charset::for_label(encodings[0]).unwrap().encode(&table(&words));
        assert_eq!(detect(&bytes).certainty, Certainty::Likely, "{language}");
    }
}

#[test]
fn one_stray_byte_does_not_make_a_utf_8_file_another() {
    assert_eq!(detect("é à ü ÿ".as_bytes()).certainty, Certainty::Certain);
    for (times, certainty) in [(2, Certainty::Guess), (5, Certainty::Likely)] {
        let stray = detect(&[b"\xC3\xA9 ".repeat(times), b"\xE9 x".to_vec()].concat());
        assert_eq!((stray.charset, stray.certainty), (Charset::UTF_8, certainty));
    }
    assert_eq!(detect(b"x \xC3").charset, Charset::UTF_8, "the last character is cut");
}

#[test]
fn utf_16_needs_no_byte_order_mark() {
    for text in ["id,name\r\n1,é\r\n", "1,中国人民\n2,北京市\n", "\u{1E}{\"a\":1}\n"] {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(detect_utf_16(&little).unwrap().name(), "UTF-16LE", "{text}");
        assert_eq!(detect_utf_16(&big).unwrap().name(), "UTF-16BE", "{text}");
        assert_eq!(detect_utf_16(&little[..little.len() - 1]).unwrap().name(), "UTF-16LE", "it may be cut");
    }
    for text in [&b"a\0b,c\n1,2\n"[..], b"id\0,b\n", b"a,b\n1,2\n", b"a\0\0,b\n1,2\n", b"a,\0\n\n1,\0\n", b"x\0"] {
        assert_eq!(detect_utf_16(text), None, "{}", String::from_utf8_lossy(text));
    }
}
