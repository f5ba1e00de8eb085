//! `bellwire topology`, `notify` and `tail`, over a broker.

use crate::running::{Folder, Follow};

#[test]
fn what_notify_says_tail_shows_in_its_environment_alone() {
    let url = std::env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make test`, which starts a broker");
    let prefix = format!("t{:08x}", rand::random::<u32>());
    let environments = "[[environment]]\nname = 'prod'\n[[environment]]\nname = 'test'";
    let folder = Folder::with(&format!("{environments}\n[backplane]\nurl = '{url}'\nprefix = '{prefix}'"));
    let run = |arguments: &[&str]| {
        let output = folder.run(arguments);
        assert!(output.status.success(), "{output:?}");
    };
    run(&["topology", "--environment", "prod"]);
    run(&["topology", "--environment", "test", "--kinds", "imports,reports"]);
    run(&["notify", "--environment", "prod", "--user", "ada", "One", "--link", "/reports", "--level", "warning"]);
    run(&["notify", "--everywhere", "Two"]);
    let tail =
        |environment| Follow::start(&mut folder.bellwire(&["tail", "--environment", environment, "--since", "1m"]));
    let mut prod = tail("prod");
    assert!(prod.next().ends_with("prod  user:ada  message  warning: One -> /reports"));
    assert!(prod.next().ends_with("everywhere  environment  message  info: Two"));
    assert!(tail("test").next().ends_with("everywhere  environment  message  info: Two"));
}
