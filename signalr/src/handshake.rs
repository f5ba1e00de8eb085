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

/// What a client asks for. Version 2 (stateful reconnect) is taken like 1; nothing else is granted with it. So is 0:
/// clients for Python say the version of their negotiation here, and the reference server takes all up to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// How all that follows is written.
    pub encoding: Encoding,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Reads a handshake from the beginning of what came: it and how many bytes it took, or `None` while it is not whole.
pub fn read(bytes: &[u8]) -> Result<Option<(Handshake, usize)>, ProtocolError> {
    // A client that speaks something else is told at once, not when its time is up.
    if bytes.first().is_some_and(|&first| first != b'{' && !first.is_ascii_whitespace()) {
        return Err(malformed("it begins with another byte than {"));
    }
    let end = memchr::memchr(SEPARATOR, &bytes[..bytes.len().min(MAX_HANDSHAKE_BYTES)]);
    match end {
        Some(end) => Ok(Some((requested(&bytes[..end])?, end + 1))),
        None if bytes.len() >= MAX_HANDSHAKE_BYTES => Err(ProtocolError::TooLarge(MAX_HANDSHAKE_BYTES)),
        None => Ok(None),
    }
}

fn requested(body: &[u8]) -> Result<Handshake, ProtocolError> {
    let (protocol, version) = asked_for(body).map_err(|error| malformed(&error.to_string()))?;
    let Some(encoding) = Encoding::from_name(&protocol) else {
        return Err(ProtocolError::UnknownProtocol(protocol.chars().take(MAX_NAME_CHARS).collect()));
    };
    match version {
        0..=2 => Ok(Handshake { encoding }),
        _ => Err(ProtocolError::UnknownVersion(protocol, version)),
    }
}

fn asked_for(body: &[u8]) -> Result<(String, u64), ProtocolError> {
    let mut fields = Fields::read(body)?;
    Ok((fields.text("protocol")?, fields.count("version")?))
}

fn malformed(why: &str) -> ProtocolError {
    ProtocolError::Malformed(format!(
        "the first message is a handshake in JSON, such as {{\"protocol\":\"json\",\"version\":1}}, ended by the byte \
         0x1E: {why}"
    ))
}

/// The answer: accepted, or why not.
pub fn response(error: Option<&str>) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&Response { error }).expect("text is always JSON");
    bytes.push(SEPARATOR);
    bytes
}
