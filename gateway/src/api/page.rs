//! `GET /` and `/client/*`: the page and the browser module, compiled into the binary.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use super::{problem::Problem, request::PathParameters};
use crate::pod::Pod;

static CLIENT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../client");
static FILES: LazyLock<HashMap<&str, File>> = LazyLock::new(|| files(&CLIENT).collect());

const PAGE: &str = "page/index.html";
/// The module that the page starts with.
const PAGE_MODULE: &str = "page/page.js";
/// Nothing from elsewhere, and no script in the page itself. Nobody may show it in a frame, and let people press its
/// buttons unseen.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The demo and operations page. Where downloads are links to a bucket, it may ask there as well.
pub async fn index(State(pod): State<Pod>, headers: HeaderMap) -> Result<Response, Problem> {
    let mut response = respond(PAGE, &headers)?;
    let origin = pod.storage.link_origin().await;
    if let Some(policy) = origin.and_then(|origin| format!("{POLICY}; connect-src 'self' {origin}").try_into().ok()) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// A file of the browser module.
pub async fn client(PathParameters(path): PathParameters<String>, headers: HeaderMap) -> Result<Response, Problem> {
    respond(&path, &headers)
}

fn respond(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = FILES.get(path).ok_or_else(|| Problem::not_found("there is no such page"))?;
    Ok(file.response(headers))
}

/// An embedded file as it is served.
struct File {
    content: Bytes,
    content_type: HeaderValue,
    /// Strong: a hash of the content.
    etag: HeaderValue,
}

impl File {
    fn new(path: &str, content: Bytes) -> Option<Self> {
        let content_type = HeaderValue::from_static(content_type(path)?);
        let hash = BASE64URL_NOPAD.encode(&Sha256::digest(&content)[..18]);
        let etag = HeaderValue::try_from(format!("\"{hash}\"")).ok()?;
        Some(Self { content, content_type, etag })
    }

    /// The file, or 304 to a browser that has it already.
    fn response(&self, request: &HeaderMap) -> Response {
        let mut response = if is_current(request, &self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.content_type.clone())], self.content.clone()).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        // Kept by the browser, and asked for again at each load: a gateway of another version serves other modules.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        // A page that opened ours keeps no hold of its window.
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        // Pages of other origins load the module.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

/// True if `If-None-Match` names this tag; a proxy that compresses makes it a weak one.
fn is_current(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let listed = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
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

/// The files of a folder and of those in it, by their path.
fn files(folder: &'static Dir<'static>) -> Box<dyn Iterator<Item = (&'static str, File)>> {
    let here = folder.files().filter_map(|file| {
        let path = file.path().to_str()?;
        let content = if path == PAGE { page(file.contents_utf8()?) } else { Bytes::from_static(file.contents()) };
        Some((path, File::new(path, content)?))
    });
    Box::new(here.chain(folder.dirs().flat_map(files)))
}

/// The page with a `modulepreload` link for each module, so that the browser asks for all of them at once. Its addresses are
/// relative, as are those in the modules: a proxy may serve all of it below a path.
fn page(html: &str) -> Bytes {
    let mut modules = vec![PAGE_MODULE.to_owned()];
    let mut next = 0;
    while let Some(module) = modules.get(next) {
        let source = CLIENT.get_file(module).and_then(|file| file.contents_utf8()).unwrap_or_default();
        let imported: Vec<_> = imports(module, source).filter(|path| !modules.contains(path)).collect();
        modules.extend(imported);
        next += 1;
    }
    let link = |module: &String| format!("  <link rel=\"modulepreload\" href=\"client/{module}\">\n");
    let links: String = modules.iter().map(link).collect();
    html.replacen("</head>", &format!("{links}</head>"), 1).into()
}

/// The paths that a module imports statically, each statement ending a line as in all of ours.
fn imports(module: &str, source: &str) -> impl Iterator<Item = String> {
    source.lines().filter_map(move |line| {
        let statement = line.strip_suffix("';")?;
        let specifier = statement.strip_prefix("import '").or_else(|| Some(statement.rsplit_once(" from '")?.1))?;
        specifier.starts_with('.').then(|| resolve(module, specifier))
    })
}

/// A relative specifier as a path below `/client/`.
fn resolve(module: &str, specifier: &str) -> String {
    let mut path: Vec<_> = module.split('/').collect();
    path.pop();
    for part in specifier.split('/') {
        match part {
            "." => {}
            ".." => drop(path.pop()),
            _ => path.push(part),
        }
    }
    path.join("/")
}
