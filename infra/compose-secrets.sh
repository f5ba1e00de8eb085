#!/bin/sh
# Invents what compose.yaml needs: passwords in infra/.env, the key of tokens in infra/secrets/hs256. What is there is left alone.
set -eu
cd "$(dirname "$0")"
umask 077

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

[ -e .env ] || for role in TOPOLOGY GATEWAY WORKER PUBLISHER OPERATOR SCALER EVERYWHERE DATABASE; do
  echo "BELLWIRE_${role}_PASSWORD=$(random)"
done >.env
mkdir -p secrets
[ -e secrets/hs256 ] || random >secrets/hs256
chmod 644 secrets/hs256 # read in the containers by their own user; the folder above it is closed
echo "infra/.env and infra/secrets/hs256 are there"
