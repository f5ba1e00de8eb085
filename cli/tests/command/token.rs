//! `bellwire token`.

use gateway::Key;
use model::Environment;

use crate::running::Folder;

const SETTINGS: &str = r#"
[[environment]]
name = "prod"
hs256_secret = "the secret of prod, which is long enough"
[[environment]]
name = "qa"
hs256_secret = "the secret of qa, which is long enough too"
"#;

#[test]
fn a_token_is_worth_something_in_its_environment_alone() {
    let folder = Folder::with(SETTINGS);
    let output = folder.run(&["token", "--user", "ada", "--environment", "prod", "--groups", "ops,sales"]);
    let token = String::from_utf8(output.stdout).unwrap();
    let token = token.strip_suffix('\n').unwrap();
    let [prod, qa] = ["prod", "qa"].map(|name| name.parse::<Environment>().unwrap());
    let key = Key::hs256(b"the secret of prod, which is long enough", None, None);
    let claims = key.verify(token, &prod).unwrap();
    assert_eq!((claims.sub.as_str(), claims.groups), ("ada", vec!["ops".to_owned(), "sales".to_owned()]));
    assert_eq!(key.verify(token, &qa).unwrap_err().code(), "token-foreign");
    let other = Key::hs256(b"the secret of qa, which is long enough too", None, None);
    assert_eq!(other.verify(token, &prod).unwrap_err().code(), "token-foreign");
}

#[test]
fn a_token_gives_nothing_beyond_listening_unless_it_is_asked_for() {
    let folder = Folder::with(SETTINGS);
    let key = Key::hs256(b"the secret of prod, which is long enough", None, None);
    for (arguments, scope) in [(&[][..], ""), (&["--scope", "tasks publish"], "tasks publish")] {
        let output = folder.run(&[&["token", "--user", "ada", "--environment", "prod"], arguments].concat());
        let token = String::from_utf8(output.stdout).unwrap();
        let claims = key.verify(token.trim_end(), &"prod".parse().unwrap()).unwrap();
        assert_eq!(claims.scope, scope);
        assert!(claims.iat.is_some_and(|issued| issued < claims.exp));
    }
}

#[test]
fn who_names_no_environment_is_told_the_choice() {
    let line = Folder::with(SETTINGS).refusal(&["token", "--user", "ada"]);
    assert!(line.contains("--environment") && line.contains("prod, qa"), "{line}");
}

#[test]
fn a_secret_that_is_too_short_is_named_and_not_shown() {
    let folder = Folder::with("[[environment]]\nname = 'prod'\nhs256_secret = 'hunter2'");
    let line = folder.refusal(&["token", "--user", "ada"]);
    assert!(line.contains("BELLWIRE_ENVIRONMENT__0__HS256_SECRET") && !line.contains("hunter2"), "{line}");
}
