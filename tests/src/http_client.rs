//! A client for plain HTTP.

use reqwest::Client;

/// A client that believes no certificate: to read those of the system takes longer than most of the requests here.
pub fn http_client() -> Client {
    Client::builder().tls_certs_only([]).build().unwrap()
}
