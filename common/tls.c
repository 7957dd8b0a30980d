/* SPDX-License-Identifier: MIT */
/*
 * tls.c – client contexts that verify, whoever uses them.
 *
 * The host is set and checked from the context's info callback, at the start
 * of each handshake, because the libraries that make the connections from
 * our context do not do it alike (libwebsockets cuts names at 127 bytes and
 * IPv6 addresses at their first colon).
 */
#include "common/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/log.h"

static bool
is_numeric(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1;
}

/* SNI carries names only (RFC 6066 3), so a numeric host takes it back. */
static int
require_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_numeric(host)) {
		return X509_VERIFY_PARAM_set1_host(param, NULL, 0) &&
		       X509_VERIFY_PARAM_set1_ip_asc(param, host) &&
		       SSL_set_tlsext_host_name(ssl, NULL);
	}
	return X509_VERIFY_PARAM_set1_host(param, host, 0) &&
	       SSL_set_tlsext_host_name(ssl, host);
}

static void
explain(struct tls_peer *peer, const SSL *ssl)
{
	unsigned long code = ERR_peek_last_error();
	long verify = SSL_get_verify_result(ssl);
	const char *why = NULL;

	if (verify != X509_V_OK)
		why = X509_verify_cert_error_string(verify);
	else if (code)
		why = ERR_reason_error_string(code);
	if (why)
		snprintf(peer->error, sizeof(peer->error), "%s", why);
}

static void
on_info(const SSL *ssl, int where, int ret)
{
	struct tls_peer *peer = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!peer)
		return;
	if ((where & SSL_CB_HANDSHAKE_START) && SSL_in_before(ssl)) {
		/* The callback's const is for readers; this is set-up. */
		SSL *mutable = (SSL *)(uintptr_t)ssl;

		peer->error[0] = '\0';
		if (!require_host(mutable, peer->host)) {
			/* No name to check against must mean no trust. */
			X509_VERIFY_PARAM_set1_host(
			    SSL_get0_param(mutable), "invalid.", 0);
		}
	}
	if ((where & SSL_CB_EXIT) && ret <= 0)
		explain(peer, ssl);
}

static int
load_trust(SSL_CTX *ctx, const char *ca_file)
{
	if (!ca_file) {
		if (SSL_CTX_load_verify_dir(ctx, TLS_CA_DIRECTORY) != 1)
			return -ENOENT;
		return 0;
	}
	if (ca_file[0] != '/') {
		log_err("CA file must be an absolute path file=%s", ca_file);
		return -EINVAL;
	}
	if (access(ca_file, R_OK) != 0) {
		int err = errno;

		log_err("cannot read CA file file=%s error=\"%s\"", ca_file,
		    strerror(err));
		return -err;
	}
	if (SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
		log_err("no usable certificate in CA file file=%s", ca_file);
		return -EBADMSG;
	}
	return 0;
}

int
tls_client_context_new(
    SSL_CTX **ctx_out, const char *ca_file, struct tls_peer *peer)
{
	SSL_CTX *ctx;
	int r = -ENOMEM;

	assert(peer && peer->host[0]);
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		goto fail;
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_app_data(ctx, peer))
		goto fail;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	r = load_trust(ctx, ca_file);
	if (r)
		goto fail;
	*ctx_out = ctx;
	return 0;
fail:
	ERR_clear_error();
	SSL_CTX_free(ctx);
	*ctx_out = NULL;
	return r;
}

/* -- one certificate and no other ------------------------------------------ */

/* The copy goes with its context, which connections may keep alive. */
static void
free_pin(void *parent, void *pin, CRYPTO_EX_DATA *ad, int index, long argl,
    void *argp)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	OPENSSL_free(pin);
}

/* In place of the verification of a chain: 1 trusted, 0 not. */
static int
verify_pin(X509_STORE_CTX *store, void *pin)
{
	X509 *certificate = X509_STORE_CTX_get0_cert(store);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (certificate &&
	    X509_digest(certificate, EVP_sha256(), digest, &len) &&
	    len == TLS_PIN_LEN && CRYPTO_memcmp(digest, pin, len) == 0) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

int
tls_context_pin(SSL_CTX *ctx, const unsigned char *pin)
{
	static int pin_index = -1;
	void *copy;

	if (pin_index < 0)
		pin_index =
		    SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pin);
	copy = OPENSSL_memdup(pin, TLS_PIN_LEN);
	if (pin_index < 0 || !copy ||
	    !SSL_CTX_set_ex_data(ctx, pin_index, copy)) {
		OPENSSL_free(copy);
		return -ENOMEM;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_pin, copy);
	return 0;
}

void
tls_client_context_free(SSL_CTX **ctx)
{
	if (*ctx)
		SSL_CTX_set_app_data(*ctx, NULL);
	SSL_CTX_free(*ctx);
	*ctx = NULL;
}
