//! What a hostile person does, each again and again on several connections at once until told to stop.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{SocketAddr, TcpStream},
    process::{Command, ExitCode},
    sync::{Arc, Mutex},
    thread,
};

use load::files;

use crate::{
    child,
    client::{self, Client, PING, TEXT, frame},
};

/// Connections that attack at once.
const THREADS: usize = 8;
/// Sockets that one of them holds open.
const HELD: usize = 300;
/// Messages of one burst: as many as came in one of 5.7 MB.
const BURST: usize = 59_400;

/// An attack: its name, and what is done once.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    once: fn(&mut Attacker) -> anyhow::Result<()>,
}

/// All of them.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "polls-without-handshake", once: poll_without_handshake },
    Attack { name: "half-sent-heads", once: send_half_a_head },
    Attack { name: "streams", once: open_stream },
    Attack { name: "cursors-ahead", once: open_stream_ahead },
    Attack { name: "coming-and-going", once: come_and_go },
    Attack { name: "tasks", once: start_task },
    Attack { name: "lists", once: list_tasks },
    Attack { name: "resume-bursts", once: resume },
    Attack { name: "pings-and-nothings", once: send_nothings },
    Attack { name: "stalled-uploads", once: stall_upload },
    Attack { name: "large-json", once: send_large_json },
    Attack { name: "files", once: store_file },
];

/// One of the attacker's threads.
struct Attacker {
    address: SocketAddr,
    token: String,
    /// A connection that is used again.
    client: Option<Client>,
    held: Vec<TcpStream>,
    answers: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// The life of an attacker, in the process that was started for it.
pub(crate) fn live(name: &str, address: &str) -> ExitCode {
    let once = ATTACKS.iter().find(|attack| attack.name == name).expect("a name of the table").once;
    files::raise_limit().unwrap();
    let me = std::process::id().to_string();
    assert!(Command::new("chrt").args(["--idle", "--pid", "0", &me]).status().unwrap().success());
    let answers = Arc::<Mutex<BTreeMap<String, u64>>>::default();
    for _ in 0..THREADS {
        let (address, token) = (address.parse().unwrap(), client::token("mallory"));
        let mut attacker = Attacker { address, token, client: None, held: Vec::new(), answers: answers.clone() };
        thread::spawn(move || {
            loop {
                if let Err(error) = once(&mut attacker) {
                    attacker.client = None;
                    let is_late = error.to_string().contains("temporarily unavailable");
                    attacker.note(if is_late { "no answer" } else { "cut" });
                }
            }
        });
    }
    println!("attacking");
    // Until told, or until the parent is gone.
    child::told().next();
    let answers = answers.lock().unwrap();
    let answers: Vec<_> = answers.iter().map(|(answer, count)| format!("{answer} ×{count}")).collect();
    println!("answers {}", answers.join(", "));
    ExitCode::SUCCESS
}

impl Attacker {
    fn note(&self, answer: &str) {
        *self.answers.lock().unwrap().entry(answer.to_owned()).or_default() += 1;
    }

    fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(self.address, &self.token)
    }

    /// A request over the connection that is used again; the status is noted.
    fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> anyhow::Result<()> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect()?,
        };
        let answer = client.request(method, target, headers, body)?;
        self.note(&answer.status.to_string());
        self.client = Some(client);
        Ok(())
    }

    /// Keeps a connection open; beyond so many the oldest is dropped.
    fn hold(&mut self, stream: TcpStream) {
        self.held.push(stream);
        if self.held.len() > HELD {
            self.held.remove(0);
        }
    }
}

fn poll_without_handshake(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    let negotiated = client.request("POST", "/hub/negotiate?negotiateVersion=1", "", b"")?;
    let text = String::from_utf8_lossy(&negotiated.body).into_owned();
    let Some(id) = text.split("\"connectionToken\":\"").nth(1).and_then(|rest| rest.split('"').next()) else {
        attacker.note(&negotiated.status.to_string());
        return Ok(());
    };
    let answer = client.request("GET", &format!("/hub?id={id}"), "", b"")?;
    attacker.note(&answer.status.to_string());
    Ok(())
}

fn send_half_a_head(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    client.stream.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\nauth")?;
    attacker.note("connected");
    attacker.hold(client.stream);
    Ok(())
}

fn open_stream(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    let answer = client.request("GET", "/events", "", b"")?;
    attacker.note(&answer.status.to_string());
    if answer.status == 200 {
        attacker.hold(client.stream);
    }
    Ok(())
}

fn open_stream_ahead(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    let answer = client.request("GET", "/events?after=00000000ffffffff00000000", "", b"")?;
    attacker.note(&answer.status.to_string());
    if answer.status == 200 {
        attacker.hold(client.stream);
    }
    Ok(())
}

fn come_and_go(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = attacker.connect()?;
        let answer = client.request("GET", "/events", "", b"")?;
        attacker.note(&answer.status.to_string());
        clients.push(client);
    }
    Ok(())
}

fn start_task(attacker: &mut Attacker) -> anyhow::Result<()> {
    let body = br#"{"kind":"reports","title":"mine","input":{"report":"sales","format":"csv"}}"#;
    attacker.request("POST", "/api/tasks", "content-type: application/json\r\n", body)
}

fn list_tasks(attacker: &mut Attacker) -> anyhow::Result<()> {
    attacker.request("GET", "/api/tasks", "", b"")
}

fn resume(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    let cursor = client.open_hub()?;
    let message = format!("{{\"type\":1,\"target\":\"Resume\",\"arguments\":[\"{cursor}\"]}}\x1e");
    let burst: Vec<u8> = frame(TEXT, message.as_bytes()).repeat(BURST);
    let sent = client.stream.write_all(&burst);
    attacker.note(if sent.is_ok() { "burst taken" } else { "burst cut" });
    Ok(())
}

fn send_nothings(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    client.open_hub()?;
    let some =
        [frame(PING, b""), frame(TEXT, b""), frame(TEXT, b"{\"type\":6}\x1e"), frame(TEXT, b"{\"type\":99}\x1e")];
    let burst = some.concat().repeat(BURST / some.len());
    let sent = client.stream.write_all(&burst);
    attacker.note(if sent.is_ok() { "burst taken" } else { "burst cut" });
    Ok(())
}

fn stall_upload(attacker: &mut Attacker) -> anyhow::Result<()> {
    let mut client = attacker.connect()?;
    client.send("PUT", "/api/files/x.csv", "", 16 << 20, b"a")?;
    attacker.note("stalled");
    attacker.hold(client.stream);
    Ok(())
}

fn send_large_json(attacker: &mut Attacker) -> anyhow::Result<()> {
    // Many small values: what costs a parser most for each byte.
    let values = "[1],".repeat(1_000_000);
    let body = format!("{{\"kind\":\"reports\",\"input\":[{}0]}}", &values[..values.len() - 8 * 1024]);
    attacker.request("POST", "/api/tasks", "content-type: application/json\r\n", body.as_bytes())
}

fn store_file(attacker: &mut Attacker) -> anyhow::Result<()> {
    attacker.request("PUT", "/api/files/x.csv", "", &vec![b'x'; 8 << 20])
}
