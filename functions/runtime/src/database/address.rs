//! The address of a PostgreSQL database.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tracing::warn;
use url::Url;

/// Those that name an authority.
const AUTHORITY: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// The parameters that have an effect; of `options[…]` only the beginning.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Reads an address; the reason why it cannot be read shows nothing of it.
pub(super) fn read(setting: &str, address: &str) -> Result<PgConnectOptions, &'static str> {
    const NONE: &str = "it is no address of a PostgreSQL database";
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let after_host = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    let path = after_host.split('?').next().unwrap_or_default();
    // Else `postgres://user:12#3@server` would be the server `user`.
    if after_host.contains('#') || path.contains('@') {
        return Err("a `#`, `/` or `@` of a user, password or name must be written as %23, %2F or %40");
    }
    let mut url: Url = address.parse().map_err(|_| NONE)?;
    let (known, unknown): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(name, _)| has_effect(name));
    if unknown.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("ssl")) {
        // A misspelt `sslmode` would let anybody be the server.
        return Err("of the parameters that begin with `ssl` it may have sslmode, sslrootcert, sslcert and sslkey");
    }
    let names_authority = known.iter().any(|(name, _)| AUTHORITY.contains(&name.as_str()));
    if !unknown.is_empty() {
        // sqlx would log their values, and one may be a password.
        let parameters: Vec<_> = unknown.iter().map(|(name, _)| name.as_str()).collect();
        warn!(setting, ?parameters, "these parameters of the address have no effect");
        url.query_pairs_mut().clear().extend_pairs(known);
    }
    let options: PgConnectOptions = url.as_str().parse().map_err(|_| NONE)?;
    if names_authority && !matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull) {
        // sqlx looks at no certificate then.
        return Err(
            "sslrootcert has no effect without sslmode=verify-full (or verify-ca); sslmode=disable is without TLS",
        );
    }
    // sqlx keeps the brackets of IPv6, and looks for a server of that name.
    let bare = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    Ok(match bare {
        Some(bare) => options.host(&bare),
        None => options,
    })
}

fn has_effect(parameter: &str) -> bool {
    PARAMETERS.contains(&parameter) || parameter.starts_with("options[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: &str) -> String {
        read("database.url", address).unwrap().get_host().to_owned()
    }

    #[test]
    fn no_address_is_replaced_and_that_of_ipv6_has_no_brackets() {
        assert_eq!(host("postgres://ada:secret@db.example:5433/books"), "db.example");
        assert_eq!(host("postgres://ada:secret@[2001:db8::5]:5433/books"), "2001:db8::5");
        assert_eq!(host("postgres://ada@[::1]/books?sslmode=disable"), "::1");
        assert_eq!(host("postgres://ada@[::1]/books?host=10.0.0.7"), "10.0.0.7", "the last that is said");
        assert_eq!(host("postgres://ada@one/books?hostaddr=2001:db8::5"), "2001:db8::5");
        assert!(read("database.url", "postgres://ada@[::1/books").is_err());
    }

    #[test]
    fn a_parameter_without_effect_is_left_out_and_the_others_stay() {
        let address = "postgres://ada@db/books?passfile=hunter2&options[search_path]=shop&port=5433&schema=x%26y";
        let options = read("database.url", address).unwrap();
        assert_eq!((options.get_port(), options.get_options()), (5433, Some("-c search_path=shop")));
    }

    #[test]
    fn a_certificate_that_nobody_would_look_at_is_an_error_and_nothing_of_it_is_shown() {
        let reason = |query: &str| read("database.url", &format!("postgres://ada:hunter2@db/books?{query}")).err();
        for query in [
            "sslrootcert=/ca.pem",
            "sslmode=require&sslrootcert=/ca.pem",
            "ssl-ca=/ca.pem&sslmode=prefer",
            "sslmode=disable&ssl-root-cert=/ca.pem",
        ] {
            assert!(reason(query).unwrap().contains("sslmode=verify-full"), "{query}");
        }
        for query in ["sslmod=verify-full", "sslmode=verify-full&sslRootCert=/ca.pem", "sslpassword=hunter2"] {
            let reason = reason(query).unwrap();
            assert!(reason.contains("begin with `ssl`") && !reason.contains("hunter2"), "{query}: {reason}");
        }
        for query in ["sslmode=verify-full&sslrootcert=/ca.pem", "ssl-ca=/ca.pem&ssl-mode=verify-ca", "sslmode=require"]
        {
            assert_eq!(reason(query), None, "{query}");
        }
    }
}
