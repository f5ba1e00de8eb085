//! The hosts of a gateway that hands out tokens. A page whose name its owner lets resolve to loopback (DNS rebinding) is
//! of the same origin to a browser; its requests name that host.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{api::problem::Problem, pod::Pod};

/// Answers 421 to a request that is not to `localhost` or a loopback address. Where the gateway listens beyond loopback
/// any address will do, since no page has one by DNS.
pub(crate) async fn check(State(pod): State<Pod>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none()).and_then(|host| host.as_bytes().try_into().ok());
    let any_address = !pod.config.listen.ip().is_loopback();
    let is_ours = |authority: &Authority| is_ours(authority, any_address);
    if host.as_ref().is_some_and(is_ours) && request.uri().authority().is_none_or(is_ours) {
        return next.run(request).await;
    }
    let detail = "`bellwire dev` answers to localhost and loopback addresses alone, as in Host: localhost:8080";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "host-refused", detail).into_response()
}

fn is_ours(authority: &Authority, any_address: bool) -> bool {
    let host = authority.host();
    if authority.as_str().contains('@') {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse().is_ok_and(|ip: Ipv6Addr| any_address || ip.to_canonical().is_loopback());
    }
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: Ipv4Addr| any_address || ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_ours_and_beyond_it_only_addresses() {
        let ours = |host: &str, any| host.parse().is_ok_and(|host| is_ours(&host, any));
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:8080", "[::ffff:127.0.0.1]"] {
            assert!(ours(host, false), "{host}");
        }
        for host in ["10.0.0.7:8080", "0.0.0.0", "[fe80::1]:8080"] {
            assert!(!ours(host, false) && ours(host, true), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost.",
            "a.localhost",
            "evil@localhost",
            "localhost@evil.example",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "127.0.0.01",
            "[::1",
            "::1",
            "localhost,evil.example",
            "localhost evil.example",
            "localhost/evil",
            "",
            ":8080",
        ] {
            assert!(!ours(host, false) && !ours(host, true), "{host}");
        }
    }
}
