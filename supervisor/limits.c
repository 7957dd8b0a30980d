/* SPDX-License-Identifier: MIT */
/*
 * limits.c – getrlimit(2) and cgroups(7), version 2, against MAX_CALLS.
 *
 * What a call takes was measured: see packaging/README.md. Asked for is
 * rather more than that.
 */
#include "supervisor/limits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	MEBIBYTE = 1 << 20,
	/* In the supervisor: RTP, five shared memories, worker, record. */
	DESCRIPTORS_A_CALL = 9,
	DESCRIPTORS_BESIDES = 128, /* Asterisk, libraries, reserve, tools */
	PROCESSES_BESIDES = 8,
	MEMORY_A_CALL = 5 * MEBIBYTE,
	MEMORY_BESIDES = 100 * MEBIBYTE,
};

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
limits_read_file(const char *path)
{
	uint64_t value = UINT64_MAX;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return UINT64_MAX;
	if (fscanf(file, "%" SCNu64, &value) != 1)
		value = UINT64_MAX; /* "max" */
	fclose(file);
	return value;
}

/* Where this process is below /sys/fs/cgroup, "" at the top or unknown. */
static void
find_cgroup(char *path, size_t size)
{
	char line[PATH_MAX];
	FILE *file = fopen("/proc/self/cgroup", "re");

	path[0] = '\0';
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, size, "%s", line + 3);
	}
	fclose(file);
}

/* A limit of any group above holds, too. */
static void
read_cgroups(struct limits *limits)
{
	char group[PATH_MAX], path[PATH_MAX + 64];
	char *slash;

	find_cgroup(group, sizeof(group));
	while ((slash = strrchr(group, '/')) != NULL && slash[1] != '\0') {
		snprintf(
		    path, sizeof(path), "/sys/fs/cgroup%s/pids.max", group);
		limits->processes =
		    least(limits->processes, limits_read_file(path));
		snprintf(
		    path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
		limits->memory = least(limits->memory, limits_read_file(path));
		*slash = '\0';
	}
}

static uint64_t
resource_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_max;
}

void
limits_read(struct limits *limits)
{
	limits->descriptors = resource_limit(RLIMIT_NOFILE);
	/* Of root's processes nobody counts how many there are. */
	limits->processes =
	    geteuid() == 0 ? UINT64_MAX : resource_limit(RLIMIT_NPROC);
	limits->memory = UINT64_MAX;
	read_cgroups(limits);
}

void
limits_check(const struct limits *limits, const struct config *config,
    struct config_problems *problems)
{
	uint64_t calls = (uint64_t)config->max_calls;
	uint64_t spares = (uint64_t)config->warm_workers;
	uint64_t tools = (uint64_t)config->tool_workers;
	uint64_t descriptors = calls * DESCRIPTORS_A_CALL + 2 * spares + tools +
			       DESCRIPTORS_BESIDES;
	/* Workers that take others' places, and a thread in each tool's. */
	uint64_t processes = calls + 2 * spares + 3 * tools + PROCESSES_BESIDES;
	uint64_t memory =
	    (calls + spares + tools) * MEMORY_A_CALL + MEMORY_BESIDES;

	if (limits->descriptors < descriptors)
		config_problem(problems, false,
		    "MAX_CALLS: %ld calls may need %" PRIu64
		    " descriptors, a process may have %" PRIu64
		    " (LimitNOFILE, ulimit -Hn): callers above that go to the "
		    "fallback",
		    config->max_calls, descriptors, limits->descriptors);
	if (limits->processes < processes)
		config_problem(problems, false,
		    "MAX_CALLS: %ld calls may need %" PRIu64
		    " processes, there may be %" PRIu64
		    " (TasksMax, LimitNPROC, ulimit -Hu): callers above that "
		    "go to the fallback",
		    config->max_calls, processes, limits->processes);
	if (limits->memory < memory)
		config_problem(problems, false,
		    "MAX_CALLS: %ld calls may need %" PRIu64
		    " MiB of memory, there are %" PRIu64
		    " (MemoryMax): calls may be killed for want of it",
		    config->max_calls, memory / MEBIBYTE,
		    limits->memory / MEBIBYTE);
}
