//! Where admin ports listen: one setting for the host of all, and a port for each process.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use serde::{Deserialize, Deserializer, de::Error};

/// `[admin]`; each field names its variable and default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// `BELLWIRE_ADMIN__HOST`: the address of every admin port that has no address of its own. `127.0.0.1`.
    pub host: IpAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into() }
    }
}

/// A port on `admin.host`, or an address: `9090`, `10.0.0.7:9090`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AdminListen {
    host: Option<IpAddr>,
    port: u16,
}

impl AdminListen {
    /// A port on `admin.host`; 0 takes a free one.
    pub const fn port(port: u16) -> Self {
        Self { host: None, port }
    }

    /// The address to bind.
    pub fn address(self, config: &AdminConfig) -> SocketAddr {
        SocketAddr::new(self.host.unwrap_or(config.host), self.port)
    }
}

impl fmt::Debug for AdminListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(host) => write!(f, "{}", SocketAddr::new(host, self.port)),
            None => write!(f, "{}", self.port),
        }
    }
}

impl<'de> Deserialize<'de> for AdminListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Ok(port) = text.parse() {
            return Ok(Self::port(port));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            D::Error::custom(format!("{text:?} is no port and no address; write it like 9090 or 10.0.0.7:9090"))
        })?;
        Ok(Self { host: Some(address.ip()), port: address.port() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Layers, Settings};

    #[derive(Debug, Deserialize)]
    struct Gateway {
        admin_listen: AdminListen,
    }

    fn address(flags: &[(&str, &str)]) -> Result<String, String> {
        let flags = flags.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::read(Layers { flags, ..Layers::default() }).unwrap();
        let gateway: Gateway = settings.section("gateway").map_err(|error| error.to_string())?;
        let config: AdminConfig = settings.section("admin").map_err(|error| error.to_string())?;
        Ok(gateway.admin_listen.address(&config).to_string())
    }

    #[test]
    fn a_port_alone_is_on_loopback_until_one_setting_opens_all() {
        assert_eq!(AdminListen::port(9090).address(&AdminConfig::default()).to_string(), "127.0.0.1:9090");
        assert_eq!(address(&[("gateway.admin_listen", "9090")]).unwrap(), "127.0.0.1:9090");
        let opened = [("gateway.admin_listen", "9090"), ("admin.host", "0.0.0.0")];
        assert_eq!(address(&opened).unwrap(), "0.0.0.0:9090");
        let own = [("gateway.admin_listen", "10.0.0.7:9090"), ("admin.host", "0.0.0.0")];
        assert_eq!(address(&own).unwrap(), "10.0.0.7:9090");
        assert_eq!(address(&[("gateway.admin_listen", "1"), ("admin.host", "::")]).unwrap(), "[::]:1");
    }

    #[test]
    fn what_is_no_port_and_no_address_is_named_with_its_setting() {
        for bad in ["", "admin", "70000", ":9090", "localhost:9090", "-1"] {
            let error = address(&[("gateway.admin_listen", bad)]).unwrap_err();
            assert!(error.starts_with("gateway.admin_listen (BELLWIRE_GATEWAY__ADMIN_LISTEN): "), "{error}");
            assert!(error.contains(&format!("{bad:?} is no port")), "{error}");
        }
        let error = address(&[("gateway.admin_listen", "1"), ("admin.host", "everywhere")]).unwrap_err();
        assert!(error.starts_with("admin.host (BELLWIRE_ADMIN__HOST): "), "{error}");
    }
}
