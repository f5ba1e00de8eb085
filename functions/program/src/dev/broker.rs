//! The backplane of `bellwire dev`: in memory, or on a RabbitMQ, so that workers of other programs and languages take part.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ::process::Settings;
use anyhow::Context;
use backplane::{Backplane, BackplaneConfig, memory};
use model::{Environment, Kind};
use signing::VerifyingKey;

const SECRET_BYTES: usize = 32;

/// Where the environments' logs and jobs are.
pub(crate) enum Broker {
    Memory(memory::Broker),
    RabbitMq(BackplaneConfig),
}

impl Broker {
    /// The broker of the flags: the settings' one where there is an address.
    pub(crate) fn new(settings: &Settings, url: Option<&str>) -> anyhow::Result<Self> {
        match url {
            None => Ok(Self::Memory(memory::Broker::new())),
            Some(_) => Ok(Self::RabbitMq(settings.section("backplane")?)),
        }
    }

    /// The backplane of an environment, with queues for these kinds.
    pub(crate) async fn environment(&self, name: &Environment, kinds: &[Kind]) -> anyhow::Result<Backplane> {
        match self {
            Self::Memory(broker) => Ok(broker.environment(name)),
            Self::RabbitMq(config) => {
                Backplane::declare(config, name, kinds).await.context("--backplane")?;
                Ok(Backplane::open(config, name)?)
            }
        }
    }

    /// What a worker of another program sets to take part in an environment.
    pub(crate) fn remark(&self, name: &Environment, key: &VerifyingKey) -> Option<String> {
        match self {
            Self::Memory(_) => None,
            Self::RabbitMq(BackplaneConfig { prefix, .. }) => Some(format!(
                "Workers of other programs in {name}: names on the broker begin with {prefix}, and jobs are signed with {key}"
            )),
        }
    }

    /// The secret of an environment. In memory it ends with the process; beside a broker it is kept in the data folder,
    /// because the workers of other programs have its public key in their settings.
    pub(crate) fn secret(&self, data: &Path, name: &Environment) -> anyhow::Result<[u8; SECRET_BYTES]> {
        match self {
            Self::Memory(_) => Ok(rand::random()),
            Self::RabbitMq(_) => {
                let file = data.join(format!("{name}.secret"));
                kept_secret(&file).with_context(|| format!("the secret in {}", file.display()))
            }
        }
    }
}

fn kept_secret(file: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    match fs::read(file) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it has not {SECRET_BYTES} bytes; remove it for a new one"),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret: [u8; SECRET_BYTES] = rand::random();
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(&secret)?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_kept_secret_is_the_same_again_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev.secret");
        let secret = kept_secret(&file).unwrap();
        assert_eq!(kept_secret(&file).unwrap(), secret);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, "short").unwrap();
        assert!(kept_secret(&file).unwrap_err().to_string().contains("32 bytes"));
    }
}
