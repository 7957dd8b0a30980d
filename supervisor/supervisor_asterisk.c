/* SPDX-License-Identifier: MIT */
/* supervisor_asterisk.c – where what comes from Asterisk goes. */
#include "supervisor/supervisor_impl.h"

#include "common/log.h"
#include "common/resolver.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void
supervisor_find_local_ip(struct supervisor *me)
{
	const struct net_address *asterisk = ari_address(me->ari);
	int ret = -EADDRNOTAVAIL;

	if (me->local_ip[0] != '\0')
		return;
	if (me->settings.config.local_ip_address[0] != '\0') {
		snprintf(me->local_ip, sizeof(me->local_ip), "%.*s",
		    LOCAL_IP_SIZE - 1, me->settings.config.local_ip_address);
		ret = 0;
	} else if (asterisk != NULL) {
		ret = local_ip_towards(asterisk, me->local_ip);
	}
	if (ret < 0)
		log_err("alarm=local_ip no address at which Asterisk reaches "
			"us, set LOCAL_IP_ADDRESS error=%s",
		    strerror(-ret));
	else
		log_info("media address is %s", me->local_ip);
}

static void
on_snapshot(const cJSON *channels, const cJSON *bridges, void *arg)
{
	struct supervisor *me = arg;

	supervisor_find_local_ip(me);
	calls_on_snapshot(me->calls, channels, bridges);
}

static void
on_event(const char *type, const cJSON *event, void *arg)
{
	struct supervisor *me = arg;

	supervisor_find_local_ip(me);
	calls_on_event(me->calls, type, event);
}

static void
on_ari_state(enum ari_state state, void *arg)
{
	struct supervisor *me = arg;

	if (me->calls == NULL)
		return; /* standing by */
	calls_on_ari_state(me->calls, state);
	supervisor_show_state(me);
}

int
supervisor_asterisk_init(struct supervisor *me)
{
	static const struct ari_callbacks callbacks = {
	    .on_snapshot = on_snapshot,
	    .on_event = on_event,
	    .on_state = on_ari_state,
	};

	return ari_new(&me->ari, me->base, me->resolver, &me->settings.config,
	    &callbacks, me);
}
