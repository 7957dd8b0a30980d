/* SPDX-License-Identifier: MIT */
/* health.c – asks the MikroTik query service how it is, once. */
#include "toolworker/health.h"

#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEADLINE_MS = 5000,
	RESPONSE_MAX = 256 * 1024,
};

struct health {
	struct http_call *call; /* NULL once it was answered */
	health_fn *fn;
	char url[CONFIG_TEXT_MAX + sizeof("/health")];
};

static void
on_response(const struct http_response *response, void *arg)
{
	struct health *health = arg;

	health->call = NULL;
	if (response->result == HTTP_OK && response->status == 200)
		log_info("mikrotik service is up url=%s elapsed_ms=%u",
		    health->url, response->elapsed_ms);
	else if (response->result == HTTP_OK)
		log_warn("mikrotik service is not well url=%s http=%d",
		    health->url, response->status);
	else
		log_warn("mikrotik service cannot be reached, queries will "
			 "fail until it can url=%s result=%s why=\"%s\"",
		    health->url, http_result_name(response->result),
		    response->error);
	health->fn();
}

int
health_ask(struct health **health_out, const struct http_call_network *network,
    const struct config *config, health_fn *fn)
{
	struct http_request_config request = {
	    .deadline_ms = DEADLINE_MS,
	    .response_max = RESPONSE_MAX,
	};
	struct health *health;
	int ret;

	*health_out = NULL;
	if (!config->enable_mikrotik_tools ||
	    config->mikrotik_api_url[0] == '\0')
		return 0;
	health = calloc(1, sizeof(*health));
	if (health == NULL)
		return -ENOMEM;
	health->fn = fn;
	snprintf(health->url, sizeof(health->url), "%s/health",
	    config->mikrotik_api_url);
	request.url = health->url;
	ret = http_call_start(
	    &health->call, network, &request, on_response, health);
	if (ret < 0)
		log_warn("mikrotik service cannot be asked for its health "
			 "why=\"%s\"",
		    strerror(-ret));
	*health_out = health;
	return 0;
}

void
health_free(struct health **health_ptr)
{
	struct health *health = *health_ptr;

	if (health == NULL)
		return;
	*health_ptr = NULL;
	http_call_cancel(&health->call);
	free(health);
}
