/* SPDX-License-Identifier: MIT */
/* call_describe.c – a call as an operator sees it. */
#include "common/clock.h"
#include "common/json.h"
#include "supervisor/call_access.h"
#include "supervisor/call_impl.h"
#include "supervisor/fleet.h"

cJSON *
call_describe(const struct call *call)
{
	cJSON *body = cJSON_CreateObject();
	uint64_t now_ms = clock_now_ms();

	json_add_string(body, "call", call->id);
	json_add_string(body, "state", call_state_name(call->state));
	json_add_string(body, "caller", call->caller_shown);
	json_add_string(body, "called", call->called);
	json_add_string(body, "persona", call->persona);
	json_add_string(body, "codec", call->codec);
	json_add_string(body, "class", call_access_class(call));
	json_add_int(body, "pid",
	    call->worker != NULL ? (int64_t)worker_pid(call->worker) : 0);
	json_add_int(
	    body, "age_s", (int64_t)((now_ms - call->started_ms) / 1000));
	json_add_int(body, "talking_s",
	    call->talking_ms != 0
		? (int64_t)((now_ms - call->talking_ms) / 1000)
		: 0);
	return body;
}
