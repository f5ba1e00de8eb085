# shellcheck shell=bash
# Certificates below $folder/certificates: of an authority of our own (ca) for a server on 127.0.0.1 and no other name (server; expired,
# with the same key) and for a client called `certified` (client); and another authority (other-ca).

make_certificates() {
  local home=${folder:?}/certificates
  mkdir -m 711 "$home"
  (
    cd "$home"
    authority ca
    authority other-ca
    request server
    request certified client
    printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >server.extensions
    sign server -extfile server.extensions
    printf 'basicConstraints=CA:FALSE\n' >client.extensions
    sign client -extfile client.extensions
    printf '%s\n' '[ca]' 'default_ca=this' '[this]' new_certs_dir=. database=index serial=serial default_md=sha256 policy=any \
      x509_extensions=server '[any]' commonName=supplied '[server]' subjectAltName=IP:127.0.0.1 >ca.conf
    touch index
    openssl ca -batch -config ca.conf -create_serial -cert ca.pem -keyfile ca.key -startdate 20200101000000Z \
      -enddate 20200201000000Z -notext -in server.csr -out expired.pem
    chmod 644 ./*.pem
    [ "$(find . -name '*.pem' -size +0 | grep -cE '/(ca|other-ca|server|client|expired)\.pem$')" -eq 5 ]
  ) >"$folder/certificates.log" 2>&1 || { cat "$folder/certificates.log" >&2 && fail "openssl could not make the certificates"; }
}

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=authority $1" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout "$1.key" -out "$1.pem"
}

# request NAME [FILE]
request() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "${2:-$1}.key" -out "${2:-$1}.csr"
}

sign() {
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "$1.pem" "${@:2}"
}
