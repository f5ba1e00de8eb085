use std::fmt::Write;

use crate::pod::POD;

/// Stands for a valid access token, which a fuzzer cannot make up.
const TOKEN: &str = "{token}";

/// Whatever a client sends, the answer is none or an answer of HTTP, and never that the gateway is at fault.
pub fn head(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let request = match text.contains(TOKEN) {
        true => text.replace(TOKEN, &POD.token).into_bytes(),
        false => input.to_vec(),
    };
    ask(&request);
}

/// Requests of each kind.
pub fn heads() -> Vec<Vec<u8>> {
    let token = "authorization: Bearer {token}\r\n";
    let heads = [
        "GET /events HTTP/1.1\r\nhost: x\r\n".to_owned(),
        format!("GET /events?after=now HTTP/1.1\r\nhost: x\r\n{token}"),
        format!("GET /events HTTP/1.0\r\n{token}last-event-id: now\r\n"),
        format!("POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\nhost: x\r\n{token}content-length: 0\r\n"),
        "OPTIONS /api/tasks HTTP/1.1\r\nhost: x\r\norigin: https://x\r\naccess-control-request-method: PUT\r\n"
            .to_owned(),
        format!("GET /api/files/01JD/%2e%2e HTTP/1.1\r\nhost: x\r\n{token}"),
        format!("GET /api/tasks/01JD0000000000000000000000 HTTP/1.1\r\nhost: x\r\n{token}"),
        format!(
            "GET /hub HTTP/1.1\r\nhost: x\r\n{token}connection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        ),
        "GET / HTTP/1.1\r\nhost: x\r\nif-none-match: \"x\", W/*\r\n".to_owned(),
    ];
    let mut seeds: Vec<_> = heads.iter().map(|head| format!("{head}\r\n").into_bytes()).collect();
    let event = r#"{"specversion":"1.0","id":"1","source":"/x","type":"t","audience":"user:ada"}"#;
    let chunked = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    let head = format!("POST /api/events HTTP/1.1\r\nhost: x\r\n{token}content-type: application/cloudevents+json\r\n");
    seeds.push(format!("{head}transfer-encoding: chunked\r\n\r\n{chunked}").into_bytes());
    seeds.push(format!("{head}content-length: {}\r\n\r\n{event}", event.len()).into_bytes());
    seeds
}

/// `GET /events` with any query, and any cursor beside it after a line end.
pub fn events_query(input: &[u8]) {
    let (query, cursor) = split(input);
    let (query, cursor) = (in_url(query), in_header(cursor));
    let token = &POD.token;
    ask(format!("GET /events?{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{cursor}\r\n").as_bytes());
}

pub fn events_queries() -> Vec<Vec<u8>> {
    let queries: [&[u8]; 7] = [
        b"",
        b"after=now",
        b"after=00000000000000900000000\n",
        b"after=0abcdef00000000900000000&after=now",
        b"\nlast-event-id: now",
        b"after=%6eow&access_token=x\nlast-event-id: 0abcdef00000000900000000",
        b"after=18446744073709551615\nlast-event-id: ffffffff18446744073709551615",
    ];
    queries.map(<[u8]>::to_vec).into()
}

/// Each method of `/hub` with any query, and what comes after it: the beginning of a WebSocket, or a body.
pub fn hub_query(input: &[u8]) {
    let Some((&method, input)) = input.split_first() else { return };
    let (query, body) = split(input);
    let (query, token) = (in_url(query), &POD.token);
    let (line, more) = match method % 5 {
        0 => (
            "GET /hub",
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                           sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                .to_owned(),
        ),
        1 => ("GET /hub", "accept: text/event-stream\r\n".to_owned()),
        2 => ("POST /hub", format!("content-length: {}\r\n", body.len())),
        3 => ("DELETE /hub", String::new()),
        _ => ("POST /hub/negotiate", format!("content-length: {}\r\n", body.len())),
    };
    let head = format!("{line}?{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{more}\r\n");
    ask(&[head.as_bytes(), body].concat());
}

pub fn hub_queries() -> Vec<Vec<u8>> {
    let handshake = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    // A frame of a client, whose mask is zero.
    let frame = [&[0x81, 0x80 | handshake.len() as u8, 0, 0, 0, 0], &handshake[..]].concat();
    let queries: [&[u8]; 8] = [
        b"\x00after=now\n",
        b"\x00id=AAAA.BBBB&after=0abcdef00000000900000000\n",
        b"\x01id=x&transport=serverSentEvents",
        b"\x02id=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.BBBB\n{\"type\":6}\x1e",
        b"\x03id=",
        b"\x04negotiateVersion=1\n",
        b"\x04negotiateVersion=0&negotiateVersion=1&useStatefulReconnect=true",
        b"\x04negotiateVersion=99999999999999999999",
    ];
    let mut seeds: Vec<_> = queries.map(<[u8]>::to_vec).into();
    seeds.push([b"\x00\n", &frame[..], b"\x89\x80\0\0\0\0\x88\x80\0\0\0\0"].concat());
    seeds
}

/// `POST /api/events` with any header lines, and any body after an empty one.
pub fn publish(input: &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (lines, body) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + 2..]));
    let headers: String = lines.split(|byte| *byte == b'\n').map(in_header).collect();
    let head = format!("POST /api/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}", POD.token);
    ask(&[format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat());
}

pub fn publishes() -> Vec<Vec<u8>> {
    let event = r#"{"specversion":"1.0","id":"1","source":"/x","type":"t","audience":"user:ada","data":{"a":[1]}}"#;
    let binary = "ce-specversion: 1.0\nce-id: 1\nce-source: /x\nce-type: t\nce-audience: user:ada\nce-own: %C3%A9\n";
    let texts = [
        format!("content-type: application/cloudevents+json\n\n{event}"),
        format!("content-type: application/cloudevents+json; charset=utf-8\n\n{event}"),
        format!("content-type: application/cloudevents-batch+json\n\n[{event},{event}]"),
        "content-type: application/cloudevents-batch+json\n\n[]".to_owned(),
        format!("content-type: application/json\n{binary}\n{{\"toast\":{{\"level\":\"info\",\"title\":\"t\"}}}}"),
        format!("content-type: text/plain\n{binary}\nhello"),
        format!("{binary}\n"),
    ];
    texts.map(String::into_bytes).into()
}

/// `POST /api/tasks` with any body.
pub fn task(input: &[u8]) {
    let head = format!("POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", POD.token);
    let length = input.len();
    let head = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    ask(&[head.as_bytes(), input].concat());
}

pub fn tasks() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"kind":"imports","title":"t","input":{"file":"01JD/a.csv"}}"#,
        r#"{"kind":"none","input":null}"#,
        r#"{"kind":"","title":1}"#,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn ask(request: &[u8]) {
    let answer = POD.exchange(request);
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    assert!(answer.is_empty() || status.is_some(), "{}", answer.escape_ascii());
    // Whoever is at fault says so: nothing that is sent may be an error of ours.
    assert_ne!(status, Some(&b"500"[..]), "{}", answer.escape_ascii());
}

/// The line, and what comes after it.
fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    end.map_or((input, &[]), |end| (&input[..end], &input[end + 1..]))
}

/// As a client writes any bytes in a URL.
fn in_url(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => drop(write!(text, "%{byte:02X}")),
            0x21..=0x7e => text.push(char::from(*byte)),
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

/// A line of a head; none without its colon, for hyper refuses that.
fn in_header(bytes: &[u8]) -> String {
    let line: String = bytes.iter().filter(|byte| (0x20..0x7f).contains(*byte)).map(|byte| char::from(*byte)).collect();
    match line.split_once(':') {
        Some((name, _)) if !["content-length", "transfer-encoding"].contains(&name.to_lowercase().trim()) => {
            format!("{line}\r\n")
        }
        _ => String::new(),
    }
}
