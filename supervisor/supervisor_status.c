/* SPDX-License-Identifier: MIT */
/* supervisor_status.c – how the service is, in words. */
#include "supervisor/supervisor_impl.h"

#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/title.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/ledger.h"
#include "supervisor/records.h"
#include "supervisor/spares.h"
#include "supervisor/tool_fan.h"
#include "supervisor/tool_queue.h"
#include "supervisor/toolworkers.h"

#include <stdio.h>
#include <string.h>

void
supervisor_show_state(struct supervisor *me)
{
	char title[sizeof(me->title)];

	snprintf(title, sizeof(title), "%sari=%s calls=%zu spares=%zu",
	    me->stopping ? "stopping " : "",
	    ari_state_name(me->ari != NULL ? ari_state(me->ari) : ARI_DOWN),
	    calls_count(me->calls), spares_warm_count(me->spares));
	if (strcmp(title, me->title) == 0)
		return;
	memcpy(me->title, title, sizeof(title));
	title_set("telefonista: supervisor %s", title);
	keeper_client_status(fleet_keeper(me->fleet), title);
}

void
supervisor_log_state(struct supervisor *me)
{
	struct tool_queue_counts jobs =
	    tool_queue_count(toolworkers_queue(me->toolworkers));

	log_info("supervisor state %s workers=%zu ledger=%zu jobs_waiting=%zu "
		 "jobs_running=%zu questions=%zu toolworkers=%zu",
	    me->title, fleet_count(me->fleet), ledger_count(me->ledger),
	    jobs.waiting, jobs.running,
	    tool_fan_count(toolworkers_fan(me->toolworkers)), jobs.workers);
	calls_log_state(me->calls);
	spares_log_state(me->spares);
	ledger_log_state(me->ledger);
	tool_queue_log(toolworkers_queue(me->toolworkers));
	tool_fan_log(toolworkers_fan(me->toolworkers));
}

cJSON *
supervisor_describe(void *arg)
{
	struct supervisor *me = arg;
	struct tool_queue_counts jobs =
	    tool_queue_count(toolworkers_queue(me->toolworkers));
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "build", proc_build_id());
	json_add_int(body, "pid", (int64_t)me->keeper);
	json_add_bool(body, "stopping", me->stopping);
	json_add_string(body, "ari", ari_state_name(ari_state(me->ari)));
	json_add_int(body, "calls", (int64_t)calls_count(me->calls));
	json_add_int(body, "spares", (int64_t)spares_warm_count(me->spares));
	json_add_int(body, "workers", (int64_t)fleet_count(me->fleet));
	json_add_int(body, "jobs_waiting", (int64_t)jobs.waiting);
	json_add_int(body, "jobs_running", (int64_t)jobs.running);
	json_add_int(body, "toolworkers", (int64_t)jobs.workers);
	json_add_int(
	    body, "records_waiting", (int64_t)records_waiting(me->records));
	return body;
}
