//! `bellwire key`.

use crate::running::Folder;

#[test]
fn the_public_key_of_an_environments_gateways_is_printed_alone_and_is_not_the_secret() {
    let secret = "0123456789abcdef0123456789abcdef";
    let folder = Folder::with(&format!("[[environment]]\nname = 'prod'\nhs256_secret = '{secret}'"));
    let output = folder.run(&["key", "--environment", "prod"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ISk5JxiMfP3dJFSbVgklB3LdSVLF0I0zIZk-RfdYQKI\n");
}

#[test]
fn where_the_secret_is_not_that_is_said() {
    let line = Folder::with("[[environment]]\nname = 'prod'").refusal(&["key"]);
    assert!(line.contains("prod has no key; set hs256_secret or hs256_secret_file"), "{line}");
}
