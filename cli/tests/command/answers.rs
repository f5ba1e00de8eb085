//! What cannot be done is answered in one line that names what to mend.

use crate::running::Folder;

fn refusal(settings: &str, arguments: &[&str]) -> String {
    Folder::with(settings).refusal(arguments)
}

#[test]
fn a_missing_address_of_the_broker_names_its_setting() {
    for command in [&["tail"][..], &["notify", "--all", "Hello"], &["topology"], &["jobs", "retry", "--all"]] {
        let line = refusal("[[environment]]\nname = 'prod'", command);
        assert!(line.contains("backplane.url (BELLWIRE_BACKPLANE__URL)"), "{line}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_said_without_its_password() {
    let url = "amqp://ada:hunter2@127.0.0.1:1/%2f";
    let settings = format!("[[environment]]\nname = 'prod'\n[backplane]\nurl = '{url}'");
    for command in [&["notify", "--all", "Hello"][..], &["topology"], &["jobs", "list"]] {
        let line = refusal(&settings, command);
        assert!(line.contains("the broker cannot take it now") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn an_environment_that_is_not_configured_is_a_slip() {
    let settings = "[[environment]]\nname = 'prod'\n[backplane]\nurl = 'amqp://127.0.0.1:1'";
    let line = refusal(settings, &["notify", "--environment", "prdo", "--all", "Hello"]);
    assert!(line.contains("prdo is not among those configured (prod)"), "{line}");
}

#[test]
fn a_link_that_is_a_script_is_refused_before_anything_is_sent() {
    let settings = "[[environment]]\nname = 'prod'\n[backplane]\nurl = 'amqp://127.0.0.1:1'";
    let line = refusal(settings, &["notify", "--all", "Hello", "--link", "javascript:alert(1)"]);
    assert!(line.contains("data.toast.action.href"), "{line}");
}

#[test]
fn a_word_to_nobody_is_answered_with_the_flags_that_name_somebody() {
    let output = Folder::with("").run(&["notify", "Hello"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(words.contains("--user") && words.contains("--everywhere"), "{words}");
}

#[test]
fn memory_is_no_way_between_processes() {
    let line = refusal("[[environment]]\nname = 'prod'\n[backplane]\nurl = 'memory://'", &["tail"]);
    assert!(line.contains("bellwire dev"), "{line}");
}
