//! Bodies that a client has compressed: inflated as they are read, so that every limit counts what comes out.

use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use tokio_util::io::{ReaderStream, StreamReader};

use super::problem::{Problem, UNKNOWN_ENCODING};

/// Inflates a body that was sent by gzip; any other encoding is answered with 415.
pub async fn inflate(request: Request, next: Next) -> Response {
    let is_file = request.uri().path().starts_with("/api/files/");
    match encoding(request.headers(), is_file) {
        Ok(None) => next.run(request).await,
        Ok(Some(Gzip)) => next.run(inflated(request)).await,
        Err(problem) => problem.into_response(),
    }
}

struct Gzip;

fn encoding(headers: &HeaderMap, is_file: bool) -> Result<Option<Gzip>, Problem> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let text: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let mut names = text.iter().flat_map(|value| value.split(',')).map(str::trim);
    let mut names = names.by_ref().filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let refused = |detail: String| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, UNKNOWN_ENCODING, detail);
    match (names.next(), names.next()) {
        (None, _) => Ok(None),
        (Some(_), _) if is_file => {
            Err(refused("content-encoding: a file is kept as it comes; send it without, packed or not".to_owned()))
        }
        (Some(name), None) if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
            Ok(Some(Gzip))
        }
        (Some(name), None) => Err(refused(format!("content-encoding: {name:?} is not understood here; gzip is"))),
        (Some(_), Some(_)) => Err(refused("content-encoding: a body may be encoded once".to_owned())),
    }
}

fn inflated(request: Request) -> Request {
    let (mut parts, body) = request.into_parts();
    // Both are of what was sent.
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    let sent = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    let mut decoder = GzipDecoder::new(sent);
    decoder.multiple_members(true);
    Request::from_parts(parts, Body::from_stream(ReaderStream::new(decoder)))
}
