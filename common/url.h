/* SPDX-License-Identifier: MIT */
/*
 * url.h – takes the few URLs apart that an operator configures (RFC 3986).
 */
#ifndef COMMON_URL_H
#define COMMON_URL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	URL_HOST_SIZE = 254, /* longest DNS name and NUL */
	URL_PATH_SIZE = 256,
};

struct url {
	char scheme[8];           /* lower case: http, https, ws, wss */
	char host[URL_HOST_SIZE]; /* an IPv6 address without brackets */
	uint16_t port;            /* the scheme's if none is given */
	char path[URL_PATH_SIZE]; /* begins with '/'; query included */
	bool tls;                 /* https, wss */
	bool has_query;
};

/*
 * Takes TEXT apart. -EINVAL: not an absolute URL of one of those schemes,
 * with user:password or a fragment, or with characters that need quoting;
 * *WHY_OUT then is a printable reason that contains nothing of TEXT.
 */
int url_parse(const char *text, struct url *url_out, const char **why_out);

/* The same for scheme, host and port alone; path and query may be anything. */
int url_parse_origin(
    const char *text, struct url *url_out, const char **why_out);

/* "localhost" or a numeric loopback address; no name is resolved. */
bool url_host_is_loopback(const char *host);

/* Letters, digits, '.', '-', '_', or a numeric IPv6 address. */
bool url_host_is_valid(const char *host);

#endif
