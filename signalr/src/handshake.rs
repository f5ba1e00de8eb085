//! The handshake: one JSON message of each side, ended by a record separator, whatever the encoding of what follows.

use serde::Serialize;

use crate::{
    encoding::Encoding,
    json::{SEPARATOR, fields::Fields},
    protocol_error::ProtocolError,
};

/// Most bytes of a handshake, its separator included.
pub const MAX_HANDSHAKE_BYTES: usize = 4096;

/// Most characters that an answer repeats of a protocol's name.
const MAX_NAME_CHARS: usize = 80;

/// A client's request. Version 2 (stateful reconnect) is accepted like 1, without granting it; so is 0: clients for Python
/// send the version of their negotiation here, and the reference server accepts all up to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The encoding of all that follows.
    pub encoding: Encoding,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Reads a handshake from the start of the bytes: it and its length, or `None` while it is incomplete.
pub fn read(bytes: &[u8]) -> Result<Option<(Handshake, usize)>, ProtocolError> {
    // A client of another protocol gets its error at once, not at the timeout.
    if bytes.first().is_some_and(|&first| first != b'{' && !first.is_ascii_whitespace()) {
        return Err(malformed("it begins with another byte than {"));
    }
    let end = memchr::memchr(SEPARATOR, &bytes[..bytes.len().min(MAX_HANDSHAKE_BYTES)]);
    match end {
        Some(end) => Ok(Some((parse(&bytes[..end])?, end + 1))),
        None if bytes.len() >= MAX_HANDSHAKE_BYTES => Err(ProtocolError::TooLarge(MAX_HANDSHAKE_BYTES)),
        None => Ok(None),
    }
}

fn parse(body: &[u8]) -> Result<Handshake, ProtocolError> {
    let (protocol, version) = fields(body).map_err(|error| malformed(&error.to_string()))?;
    let Some(encoding) = Encoding::from_name(&protocol) else {
        return Err(ProtocolError::UnknownProtocol(protocol.chars().take(MAX_NAME_CHARS).collect()));
    };
    match version {
        0..=2 => Ok(Handshake { encoding }),
        _ => Err(ProtocolError::UnknownVersion(protocol, version)),
    }
}

fn fields(body: &[u8]) -> Result<(String, u64), ProtocolError> {
    let mut fields = Fields::read(body)?;
    Ok((fields.text("protocol")?, fields.count("version")?))
}

fn malformed(why: &str) -> ProtocolError {
    ProtocolError::Malformed(format!(
        "the first message is a handshake in JSON, such as {{\"protocol\":\"json\",\"version\":1}}, ended by the byte \
         0x1E: {why}"
    ))
}

/// The response: accepted, or the error.
pub fn response(error: Option<&str>) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&Response { error }).expect("text is always JSON");
    bytes.push(SEPARATOR);
    bytes
}
