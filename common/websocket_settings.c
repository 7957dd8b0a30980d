/* SPDX-License-Identifier: MIT */
/* websocket_settings.c – what may be asked of a WebSocket. */
#include "common/websocket_settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/websocket.h"

enum {
	HANDSHAKE_TIMEOUT_MS = 10000,
	PING_INTERVAL_S = 15,
	DEAD_PEER_S = 30,
	MESSAGE_MAX = 1 << 20,
	QUEUE_MAX = 1 << 20,
	LIMIT_MAX = 256 << 20, /* of either, lws counts in int */

	HOST_MAX = 100, /* lws keeps 128 bytes for "Host: name:port" */
	PATH_MAX_LEN = 1024,
	HEADERS_MAX = 2048, /* together; lws has 4 KiB for the request */
};

static bool
is_token_text(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool
is_header(const char *line)
{
	const char *colon = strchr(line, ':');

	return colon && colon > line && !strpbrk(line, "\r\n");
}

static int
check_config(const struct websocket_config *config)
{
	size_t headers_len = 0;

	if (config->address_count == 0 ||
	    config->address_count > NET_ADDRESSES_MAX || !config->addresses)
		return -EINVAL;
	if (!config->host || !config->host[0] ||
	    strlen(config->host) > HOST_MAX || !is_token_text(config->host))
		return -EINVAL;
	if (!config->path || config->path[0] != '/' ||
	    strlen(config->path) > PATH_MAX_LEN || !is_token_text(config->path))
		return -EINVAL;
	if (config->subprotocol && !is_token_text(config->subprotocol))
		return -EINVAL;
	if (config->tls == config->plaintext_allowed)
		return -EINVAL;
	for (size_t i = 0; config->headers && config->headers[i]; i++) {
		if (!is_header(config->headers[i]))
			return -EINVAL;
		headers_len += strlen(config->headers[i]) + 2;
	}
	if (headers_len > HEADERS_MAX || config->message_max > LIMIT_MAX ||
	    config->queue_max > LIMIT_MAX)
		return -EINVAL;
	return 0;
}

static int
copy_headers(struct websocket_settings *settings, const char *const *headers)
{
	size_t len = 0;
	char *p;

	for (size_t i = 0; headers && headers[i]; i++)
		len += strlen(headers[i]) + 2;
	if (len == 0)
		return 0;
	settings->headers = malloc(len);
	if (!settings->headers)
		return -ENOMEM;
	p = settings->headers;
	for (size_t i = 0; headers[i]; i++) {
		p = mempcpy(p, headers[i], strlen(headers[i]));
		p = mempcpy(p, "\r\n", 2);
	}
	settings->headers_len = len;
	return 0;
}

/* "name", "name:8088", "[::1]:8088"; RFC 9110 7.2. */
static char *
make_host_header(const char *host, uint16_t port, bool tls)
{
	bool bare_ipv6 = strchr(host, ':') && host[0] != '[';
	char *header;
	int n;

	if (port == (tls ? 443 : 80))
		n = asprintf(&header, bare_ipv6 ? "[%s]" : "%s", host);
	else
		n = asprintf(
		    &header, bare_ipv6 ? "[%s]:%u" : "%s:%u", host, port);
	return n < 0 ? NULL : header;
}

/* The host as certificates and SNI know it: without brackets. */
static void
set_host(struct websocket_settings *settings, const char *host)
{
	size_t len = strlen(host);

	if (host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	snprintf(
	    settings->host, sizeof(settings->host), "%.*s", (int)len, host);
}

int
websocket_settings_make(
    struct websocket_settings *settings, const struct websocket_config *config)
{
	size_t queue_max = config->queue_max ? config->queue_max : QUEUE_MAX;
	size_t droppable_max = config->droppable_max;
	int r = check_config(config);

	if (r)
		return r;
	if (droppable_max == 0 || droppable_max > queue_max)
		droppable_max = queue_max;
	settings->queue_max = queue_max;
	settings->droppable_max = droppable_max;
	memcpy(settings->addresses, config->addresses,
	    config->address_count * sizeof(*config->addresses));
	settings->address_count = config->address_count;
	settings->handshake_timeout_ms = config->handshake_timeout_ms
					     ? config->handshake_timeout_ms
					     : HANDSHAKE_TIMEOUT_MS;
	settings->ping_interval_ms =
	    1000 * (config->ping_interval_s ? config->ping_interval_s
					    : PING_INTERVAL_S);
	settings->dead_peer_ms =
	    1000 * (config->dead_peer_s ? config->dead_peer_s : DEAD_PEER_S);
	settings->message_max =
	    config->message_max ? config->message_max : MESSAGE_MAX;
	if (settings->dead_peer_ms <= settings->ping_interval_ms)
		return -EINVAL;
	settings->host_header = make_host_header(
	    config->host, config->addresses[0].port, config->tls);
	settings->path = strdup(config->path);
	settings->name = strdup(config->name ? config->name : config->host);
	if (config->subprotocol)
		settings->subprotocol = strdup(config->subprotocol);
	if (!settings->host_header || !settings->path || !settings->name ||
	    (config->subprotocol && !settings->subprotocol))
		return -ENOMEM;
	set_host(settings, config->host);
	return copy_headers(settings, config->headers);
}

void
websocket_settings_wipe(struct websocket_settings *settings)
{
	if (settings->headers)
		explicit_bzero(settings->headers, settings->headers_len);
	free(settings->headers);
	settings->headers = NULL;
	settings->headers_len = 0;
}

void
websocket_settings_free(struct websocket_settings *settings)
{
	websocket_settings_wipe(settings);
	free(settings->host_header);
	free(settings->path);
	free(settings->subprotocol);
	free(settings->name);
}
