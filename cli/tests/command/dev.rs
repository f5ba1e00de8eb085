//! `bellwire dev`.

use crate::running::Dev;

#[test]
fn the_lines_that_dev_prints_import_a_file_and_show_its_end() {
    let dev = Dev::start();
    let pasted: Vec<_> = dev.words.lines().filter(|line| line.starts_with("  ")).collect();
    let [follow, import @ ..] = &pasted[..] else { panic!("{}", dev.words) };
    let mut heard = dev.follow(follow);
    heard.until("id:");
    let answer = dev.paste(&import.join("\n"));
    assert!(answer.contains(r#""state":"queued""#), "{answer}");
    heard.until("event: bellwire.task.succeeded");
    let end = heard.until("data:");
    assert!(end.contains(r#""rows":8"#) && end.contains(r#""toast":"#), "{end}");
    assert!(dev.folder.0.path().join("data/bellwire.db").exists());
    dev.stop();
}
