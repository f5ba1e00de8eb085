//! The path of a request as the routes know it: a slash at its end counts for nothing, nor does the encoding of letters that
//! need none, nor do case and doubled slashes in that of the hub, which SignalR's reference server reads so.

use std::borrow::Cow;

use axum::{
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};

const HUB: &str = "/hub";
const NEGOTIATE: &str = "/hub/negotiate";

/// The request with its path as the routes know it.
pub(crate) async fn with_usual_path(mut request: Request) -> Request {
    let plain = with_plain_letters(request.uri().path());
    if let Some(path) = usual(&plain).or_else(|| matches!(plain, Cow::Owned(_)).then_some(&*plain))
        && let Some(uri) = with_path(request.uri(), path)
    {
        *request.uri_mut() = uri;
    }
    request
}

/// The path with those letters as themselves that need no percent-encoding: the two name the same (RFC 3986, 6.2.2.2).
fn with_plain_letters(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let (mut plain, mut rest) = (String::with_capacity(path.len()), path);
    while let Some(at) = rest.find('%') {
        let encoded = &rest[at + 1..];
        plain.push_str(&rest[..at]);
        let byte = encoded.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &encoded[2..];
            }
            None => {
                plain.push('%');
                rest = encoded;
            }
        }
    }
    plain.push_str(rest);
    plain.into()
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
    fn letters_that_need_no_encoding_are_plain_and_all_else_stays_as_it_is() {
        for (path, plain) in [
            ("/%68ub/%6Eegotiate", "/hub/negotiate"),
            ("/%7e%2D%5f%2e/", "/~-_./"),
            ("/a%2Fb%20%25%41", "/a%2Fb%20%25A"),
            ("/%2541", "/%2541"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%+1", "/%zz%+1"),
            ("/%C3%BC", "/%C3%BC"),
        ] {
            assert_eq!(with_plain_letters(path), plain, "{path}");
        }
    }

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
