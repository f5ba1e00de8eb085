//! The page and the browser module over HTTP: kept by browsers, and loaded without one module waiting for another.

use std::collections::{BTreeSet, HashSet};

use reqwest::{Client, Response, header::HeaderMap};
use scenarios::{Cluster, TestBackplane};
use url::Url;

async fn get(url: &str, etag: Option<&str>) -> Response {
    let mut request = Client::new().get(url);
    if let Some(etag) = etag {
        request = request.header("if-none-match", etag);
    }
    request.send().await.unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_file_is_sent_once_to_a_browser_that_keeps_it() {
    let cluster = Cluster::new(TestBackplane::memory()).await;
    let pod = cluster.pod().await;
    let mut tags = HashSet::new();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/client/bellwire.js", "text/javascript; charset=utf-8"),
        ("/client/toasts.js", "text/javascript; charset=utf-8"),
        ("/client/page/page.css", "text/css; charset=utf-8"),
        ("/client/page/bell.svg", "image/svg+xml"),
    ] {
        let url = format!("{}{path}", pod.url);
        let first = get(&url, None).await;
        let etag = header(first.headers(), "etag").to_owned();
        assert_eq!((first.status().as_u16(), header(first.headers(), "content-type")), (200, content_type), "{path}");
        assert_eq!(header(first.headers(), "cache-control"), "no-cache", "it is asked for again at each load");
        assert!(etag.starts_with('"') && etag.len() > 20, "{path} has a strong tag: {etag}");
        assert!(!first.bytes().await.unwrap().is_empty());

        for same in [&etag, &format!("\"old\", {etag}"), &format!("W/{etag}"), &"*".to_owned()] {
            let again = get(&url, Some(same)).await;
            assert_eq!(again.status(), 304, "{path} with {same}");
            for (name, value) in [("etag", &*etag), ("cache-control", "no-cache"), ("access-control-allow-origin", "*")]
            {
                assert_eq!(header(again.headers(), name), value, "{name} of {path}");
            }
            assert!(again.bytes().await.unwrap().is_empty());
        }
        let changed = get(&url, Some("\"of another version\"")).await;
        assert_eq!((changed.status().as_u16(), header(changed.headers(), "etag")), (200, &*etag), "{path}");
        assert!(tags.insert(etag), "another file has another tag");
    }
}

#[tokio::test]
async fn nothing_of_a_gateway_is_shown_within_a_page_of_another_site() {
    let cluster = Cluster::new(TestBackplane::memory()).await;
    let pod = cluster.pod().await;
    for path in ["/", "/client/bellwire.js", "/client/nothing", "/api/tasks", "/api/openapi.json", "/nothing"] {
        let answer = get(&format!("{}{path}", pod.url), None).await;
        let policy = header(answer.headers(), "content-security-policy");
        assert!(policy.contains("default-src '") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(header(answer.headers(), "x-content-type-options"), "nosniff", "{path}");
    }
    let page = get(&pod.url, None).await;
    assert_eq!(header(page.headers(), "cross-origin-opener-policy"), "same-origin");
}

#[tokio::test]
async fn the_page_preloads_every_module_that_it_imports() {
    let cluster = Cluster::new(TestBackplane::memory()).await;
    let pod = cluster.pod().await;
    let page = Url::parse(&pod.url).unwrap();
    let html = get(page.as_str(), None).await.text().await.unwrap();
    let paths = |start: &str| -> BTreeSet<String> {
        let links = html.split(start).skip(1).map(|rest| rest.split('"').next().unwrap());
        links.map(|link| page.join(link).unwrap().path().to_owned()).collect()
    };
    let mut imported = paths("<script type=\"module\" src=\"");
    assert_eq!(imported.len(), 1);
    let mut left: Vec<String> = imported.iter().cloned().collect();
    while let Some(path) = left.pop() {
        let module = page.join(&path).unwrap();
        let answer = get(module.as_str(), None).await;
        assert_eq!(answer.status(), 200, "{module}");
        for specifier in specifiers(&answer.text().await.unwrap()) {
            let found = module.join(specifier).unwrap().path().to_owned();
            if imported.insert(found.clone()) {
                left.push(found);
            }
        }
    }
    assert!(imported.len() > 40, "the page's own module imports others: {imported:?}");
    assert_eq!(paths("<link rel=\"modulepreload\" href=\""), imported);
}

#[tokio::test]
async fn the_page_names_nothing_that_a_path_before_it_would_break() {
    let cluster = Cluster::new(TestBackplane::memory()).await;
    let pod = cluster.pod().await;
    let html = get(&pod.url, None).await.text().await.unwrap();
    let below = Url::parse("http://site.example/notify/").unwrap();
    let mut links = 0;
    for attribute in ["href=\"", "src=\""] {
        for link in html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let there = below.join(link).unwrap();
            let rest = there.as_str().strip_prefix(below.as_str());
            let rest = rest.unwrap_or_else(|| panic!("{link} leads to {there}"));
            assert_eq!(get(&format!("{}/{rest}", pod.url), None).await.status(), 200, "{link}");
            links += 1;
        }
    }
    assert!(links > 40, "{links}");
}

/// Every quoted relative path of a module that stands outside comments.
fn specifiers(source: &str) -> impl Iterator<Item = &str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with(['*', '/']));
    code.flat_map(|line| line.split('\'').skip(1).step_by(2))
        .filter(|text| text.starts_with('.') && text.ends_with(".js"))
}
