/* SPDX-License-Identifier: MIT */
/* run.c – one job from the command line, its answer on standard output. */
#include "toolworker/run.h"

#include "common/clock.h"
#include "common/env_file.h"
#include "common/json.h"
#include "common/json_default.h"
#include "common/json_schema.h"
#include "common/tool_file.h"
#include "common/tool_secret.h"
#include "common/utf8.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MARGIN_S = 5, /* that the queue adds to the model's timeout */
};

struct run {
	struct event_base *base;
	const struct tool *tool;
	const cJSON *caller; /* as a job.run may have it; or NULL */
	const struct executor *executor;
	void *handle;
	uint64_t started_ms;
	enum tool_status status;
	bool ended;
};

static void
say(const char *name, const char *why)
{
	fprintf(stderr, "telefonista-toolworker: %s: %s\n", name, why);
}

/* -- the tool and its arguments ------------------------------------------------- */

static int
load_tool(
    struct tool_file *file_out, const struct config *config, const char *name)
{
	struct config_problems problems = {0};
	char folder[PATH_MAX / 2];
	char path[PATH_MAX];
	char *text;
	size_t len;
	int ret;

	config_dir(config->tools_dir, "tools.d", folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/%.64s.json", folder, name);
	ret = strchr(name, '/') != NULL
		  ? -EINVAL
		  : env_file_read(path, &text, &len, NULL);
	if (ret < 0) {
		say(path, strerror(-ret));
		return ret;
	}
	ret = utf8_count(text, len) < 0 ? -EILSEQ
					: tool_file_parse(file_out, path, text,
					      len, config, &problems);
	free(text);
	if (ret == -EILSEQ)
		say(path, "it is not UTF-8");
	for (size_t i = 0; i < problems.count && i < CONFIG_PROBLEMS_MAX; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	return ret;
}

static bool
has_secrets(const struct tool *tool, struct secret_sources *sources)
{
	struct config_problems problems = {0};
	unsigned int missing = tool_secret_check(tool, sources, &problems);

	for (size_t i = 0; i < problems.count && i < CONFIG_PROBLEMS_MAX; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	return missing == 0;
}

static const struct executor *
find_executor(const struct executor *executors, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(executors[i].name, name) == 0)
			return &executors[i];
	}
	return NULL;
}

/* As the queue does it. */
static unsigned int
deadline_ms(const struct tool *tool, const cJSON *arguments)
{
	const cJSON *property = json_at(
	    tool->parameters, "properties", tool->timeout_argument, NULL);
	double seconds;

	if (tool->timeout_argument[0] == '\0')
		return tool->deadline_ms;
	seconds = json_number(arguments, tool->timeout_argument,
		      json_number(property, "default", 0)) +
		  MARGIN_S;
	return seconds * 1000 < tool->deadline_ms
		   ? (unsigned int)(seconds * 1000)
		   : tool->deadline_ms;
}

/* -- the job ---------------------------------------------------------------------- */

static void
on_progress(const struct tool_progress *progress, void *arg)
{
	const struct run *run = arg;

	fprintf(stderr, "progress: %llu ms",
	    (unsigned long long)(clock_now_ms() - run->started_ms));
	if (progress->total >= 0)
		fprintf(stderr, ", %" PRId64 " of %" PRId64, progress->done,
		    progress->total);
	else if (progress->done >= 0)
		fprintf(stderr, ", %" PRId64, progress->done);
	fprintf(stderr, "%s%s\n", progress->text[0] != '\0' ? ", " : "",
	    progress->text);
}

static void
on_hold(unsigned int hold_ms, void *arg)
{
	(void)arg;
	if (hold_ms > 0)
		fprintf(
		    stderr, "the service is busy for %u ms more\n", hold_ms);
}

static void
on_result(enum tool_status status, const char *output, void *arg)
{
	struct run *run = arg;

	run->status = status;
	run->ended = true;
	printf("status: %s\ntime: %llu ms\n", tool_status_name(status),
	    (unsigned long long)(clock_now_ms() - run->started_ms));
	if (tool_status_has_sentence(status, TOOL_USE_QUERY))
		printf("the voice is told: %s\n",
		    json_string(run->tool->failures, tool_status_name(status)));
	printf("output:\n%s\n", output);
	event_base_loopbreak(run->base);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;

	(void)fd;
	(void)what;
	run->executor->cancel(run->handle);
	on_result(TOOL_STATUS_TIMEOUT, "the job's deadline has passed", run);
}

static enum proc_exit
run_job(struct run *run, const cJSON *arguments)
{
	const struct executor_request request = {
	    .id = "run",
	    .tool = run->tool->name,
	    .arguments = arguments,
	    .settings = run->tool->settings,
	    .caller = run->caller,
	    .deadline_ms = deadline_ms(run->tool, arguments),
	};
	const struct executor_events events = {
	    .progress = on_progress,
	    .hold = on_hold,
	    .result = on_result,
	    .arg = run,
	};
	const struct timeval wait = {
	    .tv_sec = request.deadline_ms / 1000,
	    .tv_usec = (suseconds_t)(request.deadline_ms % 1000) * 1000,
	};
	struct event *timer = evtimer_new(run->base, on_deadline, run);

	if (timer == NULL || evtimer_add(timer, &wait) < 0)
		return PROC_EXIT_INTERNAL;
	run->started_ms = clock_now_ms();
	run->handle =
	    run->executor->start(run->executor->self, &request, &events);
	if (!run->ended)
		event_base_dispatch(run->base);
	event_free(timer);
	return run->status == TOOL_STATUS_OK ? PROC_EXIT_OK
					     : PROC_EXIT_INTERNAL;
}

/* The model's part: what does not fit never gets to an executor. */
static enum proc_exit
run_checked(struct run *run, cJSON *arguments)
{
	char why[JSON_SCHEMA_WHY_SIZE];

	if (json_schema_validate(
		run->tool->parameters, arguments, why, sizeof(why)) < 0) {
		run->started_ms = clock_now_ms();
		on_result(TOOL_STATUS_INVALID_ARGUMENTS, why, run);
		return PROC_EXIT_INTERNAL;
	}
	/* As the queue does it. */
	if (json_default_fill(arguments, run->tool->parameters) < 0)
		return PROC_EXIT_INTERNAL;
	return run_job(run, arguments);
}

enum proc_exit
run_tool(struct event_base *base, const struct executor *executors,
    size_t count, const struct config *config, struct secret_sources *sources,
    const char *name, const char *text)
{
	cJSON *input = json_parse(text, strlen(text));
	cJSON *arguments = cJSON_GetObjectItemCaseSensitive(input, "arguments");
	enum proc_exit status = PROC_EXIT_CONFIG;
	struct tool_file file = {0};
	struct run run = {.base = base, .status = TOOL_STATUS_INTERNAL};

	if (!cJSON_IsObject(arguments)) {
		say(name, "the arguments must be JSON: {\"arguments\": {…}}");
		goto out;
	}
	if (load_tool(&file, config, name) < 0)
		goto out;
	if (strcmp(file.tool.name, name) != 0 || !file.tool.available) {
		say(name, strcmp(file.tool.name, name) != 0
			      ? "the file of that name defines another tool"
			      : "it is not offered: a setting that it names is "
				"not set, or switched off");
		goto out;
	}
	run.tool = &file.tool;
	run.caller = json_object(input, "caller");
	run.executor = find_executor(executors, count, file.tool.executor);
	if (run.executor == NULL)
		say(name, "its executor is not run by a toolworker");
	else if (!has_secrets(&file.tool, sources))
		say(name, "it needs a secret that is not there");
	else
		status = run_checked(&run, arguments);
out:
	tool_file_free(&file);
	cJSON_Delete(input);
	return status;
}
