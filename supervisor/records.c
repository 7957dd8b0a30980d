/* SPDX-License-Identifier: MIT */
/*
 * records.c – the list of records, and the thread that writes them.
 *
 * Invariant: the list and its entries' flags are LOCK's; an entry's file is
 * the thread's alone, and only the thread removes entries. The event loop
 * never holds LOCK while anybody waits for the disk.
 */
#include "supervisor/records.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

enum {
	STACK_SIZE = 512 * 1024,
	PRUNE_MS = 6 * 60 * 60 * 1000,
};

struct record {
	TAILQ_ENTRY(record) entry;
	uint64_t ticket;
	char call[RECORD_CALL_MAX];
	int journal_fd;
	struct record_rules rules; /* when it began */
	struct record_file *file;  /* NULL: not opened yet */
	unsigned token;
	bool ended;
};

TAILQ_HEAD(record_list, record);

struct records {
	struct records_config config;
	char folder[RECORD_FOLDER_MAX]; /* of the rules */
	struct record_rules rules;      /* of today: the loop's */
	struct event *told_event;
	int told_fd; /* something was written */
	pthread_t thread;
	bool is_started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct record_list list;    /* what goes on, and what waits */
	struct record_list written; /* for the loop to tell */
	size_t ended;               /* of list */
	uint64_t last_ticket;
	bool news; /* something ended: no time to lose */
	bool settle;
	bool ending;
	bool failing; /* the disk did not take the last one */
	uint32_t leave_ms;
	uint64_t pruned_ms;
};

/* -- in the thread ---------------------------------------------------------- */

static void
note_failure(struct records *records, const struct record *record, int ret)
{
	if (!records->failing)
		log_err("alarm=records call=%s the record cannot be written, "
			"trying again folder=%s error=%s",
		    record->call, records->config.rules.folder, strerror(-ret));
	records->failing = true;
}

static void
note_success(struct records *records)
{
	if (records->failing)
		log_info("records are written again folder=%s",
		    records->config.rules.folder);
	records->failing = false;
}

/* What will be the same at the next try. */
static bool
is_hopeless(int ret)
{
	return ret == -EBADMSG || ret == -ENAMETOOLONG;
}

static void
tell(struct records *records, struct record *record)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&records->lock);
	TAILQ_REMOVE(&records->list, record, entry);
	if (record->ended)
		records->ended--;
	TAILQ_INSERT_TAIL(&records->written, record, entry);
	pthread_mutex_unlock(&records->lock);
	(void)!write(records->told_fd, &one, sizeof(one));
}

/* 0, or -errno of the disk. */
static int
write_record(struct records *records, struct record *record, bool ended)
{
	int ret = 0;

	if (record->file == NULL)
		ret = record_file_open(&record->file, &record->rules,
		    record->call, record->journal_fd);
	if (ret == 0)
		ret = ended ? record_file_finish(record->file)
			    : record_file_copy(record->file);
	if (ret == 0 && !ended)
		return 0;
	if (ret == 0 || is_hopeless(ret)) {
		if (ret < 0)
			log_err("call=%s has no record: %s", record->call,
			    strerror(-ret));
		tell(records, record);
		return 0;
	}
	note_failure(records, record, ret);
	return ret;
}

/* The next one after PLACE, taken into the thread's hands; NULL: no more. */
static struct record *
take_next(struct records *records, struct record *place, bool *ended_out)
{
	struct record *next;

	pthread_mutex_lock(&records->lock);
	if (place == NULL)
		next = TAILQ_FIRST(&records->list);
	else
		next = TAILQ_NEXT(place, entry);
	if (next != NULL)
		*ended_out = next->ended;
	pthread_mutex_unlock(&records->lock);
	return next;
}

/* Goes over all, for one may fail alone; false when any did. */
static bool
write_all(struct records *records)
{
	struct record *record, *next;
	bool ended = false, next_ended = false, well = true;

	record = take_next(records, NULL, &ended);
	while (record != NULL) {
		next = take_next(records, record, &next_ended);
		if (write_record(records, record, ended) < 0)
			well = false;
		record = next;
		ended = next_ended;
	}
	if (well)
		note_success(records);
	return well;
}

/* So many journals wait for a disk that the memory is worth more. */
static void
shed(struct records *records)
{
	struct record *record, *oldest = NULL;

	pthread_mutex_lock(&records->lock);
	TAILQ_FOREACH(record, &records->list, entry) {
		if (record->ended && oldest == NULL)
			oldest = record;
	}
	if (records->ended <= RECORDS_ENDED_MAX)
		oldest = NULL;
	pthread_mutex_unlock(&records->lock);
	if (oldest == NULL)
		return;
	log_err("alarm=records call=%s has no whole record: too many wait for "
		"the disk",
	    oldest->call);
	tell(records, oldest);
}

static bool
is_live(const char *name, void *arg)
{
	struct records *records = arg;
	struct record *record;
	bool found = false;

	pthread_mutex_lock(&records->lock);
	TAILQ_FOREACH(record, &records->list, entry) {
		found = found ||
			(record->file != NULL &&
			    strcmp(record_file_name(record->file), name) == 0);
	}
	pthread_mutex_unlock(&records->lock);
	return found;
}

static void
close_left(struct records *records)
{
	int count =
	    record_files_close_left(&records->config.rules, is_live, records);

	if (count < 0)
		log_warn("alarm=records the records of an earlier service "
			 "cannot be closed folder=%s error=%s",
		    records->config.rules.folder, strerror(-count));
	else if (count > 0)
		log_info(
		    "closed the records of an earlier service count=%d", count);
}

static void
prune(struct records *records)
{
	uint64_t now_ms = clock_now_ms();
	long days;
	int count;

	pthread_mutex_lock(&records->lock);
	days = records->config.days;
	pthread_mutex_unlock(&records->lock);
	if (days == 0 ||
	    (records->pruned_ms != 0 && now_ms - records->pruned_ms < PRUNE_MS))
		return;
	records->pruned_ms = now_ms;
	count = record_files_prune(&records->config.rules, days);
	if (count > 0)
		log_info("removed records of days long ago days=%d", count);
}

/* On CLOCK_MONOTONIC. */
static struct timespec
moment_in(uint32_t ms)
{
	struct timespec moment;

	clock_gettime(CLOCK_MONOTONIC, &moment);
	moment.tv_sec += ms / 1000;
	moment.tv_nsec += (long)(ms % 1000) * 1000000;
	if (moment.tv_nsec >= 1000000000) {
		moment.tv_sec++;
		moment.tv_nsec -= 1000000000;
	}
	return moment;
}

/* Until the next turn, or until there is news. */
static void
sleep_once(struct records *records, uint32_t ms)
{
	struct timespec end = moment_in(ms);

	while (!records->news && !records->ending) {
		if (pthread_cond_timedwait(
			&records->wake, &records->lock, &end) != 0)
			break;
	}
	records->news = false;
}

static void *
run(void *arg)
{
	struct records *records = arg;
	bool ending = false, settle = false;

	while (!ending) {
		bool well;

		pthread_mutex_lock(&records->lock);
		ending = records->ending;
		settle = settle || records->settle;
		records->settle = false;
		pthread_mutex_unlock(&records->lock);
		well = write_all(records);
		if (!well)
			shed(records);
		/* Before all are open, a living call's would be closed. */
		if (well && settle) {
			close_left(records);
			settle = false;
		}
		prune(records);
		pthread_mutex_lock(&records->lock);
		if (!ending)
			sleep_once(
			    records, well ? RECORDS_TURN_MS : RECORDS_RETRY_MS);
		pthread_mutex_unlock(&records->lock);
	}
	return NULL;
}

/* -- in the event loop ---------------------------------------------------------- */

static void
record_free(struct record *record)
{
	record_file_free(&record->file);
	if (record->journal_fd >= 0)
		close(record->journal_fd);
	free(record);
}

static struct record *
take_written(struct records *records)
{
	struct record *record;

	pthread_mutex_lock(&records->lock);
	record = TAILQ_FIRST(&records->written);
	if (record != NULL)
		TAILQ_REMOVE(&records->written, record, entry);
	pthread_mutex_unlock(&records->lock);
	return record;
}

static void
tell_written(struct records *records)
{
	struct record *record;

	while ((record = take_written(records)) != NULL) {
		if (record->ended && records->config.on_written != NULL)
			records->config.on_written(
			    record->token, records->config.arg);
		record_free(record);
	}
}

static void
on_told(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	tell_written(arg);
}

static struct record *
find(struct records *records, uint64_t ticket)
{
	struct record *record;

	TAILQ_FOREACH(record, &records->list, entry) {
		if (!record->ended && record->ticket == ticket)
			return record;
	}
	return NULL;
}

uint64_t
records_begin(struct records *records, const char *call, int journal_fd)
{
	struct record *record;
	uint64_t ticket;

	if (records == NULL)
		return 0;
	record = calloc(1, sizeof(*record));
	if (record == NULL)
		return 0;
	snprintf(record->call, sizeof(record->call), "%s", call);
	record->rules = records->rules;
	record->journal_fd = fcntl(journal_fd, F_DUPFD_CLOEXEC, 0);
	if (record->journal_fd < 0) {
		log_warn("call=%s has no record: %s", call, strerror(errno));
		free(record);
		return 0;
	}
	pthread_mutex_lock(&records->lock);
	ticket = record->ticket = ++records->last_ticket;
	TAILQ_INSERT_TAIL(&records->list, record, entry);
	pthread_mutex_unlock(&records->lock);
	return ticket;
}

bool
records_end(struct records *records, uint64_t ticket, unsigned token)
{
	struct record *record;

	if (records == NULL || ticket == 0)
		return false;
	pthread_mutex_lock(&records->lock);
	record = find(records, ticket);
	if (record != NULL) {
		record->ended = true;
		record->token = token;
		records->ended++;
		records->news = true;
		pthread_cond_signal(&records->wake);
	}
	pthread_mutex_unlock(&records->lock);
	return record != NULL;
}

size_t
records_waiting(struct records *records)
{
	size_t count;

	if (records == NULL)
		return 0;
	pthread_mutex_lock(&records->lock);
	count = records->ended;
	pthread_mutex_unlock(&records->lock);
	return count;
}

void
records_set_rules(
    struct records *records, const struct record_rules *rules, long days)
{
	if (records == NULL)
		return;
	records->rules = *rules;
	records->rules.folder = records->folder;
	pthread_mutex_lock(&records->lock);
	records->config.days = days;
	pthread_mutex_unlock(&records->lock);
}

void
records_settle(struct records *records)
{
	if (records == NULL)
		return;
	pthread_mutex_lock(&records->lock);
	records->settle = records->news = true;
	pthread_cond_signal(&records->wake);
	pthread_mutex_unlock(&records->lock);
}

/* -- life ------------------------------------------------------------------------ */

void
records_folder(const char *setting, char *path, size_t size)
{
	const char *state = getenv("STATE_DIRECTORY");

	if (setting[0] != '\0')
		snprintf(path, size, "%s", setting);
	else if (state != NULL && state[0] == '/')
		snprintf(path, size, "%s/records", state);
	else
		path[0] = '\0';
}

/* All signals are the loop's, but what a thread itself raises. */
static int
start_thread(struct records *records)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int ret;

	ret = pthread_attr_init(&attributes);
	if (ret != 0)
		return -ret;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&records->thread, &attributes, run, records);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	records->is_started = ret == 0;
	return -ret;
}

static void
init_lock(struct records *records)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&records->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&records->wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

int
records_new(struct records **records_out, const struct records_config *config)
{
	struct records *records = calloc(1, sizeof(*records));
	int ret;

	*records_out = NULL;
	if (records == NULL)
		return -ENOMEM;
	records->config = *config;
	snprintf(records->folder, sizeof(records->folder), "%s",
	    config->rules.folder);
	records->config.rules.folder = records->folder;
	records->rules = records->config.rules;
	records->leave_ms = RECORDS_LEAVE_MS;
	TAILQ_INIT(&records->list);
	TAILQ_INIT(&records->written);
	init_lock(records);
	records->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = records->told_fd < 0 ? -errno : 0;
	if (ret == 0) {
		records->told_event = event_new(config->base, records->told_fd,
		    EV_READ | EV_PERSIST, on_told, records);
		if (records->told_event == NULL ||
		    event_add(records->told_event, NULL) < 0)
			ret = -ENOMEM;
	}
	if (ret == 0)
		ret = start_thread(records);
	if (ret < 0) {
		records_free(&records);
		return ret;
	}
	*records_out = records;
	return 0;
}

/*
 * A disk that hangs keeps the thread for ever: then it is left behind. (What
 * the kernel does not interrupt, as it does for a file server that is away,
 * keeps the process from being reaped until the disk gives up.)
 */
static bool
join_thread(struct records *records)
{
	struct timespec end;

	pthread_mutex_lock(&records->lock);
	records->ending = true;
	pthread_cond_signal(&records->wake);
	pthread_mutex_unlock(&records->lock);
	end = moment_in(records->leave_ms);
	return pthread_clockjoin_np(
		   records->thread, NULL, CLOCK_MONOTONIC, &end) == 0;
}

void
records_hurry(struct records *records)
{
	if (records != NULL)
		records->leave_ms = RECORDS_HURRY_MS;
}

void
records_free(struct records **records_ptr)
{
	struct records *records = *records_ptr;
	struct record *record;
	bool joined;

	if (records == NULL)
		return;
	*records_ptr = NULL;
	joined = !records->is_started || join_thread(records);
	/* Untold, a successor would write them a second time. */
	tell_written(records);
	if (!joined) {
		log_err("alarm=records the disk hangs, records are left to a "
			"later start");
		return; /* the thread still has all others in its hands */
	}
	while ((record = TAILQ_FIRST(&records->list)) != NULL) {
		TAILQ_REMOVE(&records->list, record, entry);
		record_free(record);
	}
	if (records->told_event != NULL)
		event_free(records->told_event);
	if (records->told_fd >= 0)
		close(records->told_fd);
	pthread_cond_destroy(&records->wake);
	pthread_mutex_destroy(&records->lock);
	free(records);
}
