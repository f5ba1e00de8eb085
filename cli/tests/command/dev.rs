//! `bellwire dev`.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::running::{Dev, Folder};

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

const SECRET_REPORT: &str = "The payroll of everybody";

/// A folder as a deployment has it: a settings file that names its reports.
fn deployment() -> Folder {
    let folder = Folder::with("[reports]\ndefinitions = 'reports'\n[gateway]\norigins = 'https://evil.example'\n");
    let reports = folder.0.path().join("reports");
    fs::create_dir(&reports).unwrap();
    fs::write(reports.join("payroll.sql"), "SELECT 1 AS one").unwrap();
    fs::write(reports.join("payroll.toml"), format!("title = '{SECRET_REPORT}'\nformats = ['csv']")).unwrap();
    folder
}

/// What ada may start.
fn functions(dev: &Dev) -> String {
    let token = dev.answer("GET /dev/token?user=ada&env=dev HTTP/1.1", &["host: localhost"]);
    let token = token.split_once(r#""token":""#).unwrap().1.split('"').next().unwrap().to_owned();
    let answer =
        dev.answer("GET /api/functions HTTP/1.1", &["host: localhost", &format!("authorization: Bearer {token}")]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn dev_uses_nothing_of_a_deployment_on_the_same_machine_and_says_so() {
    let variables = [("BELLWIRE_REPORTS__DEFINITIONS", "reports")];
    let dev = Dev::start_in(deployment(), &variables, &[]);
    assert!(!functions(&dev).contains(SECRET_REPORT));
    let line = dev.words.lines().find(|line| line.starts_with("here and not used: ")).expect(&dev.words);
    assert!(line.contains("bellwire.toml (--config bellwire.toml to use it)"), "{line}");
    assert!(line.contains("BELLWIRE_REPORTS__DEFINITIONS (--set to set it)"), "{line}");
    dev.stop();
}

#[test]
fn dev_uses_a_settings_file_that_it_is_told_by_flag() {
    let dev = Dev::start_in(deployment(), &[], &["--config", "bellwire.toml"]);
    // Its worker writes into the catalogue what it offers, and a gateway looks there every few seconds.
    let began = Instant::now();
    while !functions(&dev).contains(SECRET_REPORT) {
        assert!(began.elapsed() < Duration::from_secs(15), "the report is not offered");
    }
    assert!(!dev.words.contains("not used"), "{}", dev.words);
    dev.stop();
}

#[test]
fn dev_answers_no_name_but_localhost_on_any_route() {
    let dev = Dev::start();
    let port = dev.address().split_once(':').unwrap().1;
    let routes = [
        "GET / HTTP/1.1",
        "GET /client/bellwire.js HTTP/1.1",
        "GET /dev/token?user=ada&env=dev HTTP/1.1",
        "GET /events HTTP/1.1",
        "GET /hub HTTP/1.1",
        "POST /hub/negotiate HTTP/1.1",
        "GET /api/openapi.json HTTP/1.1",
        "GET /nothing HTTP/1.1",
        "OPTIONS /api/tasks HTTP/1.1",
    ];
    let upgrade = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: AAAA"];
    for route in routes {
        for host in [&format!("host: evil.example:{port}"), "host: localhost.evil.example", "host: 10.0.0.7"] {
            let answer = dev.answer(route, &[&[host], &upgrade[..]].concat());
            assert!(answer.starts_with("HTTP/1.1 421") && answer.contains("host-refused"), "{route}, {host}: {answer}");
            assert!(answer.contains("localhost"), "it says what it answers: {answer}");
        }
        for host in [&format!("host: localhost:{port}"), "host: 127.0.0.1", "host: [::1]:80"] {
            assert!(!dev.answer(route, &[host]).starts_with("HTTP/1.1 421"), "{route}, {host}");
        }
    }
    let token = "GET /dev/token?user=ada&env=dev HTTP/1.";
    for (request, headers) in [
        (format!("{token}0"), &[][..]),
        (format!("{token}1"), &["host: localhost", "host: evil.example"]),
        (format!("{token}1"), &["host: evil.example", "x-forwarded-host: localhost"]),
        (format!("GET http://evil.example{}1", &token[4..]), &["host: localhost"]),
    ] {
        let answer = dev.answer(&request, headers);
        assert!(answer.starts_with("HTTP/1.") && !answer.contains(r#""token":"#), "{request}: {answer}");
        assert!(answer[9..].starts_with("4"), "{request}: {answer}");
    }
    dev.stop();
}

#[test]
fn no_page_of_another_site_gets_a_token_from_dev() {
    let dev = Dev::start_in(deployment(), &[], &["--config", "bellwire.toml"]);
    let port = dev.address().split_once(':').unwrap().1;
    let host = format!("host: localhost:{port}");
    let own = format!("origin: http://localhost:{port}");
    let ask = |headers: &[&str]| {
        dev.answer("GET /dev/token?user=ada&env=dev HTTP/1.1", &[&[host.as_str()], headers].concat()).to_lowercase()
    };
    for good in [&[][..], &[own.as_str()], &["sec-fetch-site: same-origin"], &["sec-fetch-site: none"]] {
        let answer = ask(good);
        assert!(answer.starts_with("http/1.1 200"), "{good:?}: {answer}");
        assert!(answer.contains("cross-origin-resource-policy: same-origin"), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    for bad in [
        &["origin: https://evil.example"][..],
        &["origin: null"],
        &["origin: http://localhost:1"],
        &["origin: http://127.0.0.1:8080"],
        &["sec-fetch-site: cross-site"],
        &["sec-fetch-site: same-site"],
        &["sec-fetch-site: same-origin", "sec-fetch-site: cross-site"],
        &["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"],
        &["sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", "sec-fetch-dest: script"],
        &[own.as_str(), "sec-fetch-site: cross-site"],
    ] {
        let answer = ask(bad);
        assert!(answer.starts_with("http/1.1 403") && answer.contains("origin-refused"), "{bad:?}: {answer}");
        assert!(!answer.contains("access-control"), "{bad:?}: {answer}");
    }
    // Of the pages that the file lists, too.
    let preflight = ["origin: https://evil.example", "access-control-request-method: GET", &host];
    let answer = dev.answer("OPTIONS /dev/token HTTP/1.1", &preflight).to_lowercase();
    assert!(!answer.contains("access-control"), "{answer}");
    dev.stop();
}

#[test]
fn dev_does_not_listen_beyond_loopback_unless_it_is_told_by_a_second_flag() {
    // Its folder cannot be made, so that it ends in any case.
    let beyond = ["dev", "--set", "gateway.listen=0.0.0.0:0", "--data", "/dev/null/data"];
    let line = Folder::with("").refusal(&beyond);
    assert!(line.contains("gateway.listen") && line.contains("--tokens-for-the-whole-network"), "{line}");
    let line = Folder::with("").refusal(&[&beyond[..], &["--tokens-for-the-whole-network"]].concat());
    assert!(line.contains("--data"), "the second flag allows it: {line}");
}
