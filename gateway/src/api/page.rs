//! `GET /` and `/client/*`: the page and the browser module, within the binary.

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use include_dir::{Dir, include_dir};

use crate::api::problem::Problem;

static CLIENT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../client");

/// Nothing from elsewhere, and no script in the page itself.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'self'";

/// The demo and operations page.
pub async fn index() -> Result<Response, Problem> {
    file("page/index.html")
}

/// A file of the browser module.
pub async fn client(Path(path): Path<String>) -> Result<Response, Problem> {
    file(&path)
}

fn file(path: &str) -> Result<Response, Problem> {
    let found = CLIENT.get_file(path).zip(content_type(path));
    let (file, content_type) = found.ok_or_else(|| Problem::not_found("there is no such page"))?;
    let mut response = file.contents().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Pages of other origins load the module.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}

fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        _ => return None,
    })
}
