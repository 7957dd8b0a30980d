/* SPDX-License-Identifier: MIT */
/*
 * check.c – `telefonista --check`, from the settings to OpenAI.
 *
 * Each part runs even if another failed, as far as it makes sense. This is a
 * command, not the service: it may wait, and it starts its one child itself.
 */
#include "supervisor/check.h"

#include "common/call_tool.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/config_check.h"
#include "common/http_fetch.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/report.h"
#include "common/router_inventory.h"
#include "common/secret_source.h"
#include "common/startup.h"
#include "supervisor/brief.h"
#include "supervisor/check_asterisk.h"
#include "supervisor/check_routers.h"
#include "supervisor/check_sql.h"
#include "supervisor/limits.h"
#include "supervisor/model.h"
#include "supervisor/persona.h"
#include "supervisor/router_names.h"
#include "supervisor/staff_pins.h"
#include "supervisor/tools.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HEALTH_DEADLINE_MS = 5000,
	CHILD_DEADLINE_MS = 45000,
	CHILD_OUTPUT_MAX = 64 * 1024,
	MODELS_MAX = 16,
};

struct check {
	struct config config;
	struct config_problems problems;
	struct tools *tools;
	struct personas *personas;
	struct router_inventory *routers;
	const char *config_file;
	size_t model_count;
	const char *models[MODELS_MAX]; /* of all personas, each once */
	bool failed;
};

/* Each once; one that we refuse ourselves has its error already. */
static void
add_model(struct check *check, const char *model)
{
	struct model_choice choice;

	model_choose(MODEL_KIND_REALTIME, model, clock_wall(), &choice);
	if (choice.verdict == MODEL_REFUSED)
		return;
	for (size_t i = 0; i < check->model_count; i++) {
		if (strcmp(check->models[i], model) == 0)
			return;
	}
	if (check->model_count < MODELS_MAX)
		check->models[check->model_count++] = model;
}

/* The inventory, and whether its names can be told apart by ear. */
static int
load_routers(struct check *check)
{
	struct router_names *names = NULL;
	int ret = router_inventory_load_config(
	    &check->routers, &check->config, &check->problems);

	if (ret == 0)
		ret = router_names_new(&names, check->routers);
	if (ret < 0)
		return ret;
	router_names_check(names, &check->problems);
	router_names_free(&names);
	return 0;
}

static int
load_folders(struct check *check)
{
	const struct config *config = &check->config;
	char folder[PATH_MAX];
	int ret;

	config_dir(config->tools_dir, "tools.d", folder, sizeof(folder));
	ret = tools_load(&check->tools, folder, config, &check->problems);
	if (ret == 0)
		ret = load_routers(check);
	if (ret < 0)
		return ret;
	tools_use_routers(check->tools, router_inventory_count(check->routers));
	config_dir(config->persona_dir, "personas", folder, sizeof(folder));
	ret = personas_load(&check->personas, folder, config, &check->problems);
	if (ret == 0)
		personas_check_tools(
		    check->personas, check->tools, &check->problems);
	staff_pins_check(config->staff_pins, &check->problems);
	return ret;
}

static void
report_folders(const struct check *check)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return;
	fputs("personas:", out);
	for (size_t i = 0; i < personas_count(check->personas); i++)
		fprintf(out, " %s", personas_at(check->personas, i)->name);
	fputs(personas_count(check->personas) == 0 ? " none" : "", out);
	fputs("; tools:", out);
	for (size_t i = 0; i < tools_count(check->tools); i++) {
		const struct tool *tool = tools_at(check->tools, i);

		fprintf(out, " %s%s", tool->name,
		    tool->available ? "" : " (not available)");
	}
	fputs(tools_count(check->tools) == 0 ? " none" : "", out);
	fclose(out);
	report_line(REPORT_OK, "%s", text);
	free(text);
}

/* Every destination of every transfer, and where key 0 leads. */
static void
report_people(const struct check *check)
{
	const struct config *config = &check->config;
	const char *wanted = config->person_destination;
	bool found = false;

	for (size_t i = 0; i < tools_count(check->tools); i++) {
		const struct tool *tool = tools_at(check->tools, i);
		const cJSON *destination;
		cJSON *arguments;

		if (strcmp(tool->action, "transfer") != 0)
			continue;
		cJSON_ArrayForEach(
		    destination, json_object(tool->settings, "destinations"))
			report_line(REPORT_OK, "%s: %s is %s", tool->name,
			    destination->string,
			    json_string(destination, "endpoint"));
		arguments = call_tool_arguments(tool->settings, wanted);
		found = found || arguments != NULL;
		cJSON_Delete(arguments);
	}
	if (!found && config->fallback_context[0] == '\0')
		report_line(REPORT_WARNING,
		    "callers who press 0 or ask for a person reach nobody: no "
		    "transfer has the destination \"%.64s\" "
		    "(PERSON_DESTINATION), and FALLBACK_CONTEXT is not set",
		    wanted);
}

/* Loads everything and reports what is wrong with it. -1: no memory. */
static int
check_settings(struct check *check)
{
	struct secret_sources *sources;
	struct limits limits;

	/* Before config_load(), see there. */
	if (secret_sources_new(&sources, check->config_file) < 0)
		return -1;
	config_load(&check->config, check->config_file, PROC_ROLE_SUPERVISOR,
	    &check->problems);
	startup_check_system(&check->config, &check->problems);
	limits_read(&limits);
	limits_check(&limits, &check->config, &check->problems);
	model_apply(&check->config, clock_wall(), &check->problems);
	if (load_folders(check) < 0) {
		secret_sources_free(&sources);
		return -1;
	}
	tools_check_secrets(check->tools, sources, &check->problems);
	check_routers_secrets(check->routers, sources, &check->problems);
	check_sql_strings(
	    check->tools, &check->config, sources, &check->problems);
	secret_sources_free(&sources);
	for (size_t i = 0; i < personas_count(check->personas); i++)
		add_model(check, brief_model(&check->config,
				     personas_at(check->personas, i)));
	check->failed = config_problems_fatal(&check->problems) > 0;
	report_problems(&check->problems);
	if (!check->failed)
		report_line(REPORT_OK, "settings of %s and the environment",
		    check->config_file != NULL ? check->config_file
					       : "no file");
	report_folders(check);
	report_people(check);
	check_routers_report(check->routers);
	return 0;
}

/* A query service that is down is no reason to not take calls. */
static void
check_mikrotik(struct check *check, struct event_base *base)
{
	const char *url = check->config.mikrotik_api_url;
	struct http_client *client = NULL;
	char health[CONFIG_TEXT_MAX + 16];
	struct http_fetched got;

	if (!check->config.enable_mikrotik_tools || url[0] == '\0' ||
	    http_client_new(&client, base, NULL) < 0)
		return;
	snprintf(health, sizeof(health), "%s/health", url);
	http_fetch(base, client,
	    &(struct http_request_config){
		.url = health, .deadline_ms = HEALTH_DEADLINE_MS},
	    &got);
	if (got.result != HTTP_OK)
		report_line(REPORT_WARNING,
		    "MikroTik service: %s; see MIKROTIK_API_URL", got.error);
	else if (got.status != 200)
		report_line(REPORT_WARNING,
		    "MikroTik service: HTTP %d from %s; see MIKROTIK_API_URL",
		    got.status, health);
	else
		report_line(REPORT_OK, "MikroTik service answers at %s", url);
	http_fetched_free(&got);
	http_client_free(&client);
}

/* -- OpenAI: the voicecheck's part ---------------------------------------- */

/* In the child. */
static _Noreturn void
exec_voicecheck(const struct check *check, int out)
{
	/* Two strings for each model, two others, and the NULL. */
	const char *argv[2 * MODELS_MAX + 4];
	char path[PATH_MAX + 32];
	size_t argc = 0;
	char *slash;
	ssize_t len;

	len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		_exit(127); /* never one of the current directory */
	snprintf(slash + 1, sizeof("telefonista-voicecheck"),
	    "telefonista-voicecheck");
	argv[argc++] = path;
	if (check->config_file != NULL) {
		argv[argc++] = "--config";
		argv[argc++] = check->config_file;
	}
	for (size_t i = 0; i < check->model_count; i++) {
		argv[argc++] = "--model";
		argv[argc++] = check->models[i];
	}
	argv[argc] = NULL;
	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	/* execv(3) does not write to its arguments. */
	execv(path, (char **)(uintptr_t)argv);
	_exit(127);
}

/*
 * Reads what FD has to say, NUL-terminated; returns whether it was all,
 * before the deadline.
 */
static bool
read_report(int fd, char *text, size_t size)
{
	uint64_t deadline_ms = clock_now_ms() + CHILD_DEADLINE_MS;
	size_t len = 0;

	text[0] = '\0';
	while (len + 1 < size) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t now_ms = clock_now_ms();
		ssize_t n;

		if (now_ms >= deadline_ms ||
		    poll(&pfd, 1, (int)(deadline_ms - now_ms)) == 0)
			return false;
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		len += (size_t)n;
		text[len] = '\0';
	}
	return false;
}

/* Both roles find the same faults in a file; one line is enough. */
static bool
is_known(const struct check *check, const char *text)
{
	const struct config_problems *problems = &check->problems;

	for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX;
	     i++) {
		if (strcmp(problems->list[i].text, text) == 0)
			return true;
	}
	return false;
}

static void
merge_report(const struct check *check, char *text)
{
	enum report_level level;
	const char *finding;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (report_parse(line, &level, &finding) &&
		    !is_known(check, finding))
			report_line(level, "%s", finding);
	}
}

static void
check_openai(struct check *check)
{
	static char text[CHILD_OUTPUT_MAX];
	int pipe_fds[2];
	int status = 0;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		report_line(REPORT_ERROR, "OpenAI cannot be asked: %s",
		    strerror(errno));
		check->failed = true;
		return;
	}
	if (pid == 0)
		exec_voicecheck(check, pipe_fds[1]);
	close(pipe_fds[1]);
	if (!read_report(pipe_fds[0], text, sizeof(text)))
		kill(pid, SIGKILL);
	close(pipe_fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	merge_report(check, text);
	if (WIFEXITED(status) && WEXITSTATUS(status) == PROC_EXIT_OK)
		return;
	check->failed = true;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != PROC_EXIT_CONFIG)
		report_line(REPORT_ERROR,
		    "OpenAI could not be asked: telefonista-voicecheck "
		    "beside this program did not finish its check");
}

/* -- all together ----------------------------------------------------------- */

static void
check_peers(struct check *check)
{
	struct event_base *base = event_base_new();

	if (base == NULL) {
		check->failed = true;
		return;
	}
	if (!config_asterisk_is_safe(&check->config))
		report_line(REPORT_WARNING,
		    "Asterisk was not asked, so that the password does not "
		    "cross the network in the clear");
	else if (!check_asterisk(base, &check->config, check->tools))
		check->failed = true;
	check_mikrotik(check, base);
	check_sql(check->tools, &check->config);
	event_base_free(base);
}

int
check_run(const char *config_file)
{
	static struct check check;

	startup_lock_memory();
	check.config_file = config_file;
	if (check_settings(&check) < 0) {
		report_line(REPORT_ERROR, "no memory");
		return PROC_EXIT_CONFIG;
	}
	check_peers(&check);
	check_openai(&check);
	printf("%s\n", check.failed ? "Not ready: correct the errors above."
				    : "Ready to take calls.");
	fflush(stdout);
	personas_free(&check.personas);
	tools_unref(&check.tools);
	router_inventory_unref(&check.routers);
	config_wipe(&check.config);
	return check.failed ? PROC_EXIT_CONFIG : PROC_EXIT_OK;
}
