//! `bellwire topology`, `notify`, `tail` and `dev`, over a broker.

use crate::running::{Dev, Folder, Follow};

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

#[test]
fn dev_on_a_broker_runs_everything_over_it_and_says_what_other_workers_need() {
    let url = std::env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make test`, which starts a broker");
    let prefix = format!("backplane.prefix=t{:08x}", rand::random::<u32>());
    let flags = ["--backplane", &url, "--kinds", "elsewhere", "--set", &prefix];
    let dev = Dev::start_in(Folder::with(""), &[], &flags);
    let remark =
        dev.words.lines().find(|line| line.starts_with("Workers of other programs in dev:")).unwrap().to_owned();
    assert!(remark.contains(&prefix["backplane.prefix=".len()..]), "{remark}");
    let pasted: Vec<_> = dev.words.lines().filter(|line| line.starts_with("  ")).collect();
    let [follow, import @ ..] = &pasted[..] else { panic!("{}", dev.words) };
    let mut events = dev.follow(follow);
    events.until("id:");
    dev.paste(&import.join("\n"));
    events.until("event: bellwire.task.succeeded");
    drop(events);
    let folder = dev.stop();
    // The key of other programs' settings is the same again.
    let again = Dev::start_in(folder, &[], &flags);
    assert!(again.words.contains(&remark), "{}", again.words);
    again.stop();
}
