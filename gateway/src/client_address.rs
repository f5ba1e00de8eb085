//! The address of a client behind proxies, for the log alone: nothing is decided by it.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use ppp::{HeaderResult, v1, v2};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Most bytes of a header of the PROXY protocol's second version, beyond its first 16; addresses take 216 of them.
const MAX_V2_BYTES: u16 = 2048;
/// Most bytes of one of the first version, its line end included.
const MAX_V1_BYTES: usize = 107;
const V2_START: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// How a proxy tells the address of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAddress {
    /// It is not logged.
    #[default]
    None,
    /// By none: it is the socket's.
    Socket,
    /// By the header `X-Forwarded-For`.
    XForwardedFor,
    /// By the header `Forwarded` (RFC 7239).
    Forwarded,
    /// By a header of the PROXY protocol, version 1 or 2, before all else on a connection.
    ProxyProtocol,
}

/// An address, or a network such as `10.0.0.0/8`, of proxies that are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// True if the address is in it; of IPv4 also as IPv6 writes it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse());
        network.map(Self).map_err(|_| "it is no address and no network such as 10.0.0.0/8".to_owned())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// True if one of the networks contains the address.
pub(crate) fn is_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// The address of a request's client, if it is logged: from the list in the header the last that no trusted proxy has.
pub(crate) fn of_request(
    peer: IpAddr,
    headers: &HeaderMap,
    source: ClientAddress,
    trusted: &[Network],
) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| is_in(trusted, address);
    let mut address = peer.to_canonical();
    let (name, read): (_, fn(&str) -> Option<IpAddr>) = match source {
        ClientAddress::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), node),
        ClientAddress::Forwarded => (header::FORWARDED, forwarded_for),
        ClientAddress::Socket | ClientAddress::ProxyProtocol => return Some(address),
        ClientAddress::None => return None,
    };
    let lines: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut entries = lines.iter().flat_map(|line| line.split(',')).rev();
    while is_trusted(address)
        && let Some(next) = entries.next().and_then(read)
    {
        address = next.to_canonical();
    }
    Some(address)
}

/// The address of an element of `Forwarded`, as in `for="[2001:db8::17]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    named.next().and_then(|(_, value)| node(value.trim().trim_matches('"')))
}

/// An address, perhaps with a port and in brackets; none where a proxy hides it.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Reads the header of the PROXY protocol and nothing beyond it: the client's address, or none where the proxy itself
/// speaks, as to see whether the pod is well.
pub(crate) async fn read_proxy_header(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "it begins with no header of the PROXY protocol");
    let mut header = vec![0; V2_START.len()];
    socket.read_exact(&mut header).await?;
    if header == V2_START {
        header.resize(16, 0);
        socket.read_exact(&mut header[V2_START.len()..]).await?;
        let length = u16::from_be_bytes([header[14], header[15]]);
        if length > MAX_V2_BYTES {
            return Err(invalid());
        }
        header.resize(16 + usize::from(length), 0);
        socket.read_exact(&mut header[16..]).await?;
    } else {
        while header.starts_with(b"PROXY ") && header.len() < MAX_V1_BYTES && !header.ends_with(b"\r\n") {
            header.push(socket.read_u8().await?);
        }
    }
    match HeaderResult::parse(&header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
            v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            v2::Addresses::IPv4(addresses) => Some(addresses.source_address.into()),
            v2::Addresses::IPv6(addresses) => Some(addresses.source_address.into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, source: ClientAddress, header: &str) -> String {
        let mut headers = HeaderMap::new();
        let name = if source == ClientAddress::Forwarded { "forwarded" } else { "x-forwarded-for" };
        for line in header.split('|') {
            headers.append(name, line.parse().unwrap());
        }
        let trusted: Vec<Network> = ["10.0.0.0/8", "2001:db8::1"].map(|text| text.parse().unwrap()).into();
        of_request(peer.parse().unwrap(), &headers, source, &trusted).unwrap().to_string()
    }

    #[test]
    fn a_client_is_the_last_address_that_no_trusted_proxy_has() {
        use ClientAddress::{Forwarded, Socket, XForwardedFor};
        for (peer, source, header, expected) in [
            ("10.0.0.7", XForwardedFor, "192.0.2.1", "192.0.2.1"),
            ("::ffff:10.0.0.7", XForwardedFor, "192.0.2.1", "192.0.2.1"),
            ("10.0.0.7", XForwardedFor, "6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("10.0.0.7", XForwardedFor, "6.6.6.6|192.0.2.1", "192.0.2.1"),
            ("10.0.0.7", XForwardedFor, "192.0.2.1:4711", "192.0.2.1"),
            ("10.0.0.7", XForwardedFor, "2001:db8::17", "2001:db8::17"),
            ("10.0.0.7", XForwardedFor, "unknown", "10.0.0.7"),
            ("192.0.2.9", XForwardedFor, "6.6.6.6", "192.0.2.9"),
            ("10.0.0.7", Socket, "6.6.6.6", "10.0.0.7"),
            ("2001:db8::1", Forwarded, "for=192.0.2.1;proto=https;by=10.0.0.7", "192.0.2.1"),
            ("10.0.0.7", Forwarded, "For=\"[2001:db8::17]:4711\"", "2001:db8::17"),
            ("10.0.0.7", Forwarded, "for=6.6.6.6, for=\"192.0.2.1:80\", for=10.2.2.2", "192.0.2.1"),
            ("10.0.0.7", Forwarded, "for=_hidden", "10.0.0.7"),
        ] {
            assert_eq!(client(peer, source, header), expected, "{peer} {source:?} {header}");
        }
        for bad in ["", "10.0.0.0/33", "proxy.example", "10.0.0"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_header_of_the_proxy_protocol_is_read_and_nothing_beyond_it() {
        let mut v2 = V2_START.to_vec();
        v2.extend([0x21, 0x11, 0, 12, 192, 0, 2, 1, 10, 0, 0, 7, 0x12, 0x67, 0x1f, 0x90]);
        let mut local = V2_START.to_vec();
        local.extend([0x20, 0, 0, 0]);
        let v1 = b"PROXY TCP6 2001:db8::17 2001:db8::1 4711 443\r\n".to_vec();
        for (header, expected) in [
            (v2, Some("192.0.2.1")),
            (local, None),
            (v1, Some("2001:db8::17")),
            (b"PROXY TCP4 192.0.2.1 10.0.0.7 4711 443\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
        ] {
            let sent = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let mut rest = &sent[..];
            let read = read_proxy_header(&mut rest).await.unwrap();
            assert_eq!(read.map(|address| address.to_string()).as_deref(), expected);
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
        let endless = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 500]].concat();
        let mut too_long = V2_START.to_vec();
        too_long.extend([0x21, 0x11, 0xff, 0xff]);
        for bad in
            [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), b"PROXY TCP4 x y 1 2\r\n".to_vec(), endless, too_long]
        {
            assert!(read_proxy_header(&mut &bad[..]).await.is_err(), "{bad:?}");
        }
    }
}
