//! The origins whose pages may use the gateway: an exact list, for requests (CORS) and for WebSockets, which know no CORS.
//!
//! A caller is proved by a token and never by a cookie, so this protects no secret; it keeps a page from spending the
//! connections of its visitors.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::{Position, Url};

use crate::api::problem::Problem;

/// The time for which a browser may cache the answer; browsers take two hours at most.
const MAX_AGE: Duration = Duration::from_secs(2 * 3600);
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
const REQUEST_HEADERS: [HeaderName; 19] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("x-signalr-user-agent"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("idempotency-key"),
    // What browsers' observability adds to every request: W3C, Sentry, Zipkin, Datadog, and ids for logs.
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("sentry-trace"),
    HeaderName::from_static("b3"),
    HeaderName::from_static("x-datadog-trace-id"),
    HeaderName::from_static("x-datadog-parent-id"),
    HeaderName::from_static("x-datadog-origin"),
    HeaderName::from_static("x-datadog-sampling-priority"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-correlation-id"),
];

/// Scheme, host and port of a page, as a browser writes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Origin(String);

/// The origins that may, besides the gateway's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeSet<Origin>);

impl Origins {
    /// The CORS headers: they answer a browser's preflight, which may ask for the usual headers and for `more`, and let the
    /// page read the answer.
    pub fn cors(&self, more: &[HeaderName]) -> CorsLayer {
        let listed: Vec<_> =
            self.0.iter().filter_map(|origin| HeaderValue::from_str(&origin.to_string()).ok()).collect();
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(listed))
            // SignalR's client sends credentials unless it is told not to.
            .allow_credentials(true)
            .allow_methods(METHODS)
            .allow_headers(REQUEST_HEADERS.iter().chain(more).cloned().collect::<Vec<_>>())
            // A page judges by `Date` whether an event has expired, and names a stream that it gives a newer token.
            .expose_headers([
                header::RETRY_AFTER,
                header::LOCATION,
                header::DATE,
                HeaderName::from_static("bellwire-stream"),
            ])
            .max_age(MAX_AGE)
            .vary([header::ORIGIN])
    }

    /// Checks that a request with these headers may open a WebSocket: from no browser, a page of the same host, or one listed.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(());
        };
        let refused = |page: &str| {
            let detail = format!("{page} may not connect; gateway.origins names those that may");
            Problem::new(StatusCode::FORBIDDEN, "origin-refused", detail)
        };
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

impl Origin {
    /// True if this host is its own. The scheme does not count: a proxy in front may speak TLS.
    fn is_at(&self, host: &HeaderValue) -> bool {
        let (Ok(host), Some((scheme, _))) = (host.to_str(), self.0.split_once("://")) else {
            return false;
        };
        format!("{scheme}://{host}").parse() == Ok(self.clone())
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} {why}; write each as https://app.example or http://localhost:5173");
        let url = Url::parse(text).map_err(|error| wrong(&format!("is no origin ({error})")))?;
        let origin = url[..Position::BeforePath].to_ascii_lowercase();
        if origin.contains('*') {
            return Err(wrong("has a wildcard, and each origin must be named"));
        }
        let with_usual_port = url.port_or_known_default().map(|port| format!("{origin}:{port}"));
        // Compared with what was written, so that nothing the parser has normalised or left out is accepted; nor is a user.
        let written = text.to_ascii_lowercase();
        if url.has_host() && !origin.contains([',', '@']) && (written == origin || Some(written) == with_usual_port) {
            return Ok(Self(origin));
        }
        let has_path = text.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']));
        Err(wrong(if has_path {
            "has a path, and an origin is scheme, host and port alone"
        } else {
            "is not scheme, host and port as browsers write them"
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        deserializer.deserialize_any(OriginsVisitor)
    }
}

/// A visitor and no untagged enum, so that an error names the entry of the list.
struct OriginsVisitor;

impl<'de> Visitor<'de> for OriginsVisitor {
    type Value = Origins;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of origins")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Origins, E> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(str::parse).collect::<Result<_, _>>().map(Origins).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Origins, A::Error> {
        BTreeSet::deserialize(SeqAccessDeserializer::new(entries)).map(Origins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(text: &str) -> Origins {
        OriginsVisitor.visit_str::<de::value::Error>(text).unwrap()
    }

    fn permits(listed: &str, headers: &[(HeaderName, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        origins(listed).check(&all).is_ok()
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
