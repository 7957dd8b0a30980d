/* SPDX-License-Identifier: MIT */
/*
 * tls.h – the one place that makes a client SSL_CTX.
 *
 * TLS 1.2 or later, peer and host name always verified, trust either in one
 * CA file that the operator named or in the system's hashed directory, read
 * certificate by certificate when needed. No relative path, no environment
 * variable (SSL_CERT_FILE) and no library default can change that.
 */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stddef.h>

#include <openssl/types.h>

/* Debian's hashed directory (package ca-certificates). */
#define TLS_CA_DIRECTORY "/etc/ssl/certs"

enum {
	TLS_HOST_SIZE = 254,
	TLS_ERROR_SIZE = 160,
	TLS_PIN_LEN = 32, /* bytes of a SHA-256 */
};

/* Whom a context's connections must reach, and why the last one did not. */
struct tls_peer {
	char
	    host[TLS_HOST_SIZE]; /* a name, or a numeric address, unbracketed */
	/*
	 * After a failed handshake, what an operator can act on:
	 * "certificate has expired", "hostname mismatch", "wrong version
	 * number" (the other side speaks no TLS) …; else "".
	 */
	char error[TLS_ERROR_SIZE];
};

/*
 * Makes a context that trusts the certificates in CA_FILE (PEM, absolute
 * path) and nothing else, or TLS_CA_DIRECTORY if CA_FILE is NULL. Every
 * connection made from it, by whatever library, asks for PEER's host (SNI,
 * RFC 6066 3) and accepts no other (RFC 6125). Returns 0, -EINVAL (relative
 * path), -ENOENT/-EACCES, -EBADMSG (no certificate in it) or -ENOMEM; the
 * reason is logged.
 */
int tls_client_context_new(
    SSL_CTX **ctx_out, const char *ca_file, struct tls_peer *peer);

/*
 * Makes CTX trust the one certificate whose DER encoding has the SHA-256 PIN,
 * TLS_PIN_LEN bytes, which are copied; neither its issuer nor its names and
 * dates count then. For devices that sign their own. 0 or -ENOMEM.
 */
int tls_context_pin(SSL_CTX *ctx, const unsigned char *pin);

/*
 * After this PEER is no longer used, even by connections that still hold the
 * context; no new handshake may begin with it. NULL-safe, clears *CTX.
 */
void tls_client_context_free(SSL_CTX **ctx);

#endif
