/* SPDX-License-Identifier: MIT */
/* url.c – takes the few URLs apart that an operator configures. */
#include "common/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint16_t port;
	bool tls;
} schemes[] = {
    {"http", 80, false},
    {"https", 443, true},
    {"ws", 80, false},
    {"wss", 443, true},
};

static bool
take_scheme(const char **text, struct url *url)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].name);

		if (strncasecmp(*text, schemes[i].name, len) != 0 ||
		    strncmp(*text + len, "://", 3) != 0)
			continue;
		memcpy(url->scheme, schemes[i].name, len + 1);
		url->port = schemes[i].port;
		url->tls = schemes[i].tls;
		*text += len + 3;
		return true;
	}
	return false;
}

bool
url_host_is_valid(const char *host)
{
	struct in6_addr address;

	if (*host == '\0' || strlen(host) >= URL_HOST_SIZE)
		return false;
	if (strchr(host, ':') != NULL)
		return inet_pton(AF_INET6, host, &address) == 1;
	if (*host == '-' || *host == '.')
		return false;
	for (; *host != '\0'; host++) {
		if (!isalnum((unsigned char)*host) &&
		    strchr(".-_", *host) == NULL)
			return false;
	}
	return true;
}

bool
url_host_is_loopback(const char *host)
{
	struct in6_addr in6;
	struct in_addr in;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &in) == 1)
		return (ntohl(in.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &in6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&in6) ||
	       (IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127);
}

/* "host", "host:port" or "[v6]:port", LEN bytes. */
static bool
take_authority(const char *text, size_t len, struct url *url)
{
	const char *end = text + len;
	const char *host = text;
	const char *port;
	char *rest;
	long number;

	if (*host == '[') {
		port = memchr(++host, ']', len - 1);
		if (port == NULL || memchr(host, ':', len - 1) == NULL)
			return false;
		len = (size_t)(port++ - host);
	} else {
		port = memchr(host, ':', len);
		if (port == NULL)
			port = end;
		len = (size_t)(port - host);
	}
	if (len >= sizeof(url->host))
		return false;
	memcpy(url->host, host, len);
	url->host[len] = '\0';
	if (!url_host_is_valid(url->host))
		return false;
	if (port == end)
		return true;
	if (*port++ != ':' || !isdigit((unsigned char)*port))
		return false;
	number = strtol(port, &rest, 10);
	if (rest != end || number < 1 || number > UINT16_MAX)
		return false;
	url->port = (uint16_t)number;
	return true;
}

static bool
take_path(const char *text, struct url *url)
{
	size_t len = strlen(text);

	if (len + 1 >= sizeof(url->path))
		return false;
	for (const char *c = text; *c != '\0'; c++) {
		if (!isgraph((unsigned char)*c) || strchr("\"<>\\^`{|}", *c))
			return false;
	}
	url->has_query = strchr(text, '?') != NULL;
	/* "https://host?query" has an empty path. */
	if (*text != '/')
		url->path[0] = '/';
	memcpy(url->path + (*text != '/'), text, len + 1);
	return true;
}

/* *REST_OUT is what follows host and port. */
static int
take_origin(const char *text, struct url *url, const char **rest_out,
    const char **why_out)
{
	size_t len;

	*why_out = "it does not begin with https://, http://, wss:// or ws://";
	if (!take_scheme(&text, url))
		return -EINVAL;
	len = strcspn(text, "/?#");
	*why_out = "user and password do not belong into a URL";
	if (memchr(text, '@', len) != NULL)
		return -EINVAL;
	*why_out = "the host or the port in it is not valid";
	if (!take_authority(text, len, url))
		return -EINVAL;
	*rest_out = text + len;
	*why_out = "";
	return 0;
}

int
url_parse_origin(const char *text, struct url *url_out, const char **why_out)
{
	struct url url = {.path = "/"};
	const char *rest;

	if (take_origin(text, &url, &rest, why_out) < 0)
		return -EINVAL;
	*url_out = url;
	return 0;
}

int
url_parse(const char *text, struct url *url_out, const char **why_out)
{
	struct url url = {0};

	if (take_origin(text, &url, &text, why_out) < 0)
		return -EINVAL;
	*why_out = "a fragment (#) makes no sense in it";
	if (strchr(text, '#') != NULL)
		return -EINVAL;
	*why_out = "its path is too long or has characters that need quoting";
	if (!take_path(text, &url))
		return -EINVAL;
	*why_out = "";
	*url_out = url;
	return 0;
}
