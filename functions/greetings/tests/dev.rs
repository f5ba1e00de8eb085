//! Its program's command `dev`: the whole of it with nothing installed.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn curl(arguments: &[&str]) -> String {
    let output =
        Command::new("curl").args(["-sS", "--retry", "20", "--retry-all-errors"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn dev_offers_the_function_on_the_page_and_runs_it_to_its_toast() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let data = format!("{folder}/dev-{}", std::process::id());
    let mut dev = Command::new(env!("CARGO_BIN_EXE_bellwire-greetings"));
    dev.args(["dev", "--port", "0", "--data", &data]).current_dir(folder);
    let mut dev = Running(dev.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(dev.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("http://")).unwrap();
    let address = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    let token = curl(&[&format!("{address}/dev/token?user=ada&env=dev")]);
    let token = token.split_once(r#""token":""#).unwrap().1.split('"').next().unwrap().to_owned();
    let bearer = format!("authorization: Bearer {token}");
    // Its worker writes its form into the catalogue, and a gateway looks there every few seconds.
    let began = Instant::now();
    while !curl(&["-H", &bearer, &format!("{address}/api/functions")]).contains("The name of the person to greet.") {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not offered");
    }
    let mut events = Command::new("curl");
    events.args(["-sSN", "-H", &bearer, &format!("{address}/events")]);
    let mut events = Running(events.stdout(Stdio::piped()).spawn().unwrap());
    let mut heard = BufReader::new(events.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    heard.find(|line| line.starts_with("id:")).unwrap();
    let task = r#"{"kind":"greetings","title":"Hello","input":{"name":"Ada"}}"#;
    let answer = curl(&["-H", &bearer, "--json", task, &format!("{address}/api/tasks")]);
    assert!(answer.contains(r#""state":"queued""#), "{answer}");
    heard.find(|line| line.starts_with("data:") && line.contains("Hello Ada!")).unwrap();
    drop((dev, events));
    std::fs::remove_dir_all(&data).unwrap();
}
