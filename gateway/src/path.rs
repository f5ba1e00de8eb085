//! The path of a request as the routes know it: a slash at its end counts for nothing, nor do case and doubled slashes in
//! that of the hub, which SignalR's reference server reads so.

use axum::{
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};

const HUB: &str = "/hub";
const NEGOTIATE: &str = "/hub/negotiate";

/// The request with its path as the routes know it.
pub(crate) async fn with_usual_path(mut request: Request) -> Request {
    if let Some(path) = usual(request.uri().path())
        && let Some(uri) = with_path(request.uri(), path)
    {
        *request.uri_mut() = uri;
    }
    request
}

/// The path in the usual form; `None` if it has it already.
fn usual(path: &str) -> Option<&str> {
    let is_hub = |name: &str| {
        let parts = || path.split('/').filter(|part| !part.is_empty());
        parts().count() == name.split('/').skip(1).count()
            && parts().zip(name.split('/').skip(1)).all(|(part, name)| part.eq_ignore_ascii_case(name))
    };
    let usual = match path {
        _ if is_hub(HUB) => HUB,
        _ if is_hub(NEGOTIATE) => NEGOTIATE,
        // There the name of a file comes last, and may be missing.
        _ if path.starts_with("/api/files/") || path.starts_with("/client/") => path,
        _ => path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path),
    };
    (usual != path).then_some(usual)
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query: PathAndQuery = match uri.query() {
        Some(query) => format!("{path}?{query}").parse().ok()?,
        None => path.parse().ok()?,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_and_the_case_of_the_hub_count_for_nothing() {
        for (path, expected) in [
            ("/hub/", "/hub"),
            ("/Hub", "/hub"),
            ("//hub", "/hub"),
            ("/HUB/Negotiate/", "/hub/negotiate"),
            ("/hub//negotiate", "/hub/negotiate"),
            ("/events/", "/events"),
            ("/api/tasks/", "/api/tasks"),
        ] {
            assert_eq!(usual(path), Some(expected), "{path}");
        }
        for path in
            ["/", "/hub", "/hub/negotiate", "/hubs", "/Events", "/events", "/api/files/", "/api/files/a/", "*", ""]
        {
            assert_eq!(usual(path), None, "{path}");
        }
        let uri = with_path(&"http://x/Hub/?id=a%2Fb&after=now".parse().unwrap(), HUB).unwrap();
        assert_eq!(uri.to_string(), "http://x/hub?id=a%2Fb&after=now");
    }
}
