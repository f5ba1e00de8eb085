//! Whose pages may speak to the gateway: an exact list, for requests (CORS) and for WebSockets, which know no CORS.
//!
//! What proves a caller is a token and never a cookie, so this keeps no secret; it keeps a page from spending the
//! connections of its visitors.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::api::problem::Problem;

/// How long a browser may remember what it was allowed; browsers take two hours at most.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
const REQUEST_HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("x-signalr-user-agent"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("traceparent"),
];

/// Scheme, host and port of a page, as a browser writes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    scheme: String,
    host: String,
    /// `None` where it is the scheme's own.
    port: Option<u16>,
}

/// The pages of other origins that may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeSet<Origin>);

impl Origins {
    /// What answers a browser's question before a request, and lets the page read the answer.
    pub fn cors(&self) -> CorsLayer {
        let listed: Vec<_> =
            self.0.iter().filter_map(|origin| HeaderValue::from_str(&origin.to_string()).ok()).collect();
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(listed))
            // SignalR's client sends credentials unless it is told not to.
            .allow_credentials(true)
            .allow_methods(METHODS)
            .allow_headers(REQUEST_HEADERS)
            .expose_headers([header::RETRY_AFTER, header::LOCATION])
            .max_age(REMEMBERED)
            .vary([header::ORIGIN])
    }

    /// Whether who asks with these headers may open a WebSocket: no browser, a page of the same host, or one listed.
    pub fn permits(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(());
        };
        let refused =
            |who: &str| Problem::new(StatusCode::FORBIDDEN, "origin-refused", format!("{who} may not connect; {WHO}"));
        let origin = origin.to_str().ok().filter(|_| origins.next().is_none()).and_then(|text| text.parse().ok());
        let Some(origin) = origin else {
            return Err(refused("a page without an origin"));
        };
        if self.0.contains(&origin) || headers.get(header::HOST).is_some_and(|host| origin.is_at(host)) {
            return Ok(());
        }
        Err(refused(&format!("pages of {origin}")))
    }
}

const WHO: &str = "gateway.origins names those that may";

impl Origin {
    /// Whether this host is its own. The scheme does not count: a proxy in front may speak TLS.
    fn is_at(&self, host: &HeaderValue) -> bool {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| {
            let port = host.port_u16().filter(|port| Some(*port) != usual_port(&self.scheme));
            host.host().eq_ignore_ascii_case(&self.host) && port == self.port
        })
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} {why}; write each as https://app.example or http://localhost:5173");
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err(wrong("is no origin"));
        };
        let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(wrong("has no scheme"));
        }
        if authority.contains('*') {
            return Err(wrong("has a wildcard, and each origin must be named"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(wrong("has a path, and an origin is scheme, host and port alone"));
        }
        let parsed: Authority = authority.parse().map_err(|_| wrong("has no host"))?;
        let (host, written) = (parsed.host(), parsed.port_u16());
        // What is left of it without these two is a user, or a port that is none.
        let whole = written.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
        if host.is_empty() || !host.bytes().all(is_host) || whole != authority {
            return Err(wrong("has no host, or a port that is none"));
        }
        let scheme = scheme.to_ascii_lowercase();
        let port = written.filter(|port| Some(*port) != usual_port(&scheme));
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A list, or a text with commas: a variable holds one value.
impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Origins;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of origins")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Origins, E> {
                let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                entries.map(str::parse).collect::<Result<_, _>>().map(Origins).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Origins, A::Error> {
                let mut origins = BTreeSet::new();
                while let Some(origin) = entries.next_element()? {
                    origins.insert(origin);
                }
                Ok(Origins(origins))
            }
        }

        deserializer.deserialize_any(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(text: &str) -> Origins {
        Origins::deserialize(de::value::StrDeserializer::<de::value::Error>::new(text)).unwrap()
    }

    fn permits(listed: &str, headers: &[(HeaderName, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        origins(listed).permits(&all).is_ok()
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, written) in [
            ("https://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_exact_origin_is_refused_and_named() {
        for bad in [
            "*",
            "null",
            "",
            "app.example",
            "https://*.example",
            "https://app.example/",
            "https://app.example/page",
            "https://",
            "https://app.example:x",
            "https://app.example:99999",
            "https://me@app.example",
            "://x",
            "https://app example",
            "https://äpp.example",
            "https://app.example,https://other",
            "https://app.example,other",
            "https://app.example:0443",
        ] {
            let error = bad.parse::<Origin>().unwrap_err();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn a_websocket_is_for_no_browser_or_the_same_host_or_who_is_listed() {
        use header::{HOST, ORIGIN};
        const LISTED: &str = "https://app.example, http://localhost:5173";
        assert!(permits(LISTED, &[(HOST, "bell.example")]), "no browser");
        assert!(permits(LISTED, &[(HOST, "bell.example"), (ORIGIN, "https://app.example")]));
        assert!(permits(LISTED, &[(HOST, "bell.example"), (ORIGIN, "http://localhost:5173")]));
        assert!(permits("", &[(HOST, "bell.example:8080"), (ORIGIN, "http://bell.example:8080")]), "its own page");
        assert!(permits("", &[(HOST, "Bell.example"), (ORIGIN, "https://bell.example")]), "TLS ended before");
        assert!(permits("", &[(HOST, "bell.example:443"), (ORIGIN, "https://bell.example")]));
        for origin in [
            "https://evil.example",
            "http://app.example",
            "https://app.example:8443",
            "null",
            "https://app.example/",
            "",
            "é",
        ] {
            assert!(!permits(LISTED, &[(HOST, "bell.example"), (ORIGIN, origin)]), "{origin}");
        }
        assert!(!permits("", &[(HOST, "bell.example:8080"), (ORIGIN, "http://bell.example:8081")]), "another port");
        assert!(!permits(LISTED, &[(HOST, "b"), (ORIGIN, "https://app.example"), (ORIGIN, "https://evil.example")]));
        assert!(!permits("", &[(ORIGIN, "https://evil.example")]), "without a host");
    }
}
