//! Signals, sent to a process of its own: this program again, running one ignored test.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use process::Signals;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
#[ignore = "the process that the other tests start"]
async fn child() {
    let signals = Signals::listen().unwrap();
    println!("\nlistening");
    // Who waits for the next word then hears the end instead.
    timeout(DEADLINE, signals.stop().cancelled()).await.unwrap();
    println!("\nstopping");
    if std::env::var_os("STAYS").is_some() {
        std::future::pending::<()>().await;
    }
}

fn start(stays: bool) -> (Child, impl FnMut(&str)) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    if stays {
        command.env("STAYS", "1");
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let says = move |word: &str| assert!(lines.any(|line| line.unwrap() == word), "the child ended without {word}");
    (child, says)
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Its exit code; a child that does not end is killed and has none.
fn ended(child: Child) -> Option<i32> {
    let id = child.id().to_string();
    let (sender, receiver) = sync_channel(1);
    let waiting = thread::spawn(move || sender.send({ child }.wait().unwrap().code()));
    let code = receiver.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        Command::new("kill").args(["-KILL", &id]).status().unwrap();
        None
    });
    let _ = waiting.join();
    code
}

#[test]
fn the_first_signal_asks_to_stop() {
    for signal in ["-TERM", "-INT"] {
        let (child, mut says) = start(false);
        says("listening");
        send(signal, &child);
        says("stopping");
        assert_eq!(ended(child), Some(0));
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let (child, mut says) = start(true);
    says("listening");
    send("-TERM", &child);
    says("stopping");
    send("-INT", &child);
    assert_eq!(ended(child), Some(130));
}
