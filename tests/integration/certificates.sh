#!/bin/sh
# Usage: certificates.sh FOLDER
#
# Makes the keys and certificates that the tests of TLS need: ca.crt, and by it server.crt for localhost, client.crt and
# expired.crt, which has run out; by another CA, other-ca.crt, stranger.crt. Each NAME.crt has its
# NAME.key.
set -eu
cd "$1"

issue() { # NAME CA OPTION...
    name=$1 ca=$2
    shift 2
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" -subj "/CN=$name" 2>/dev/null |
        openssl x509 -req -CA "$ca.crt" -CAkey "$ca.key" -extfile names -out "$name.crt" "$@" 2>/dev/null
}

echo 'subjectAltName=DNS:localhost' >names
for ca in ca other-ca; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $ca.key -out $ca.crt \
        -subj "/CN=$ca" -days 30 2>/dev/null
done
issue server ca -days 30
issue expired ca -days -1
issue client ca -days 30
issue stranger other-ca -days 30
chmod 600 ./*.key
