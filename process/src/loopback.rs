//! Which hosts are this machine, where secrets may travel without TLS.

use std::net::IpAddr;

/// True for `localhost` and for addresses of loopback, with or without the brackets that an URL has around those of IPv6.
pub fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_this_machine_by_its_name_or_its_address_alone() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "[::2]", "[::1", "", "example.com"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
