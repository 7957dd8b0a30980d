/* SPDX-License-Identifier: MIT */
/*
 * http_setup.c – what holds for every request, and what one asks for.
 *
 * Nothing of the environment gets in: no proxy, no ~/.netrc, no redirect, no
 * scheme but http and https, no trust but the operator's.
 */
#include "common/http_setup.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/tls.h"

enum {
	CONNECT_TIMEOUT_MS = 3000,
	METHOD_MAX = 16,
	HOST_MAX = 253,
};

static bool
is_method(const char *method)
{
	if (!method[0] || strlen(method) > METHOD_MAX)
		return false;
	for (; *method; method++) {
		if (!isupper((unsigned char)*method))
			return false;
	}
	return true;
}

/* The parts of the URL that we look at, freed with free_parts(). */
struct url_parts {
	char *scheme;
	char *host;
	char *port;
};

static void
free_parts(struct url_parts *parts)
{
	curl_free(parts->scheme);
	curl_free(parts->host);
	curl_free(parts->port);
}

static int
split_url(const char *text, struct url_parts *parts)
{
	CURLU *url = curl_url();
	char *user = NULL;
	char *password = NULL;
	int r = -ENOMEM;

	if (!url)
		return -ENOMEM;
	r = -EINVAL;
	if (curl_url_set(url, CURLUPART_URL, text, 0) ||
	    curl_url_get(url, CURLUPART_SCHEME, &parts->scheme, 0) ||
	    curl_url_get(url, CURLUPART_HOST, &parts->host, 0) ||
	    curl_url_get(url, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT))
		goto out;
	if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
		goto out; /* it would end up in logs */
	if (strcmp(parts->scheme, "http") != 0 &&
	    strcmp(parts->scheme, "https") != 0)
		goto out;
	r = 0;
out:
	curl_free(user);
	curl_free(password);
	curl_url_cleanup(url);
	return r;
}

/* "+host:port:address,[address]…": '+' lets the entry expire. */
static int
make_resolve(struct http_setup *setup, const struct url_parts *parts,
    const struct http_request_config *config)
{
	char entry[NET_ADDRESSES_MAX * (NET_ADDRESS_IP_SIZE + 3) + 280];
	size_t n;

	if (config->address_count > NET_ADDRESSES_MAX ||
	    strlen(parts->host) > HOST_MAX)
		return -EINVAL;
	n = (size_t)snprintf(
	    entry, sizeof(entry), "+%s:%s:", parts->host, parts->port);
	for (size_t i = 0; i < config->address_count; i++) {
		const struct net_address *address = &config->addresses[i];
		bool ipv6 = net_address_is_ipv6(address);

		n += (size_t)snprintf(entry + n, sizeof(entry) - n, "%s%s%s%s",
		    i ? "," : "", ipv6 ? "[" : "", address->ip,
		    ipv6 ? "]" : "");
	}
	setup->resolve = curl_slist_append(NULL, entry);
	return setup->resolve ? 0 : -ENOMEM;
}

static int
check_url(struct http_setup *setup, const struct http_request_config *config)
{
	struct url_parts parts = {0};
	struct net_address numeric;
	int r = split_url(config->url, &parts);

	if (r)
		goto out;
	snprintf(setup->endpoint, sizeof(setup->endpoint), "%s:%s", parts.host,
	    parts.port);
	r = -EINVAL;
	if (config->plaintext_forbidden && strcmp(parts.scheme, "https") != 0)
		goto out;
	r = 0;
	if (net_address_parse(parts.host, 0, &numeric) == 0)
		goto out; /* nothing to resolve */
	if (config->address_count > 0)
		r = make_resolve(setup, &parts, config);
	else if (config->resolve_forbidden)
		r = -EINVAL;
out:
	free_parts(&parts);
	return r;
}

static int
add_header(struct http_setup *setup, const char *line)
{
	struct curl_slist *list = curl_slist_append(setup->headers, line);

	if (!list)
		return -ENOMEM;
	setup->headers = list;
	return 0;
}

static void
free_wiped(void *block, size_t size)
{
	if (block)
		explicit_bzero(block, size);
	free(block);
}

/*
 * RFC 7617 2. Not CURLOPT_PASSWORD: libcurl would keep it for as long as the
 * connection lives.
 */
static int
add_basic(struct http_setup *setup, const char *user, const char *password)
{
	static const char head[] = "Authorization: Basic ";
	size_t plain_size = strlen(user) + 1 + strlen(password) + 1;
	size_t line_size = sizeof(head) + (plain_size + 2) / 3 * 4;
	char *plain = malloc(plain_size);
	char *line = malloc(line_size);
	int r = -ENOMEM;

	if (strchr(user, ':')) {
		r = -EINVAL;
	} else if (plain && line) {
		snprintf(plain, plain_size, "%s:%s", user, password);
		memcpy(line, head, sizeof(head));
		EVP_EncodeBlock((unsigned char *)line + sizeof(head) - 1,
		    (const unsigned char *)plain, (int)plain_size - 1);
		r = add_header(setup, line);
	}
	free_wiped(plain, plain_size);
	free_wiped(line, line_size);
	return r;
}

static int
add_headers(struct http_setup *setup, const struct http_request_config *config)
{
	bool authorized = false;
	int r = 0;

	for (size_t i = 0; config->headers && config->headers[i]; i++) {
		const char *line = config->headers[i];
		const char *colon = strchr(line, ':');

		if (!colon || colon == line || strpbrk(line, "\r\n"))
			return -EINVAL;
		authorized |= strncasecmp(line, "Authorization:", 14) == 0;
		r = add_header(setup, line);
		if (r)
			return r;
	}
	if (config->user && !authorized)
		r = add_basic(setup, config->user,
		    config->password ? config->password : "");
	if (r)
		return r;
	/* Else curl waits up to 1 s for a "100 Continue" with large bodies. */
	return add_header(setup, "Expect:");
}

#define SET(option, value)                                                     \
	do {                                                                   \
		if (curl_easy_setopt(easy, option, value) != CURLE_OK)         \
			return -ENOMEM;                                        \
	} while (0)

/* What holds for all requests: bounds, trust, and no surprises. */
static int
set_policy(CURL *easy, const char *ca_file, long idle_s)
{
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CAINFO, ca_file);
	SET(CURLOPT_CAPATH, ca_file ? NULL : TLS_CA_DIRECTORY);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_MAXAGE_CONN, idle_s);
	return 0;
}

static CURLcode
on_context(CURL *easy, void *ctx, void *arg)
{
	const struct http_setup *setup = arg;

	(void)easy;
	return tls_context_pin(ctx, setup->pin) == 0 ? CURLE_OK
						     : CURLE_OUT_OF_MEMORY;
}

/* The pin decides alone; a name to check would be one more than there is. */
static int
set_pin(struct http_setup *setup, CURL *easy, const unsigned char *pin)
{
	memcpy(setup->pin, pin, sizeof(setup->pin));
	SET(CURLOPT_SSL_VERIFYHOST, 0L);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_context);
	SET(CURLOPT_SSL_CTX_DATA, setup);
	return 0;
}

static int
set_body(struct http_setup *setup, CURL *easy,
    const struct http_request_config *config)
{
	size_t len = config->body ? config->body_len : 0;

	setup->body = malloc(len + 1);
	if (!setup->body)
		return -ENOMEM;
	setup->body_len = len;
	if (len > 0)
		memcpy(setup->body, config->body, len);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	SET(CURLOPT_POSTFIELDS, setup->body);
	return 0;
}

static int
set_method(struct http_setup *setup, CURL *easy,
    const struct http_request_config *config)
{
	const char *method = config->method;
	int r;

	if (method && !is_method(method))
		return -EINVAL;
	/* A POST has a body, be it empty (RFC 9110 8.6). */
	if (config->body || (method && strcmp(method, "POST") == 0)) {
		r = set_body(setup, easy, config);
		if (r)
			return r;
	} else if (method && strcmp(method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1L);
	}
	if (method)
		SET(CURLOPT_CUSTOMREQUEST, method);
	return 0;
}

static int
set_request(struct http_setup *setup, CURL *easy,
    const struct http_request_config *config)
{
	long connect_ms = config->connect_timeout_ms
			      ? (long)config->connect_timeout_ms
			      : CONNECT_TIMEOUT_MS;
	int r;

	SET(CURLOPT_URL, config->url);
	SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	/* curl repeats by itself only on a connection that it had kept. */
	SET(CURLOPT_FRESH_CONNECT, config->once ? 1L : 0L);
	r = set_method(setup, easy, config);
	if (r == 0)
		r = add_headers(setup, config);
	if (r)
		return r;
	SET(CURLOPT_HTTPHEADER, setup->headers);
	SET(CURLOPT_RESOLVE, setup->resolve);
	return 0;
}

#undef SET

int
http_setup_apply(struct http_setup *setup, CURL *easy,
    const struct http_request_config *config, const char *ca_file, long idle_s)
{
	int r = check_url(setup, config);

	if (config->ca_file)
		ca_file = config->ca_file;
	if (r == 0)
		r = set_policy(easy, ca_file, idle_s);
	if (r == 0 && config->pin)
		r = set_pin(setup, easy, config->pin);
	if (r == 0)
		r = set_request(setup, easy, config);
	return r;
}

void
http_setup_free(struct http_setup *setup)
{
	for (struct curl_slist *h = setup->headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(setup->headers);
	curl_slist_free_all(setup->resolve);
	free_wiped(setup->body, setup->body_len);
	*setup = (struct http_setup){0};
}
