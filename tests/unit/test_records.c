/* SPDX-License-Identifier: MIT */
/*
 * test_records.c – journals as files of JSON lines: whole whatever dies, with
 * no more in them than may be kept, and complete once the disk works again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/journal.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/records.h"

#define CALL "1732012345.17"

/* The disk: closed while it hangs. */
static struct {
	atomic_bool hangs;
	atomic_bool reached;  /* somebody waits for it */
	struct records *left; /* reachable, for leak checkers */
} disk;

/* In place of the C library's. */
int
fdatasync(int fd)
{
	(void)fd;
	while (atomic_load(&disk.hangs)) {
		atomic_store(&disk.reached, true);
		poll(NULL, 0, 1);
	}
	return 0;
}

struct rig {
	char folder[64];
	struct record_rules rules;
	int journal_fd;
	struct journal *journal;
	struct record_file *file;
	char *text; /* of the file last read */
	struct event_base *base;
	struct records *records;
	unsigned written[8];
	size_t written_count;
};

static void
append(struct rig *rig, enum journal_type type, const char *body)
{
	assert_int_equal(
	    journal_append(rig->journal, type, body, strlen(body)), 0);
}

static void
new_journal(struct rig *rig)
{
	if (rig->journal_fd >= 0)
		close(rig->journal_fd);
	journal_free(&rig->journal);
	assert_int_equal(journal_memfd_create(&rig->journal_fd), 0);
	assert_int_equal(journal_attach(&rig->journal, rig->journal_fd), 0);
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	strcpy(rig->folder, "/tmp/telefonista-records-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	rig->rules = (struct record_rules){
	    .folder = rig->folder, .transcripts = true, .show_number = "full"};
	rig->journal_fd = -1;
	new_journal(rig);
	*state = rig;
	return 0;
}

static void
remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char below[512];

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		remove_tree(below);
	}
	if (dir != NULL)
		closedir(dir);
	remove(path);
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	record_file_free(&rig->file);
	records_free(&rig->records);
	if (rig->base != NULL)
		event_base_free(rig->base);
	journal_free(&rig->journal);
	close(rig->journal_fd);
	remove_tree(rig->folder);
	free(rig->text);
	free(rig);
	return 0;
}

static void
open_record(struct rig *rig)
{
	assert_int_equal(
	    record_file_open(&rig->file, &rig->rules, CALL, rig->journal_fd),
	    0);
}

/* The one file of a folder below FOLDER; "" when it is empty. */
static void
only_file(const struct rig *rig, const char *below, char *path, size_t size)
{
	char folder[128];
	struct dirent *entry;
	DIR *dir;
	int count = 0;

	path[0] = '\0';
	snprintf(folder, sizeof(folder), "%s/%s", rig->folder, below);
	dir = opendir(folder);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, size, "%s/%s", folder, entry->d_name);
		count++;
	}
	closedir(dir);
	assert_in_range(count, 0, 1);
}

static void
today(char *buf, size_t size)
{
	time_t now = clock_wall();
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(buf, size, "%Y-%m-%d", &tm);
}

static const char *
read_file(struct rig *rig, const char *below)
{
	char path[512];
	struct stat st;
	int fd;

	only_file(rig, below, path, sizeof(path));
	if (path[0] == '\0')
		return "";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	free(rig->text);
	rig->text = calloc(1, (size_t)st.st_size + 1);
	assert_int_equal(read(fd, rig->text, (size_t)st.st_size), st.st_size);
	close(fd);
	return rig->text;
}

/* Line NUMBER (from 1) of a file; the caller owns it. */
static cJSON *
line_of(const char *text, unsigned number)
{
	const char *end;

	for (; number > 1; number--) {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
	}
	end = strchr(text, '\n');
	assert_non_null(end);
	return cJSON_ParseWithLength(text, (size_t)(end - text));
}

static unsigned
lines(const char *text)
{
	unsigned count = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		count++;
	return count;
}

/* -- a file ------------------------------------------------------------------- */

static void
a_call_becomes_a_file_of_its_day(void **state)
{
	struct rig *rig = *state;
	char day[16], path[512];
	cJSON *line;

	append(rig, JOURNAL_CALL, "{\"call\":\"x\",\"caller\":\"+573001\"}");
	open_record(rig);
	assert_int_equal(record_file_copy(rig->file), 0);
	line = line_of(read_file(rig, "open"), 1);
	assert_int_equal(json_int(line, "n", 0), 1);
	assert_int_equal(json_int(line, "ms", -1), 0);
	assert_string_equal(json_string(line, "type"), "call");
	assert_string_equal(json_string(line, "caller"), "+573001");
	assert_int_equal(strlen(json_string(line, "time")), 24);
	cJSON_Delete(line);

	append(rig, JOURNAL_USER, "{\"text\":\"¿Qué tal?\"}");
	assert_int_equal(
	    journal_append_final(rig->journal, "{\"reason\":\"x\"}", 14), 0);
	assert_int_equal(record_file_finish(rig->file), 0);
	assert_string_equal(read_file(rig, "open"), "");
	today(day, sizeof(day));
	only_file(rig, day, path, sizeof(path));
	assert_non_null(strstr(path, "-" CALL ".jsonl"));
	assert_int_equal(lines(read_file(rig, day)), 3);
	line = line_of(rig->text, 2);
	assert_string_equal(json_string(line, "text"), "¿Qué tal?");
	cJSON_Delete(line);
	line = line_of(rig->text, 3);
	assert_string_equal(json_string(line, "type"), "final");
	cJSON_Delete(line);
}

static void
a_worker_without_last_words_leaves_a_record_that_says_so(void **state)
{
	struct rig *rig = *state;
	char day[16];
	cJSON *line;

	append(rig, JOURNAL_NOTE, "{\"why\":\"x\"}");
	open_record(rig);
	assert_int_equal(record_file_finish(rig->file), 0);
	today(day, sizeof(day));
	assert_int_equal(lines(read_file(rig, day)), 2);
	line = line_of(rig->text, 2);
	assert_string_equal(json_string(line, "type"), "cut");
	assert_int_equal(json_int(line, "n", 0), 2);
	cJSON_Delete(line);
}

static void
only_what_may_be_kept_is_in_it(void **state)
{
	struct rig *rig = *state;
	const char *text;

	rig->rules.transcripts = false;
	strcpy(rig->rules.show_number, "last4");
	append(rig, JOURNAL_CALL,
	    "{\"caller\":\"+573001234655\",\"caller_name\":\"Secreto\","
	    "\"persona\":\"soporte\"}");
	append(rig, JOURNAL_USER, "{\"id\":\"i1\",\"text\":\"Secreto\"}");
	append(rig, JOURNAL_HEARD,
	    "{\"heard\":\"Secreto\",\"unheard\":\"Secreto\",\"heard_ms\":12}");
	append(rig, JOURNAL_TOOL_CALL,
	    "{\"name\":\"herramienta\",\"arguments\":\"Secreto\"}");
	append(rig, JOURNAL_TOOL_RESULT,
	    "{\"deep\":{\"output\":\"Secreto\","
	    "\"status\":\"ok\"}}");
	append(rig, JOURNAL_DTMF, "{\"digits\":\"Secreto\"}");
	append(
	    rig, JOURNAL_NOTE, "{\"what\":[\"Secreto\"],\"new\":\"Secreto\"}");
	append(rig, JOURNAL_NOTE, "\"Secreto\"");
	open_record(rig);
	assert_int_equal(record_file_copy(rig->file), 0);
	text = read_file(rig, "open");
	assert_int_equal(lines(text), 8);
	assert_null(strstr(text, "Secreto"));
	assert_null(strstr(text, "300123"));
	assert_non_null(strstr(text, "\"caller\":\"…4655\""));
	assert_non_null(strstr(text, "\"heard_ms\":12"));
	assert_non_null(strstr(text, "herramienta"));
	assert_non_null(strstr(text, "\"status\":\"ok\""));
	assert_non_null(strstr(text, "soporte"));
}

/* The one who wrote is dead; half of its last line is there. */
static void
another_process_goes_on_where_the_file_is_whole(void **state)
{
	struct rig *rig = *state;
	char path[512];
	cJSON *line;
	int fd;

	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	append(rig, JOURNAL_NOTE, "{\"why\":\"2\"}");
	open_record(rig);
	assert_int_equal(record_file_copy(rig->file), 0);
	record_file_free(&rig->file);
	only_file(rig, "open", path, sizeof(path));
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"n\":3,\"ti", 10), 10);
	close(fd);
	append(rig, JOURNAL_NOTE, "{\"why\":\"3\"}");
	open_record(rig);
	assert_int_equal(record_file_copy(rig->file), 0);
	assert_int_equal(lines(read_file(rig, "open")), 3);
	for (unsigned i = 1; i <= 3; i++) {
		line = line_of(rig->text, i);
		assert_int_equal(json_int(line, "n", 0), i);
		cJSON_Delete(line);
	}
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file may be 300 bytes long; then it may be longer. */
static void
a_full_disk_costs_nothing_but_time(void **state)
{
	struct rig *rig = *state;
	const char *text;

	open_record(rig);
	for (unsigned i = 0; i < 20; i++)
		append(rig, JOURNAL_NOTE, "{\"why\":\"0123456789\"}");
	limit_files(300);
	assert_int_equal(record_file_copy(rig->file), -ENOSPC);
	assert_int_equal(record_file_copy(rig->file), -ENOSPC);
	text = read_file(rig, "open");
	assert_in_range(lines(text), 1, 4);
	assert_int_equal(text[strlen(text) - 1], '\n');
	limit_files(RLIM_INFINITY);
	assert_int_equal(record_file_copy(rig->file), 0);
	text = read_file(rig, "open");
	assert_int_equal(lines(text), 20);
	for (unsigned i = 1; i <= 20; i++) {
		cJSON *line = line_of(text, i);

		assert_int_equal(json_int(line, "n", 0), i);
		cJSON_Delete(line);
	}
}

static void
no_channel_names_a_file_elsewhere(void **state)
{
	static const char *const names[] = {"../../escape", "..", "a/b", "",
	    ".hidden", "with\nline", "\xff\xfe"};
	struct rig *rig = *state;
	char path[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		new_journal(rig);
		append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
		assert_int_equal(record_file_open(&rig->file, &rig->rules,
				     names[i], rig->journal_fd),
		    0);
		assert_int_equal(record_file_copy(rig->file), 0);
		assert_null(strchr(record_file_name(rig->file), '/'));
		snprintf(path, sizeof(path), "%s/open/%s", rig->folder,
		    record_file_name(rig->file));
		assert_int_equal(access(path, R_OK), 0);
		assert_int_equal(unlink(path), 0);
		record_file_free(&rig->file);
	}
}

static void
what_is_no_journal_has_no_record(void **state)
{
	struct rig *rig = *state;
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	assert_true(record_file_open(&rig->file, &rig->rules, CALL, fd) < 0);
	assert_null(rig->file);
	close(fd);
}

static bool
nothing_is_live(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return false;
}

static bool
is_this(const char *name, void *arg)
{
	return strcmp(name, arg) == 0;
}

static void
what_an_earlier_service_left_is_closed(void **state)
{
	struct rig *rig = *state;
	char name[256], day[16];
	cJSON *line;

	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	open_record(rig);
	assert_int_equal(record_file_copy(rig->file), 0);
	snprintf(name, sizeof(name), "%s", record_file_name(rig->file));
	record_file_free(&rig->file);
	assert_int_equal(
	    record_files_close_left(&rig->rules, is_this, name), 0);
	assert_int_equal(
	    record_files_close_left(&rig->rules, nothing_is_live, NULL), 1);
	assert_int_equal(
	    record_files_close_left(&rig->rules, nothing_is_live, NULL), 0);
	today(day, sizeof(day));
	line = line_of(read_file(rig, day), 2);
	assert_string_equal(json_string(line, "why"), "the service ended");
	cJSON_Delete(line);
}

static void
old_days_go_and_what_is_not_ours_stays(void **state)
{
	static const char *const old[] = {"2001-02-03", "2001-02-04"};
	struct rig *rig = *state;
	char path[512];

	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	open_record(rig);
	assert_int_equal(record_file_finish(rig->file), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", rig->folder, old[i]);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/%s/%s", rig->folder, old[i],
		    i == 0 ? "1-x.jsonl" : "mine.txt");
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	snprintf(path, sizeof(path), "%s/2001-02-05x", rig->folder);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(record_files_prune(&rig->rules, 30), 1);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/%s", rig->folder, old[0]);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/%s/mine.txt", rig->folder, old[1]);
	assert_int_equal(access(path, F_OK), 0);
	today(path, sizeof(path));
	assert_int_equal(lines(read_file(rig, path)), 2);
}

/* -- all of them ------------------------------------------------------------------ */

static void
on_written(unsigned token, void *arg)
{
	struct rig *rig = arg;

	assert_true(rig->written_count < 8);
	rig->written[rig->written_count++] = token;
	event_base_loopbreak(rig->base);
}

static void
start_records(struct rig *rig)
{
	struct records_config config = {
	    .rules = rig->rules,
	    .on_written = on_written,
	    .arg = rig,
	};

	config.base = rig->base = event_base_new();
	assert_non_null(rig->base);
	assert_int_equal(records_new(&rig->records, &config), 0);
}

/* Until so many were written. */
static void
run_until(struct rig *rig, size_t count)
{
	const struct timeval limit = {.tv_sec = 30};

	event_base_loopexit(rig->base, &limit);
	while (rig->written_count < count && !event_base_got_exit(rig->base))
		event_base_loop(rig->base, EVLOOP_ONCE);
	assert_int_equal(rig->written_count, count);
}

static uint64_t
begin(struct rig *rig)
{
	uint64_t ticket = records_begin(rig->records, CALL, rig->journal_fd);

	assert_true(ticket != 0);
	return ticket;
}

static void
an_ended_call_is_written_and_told(void **state)
{
	struct rig *rig = *state;
	uint64_t ticket;
	char day[16];

	start_records(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	ticket = begin(rig);
	assert_false(records_end(rig->records, 0, 1));
	assert_false(records_end(rig->records, ticket + 1, 1));
	assert_true(records_end(rig->records, ticket, 42));
	assert_false(records_end(rig->records, ticket, 43));
	run_until(rig, 1);
	assert_int_equal(rig->written[0], 42);
	assert_int_equal(records_waiting(rig->records), 0);
	today(day, sizeof(day));
	assert_int_equal(lines(read_file(rig, day)), 2);
}

/* It came back from the dialplan before its first worker had left. */
static void
a_channel_that_comes_back_has_another_record(void **state)
{
	struct rig *rig = *state;
	uint64_t first, second;

	start_records(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	first = begin(rig);
	new_journal(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"2\"}");
	second = begin(rig);
	assert_true(records_end(rig->records, first, 1));
	run_until(rig, 1);
	assert_int_equal(rig->written[0], 1);
	append(rig, JOURNAL_NOTE, "{\"why\":\"3\"}");
	assert_true(records_end(rig->records, second, 2));
	run_until(rig, 2);
	assert_int_equal(rig->written[1], 2);
}

static void
what_is_written_at_the_end_is_told(void **state)
{
	struct rig *rig = *state;

	start_records(rig);
	assert_true(records_end(rig->records, begin(rig), 42));
	records_free(&rig->records);
	assert_int_equal(rig->written_count, 1);
	assert_int_equal(rig->written[0], 42);
}

/* And what goes on is not taken for what an earlier service left. */
static void
a_record_that_fails_alone_does_so_alone(void **state)
{
	struct rig *rig = *state;
	char obstacle[160];
	struct stat st;
	int other;

	start_records(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	begin(rig);
	records_free(&rig->records);
	event_base_free(rig->base);
	start_records(rig);
	assert_int_equal(journal_memfd_create(&other), 0);
	assert_int_equal(fstat(other, &st), 0);
	snprintf(obstacle, sizeof(obstacle), "%s/open/" CALL ".%llu.jsonl",
	    rig->folder, (unsigned long long)st.st_ino);
	assert_int_equal(mkdir(obstacle, 0755), 0);
	records_begin(rig->records, CALL, other);
	close(other);
	begin(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"2\"}");
	records_settle(rig->records);
	records_free(&rig->records);
	assert_int_equal(rmdir(obstacle), 0);
	assert_int_equal(lines(read_file(rig, "open")), 2);
}

/* The folder cannot be made; then it can. */
static void
a_record_waits_for_the_disk(void **state)
{
	struct rig *rig = *state;
	char folder[128], day[32], today_text[16];
	uint64_t ticket;

	snprintf(folder, sizeof(folder), "%s/later", rig->folder);
	close(open(folder, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	rig->rules.folder = folder;
	start_records(rig);
	ticket = begin(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	assert_true(records_end(rig->records, ticket, 7));
	assert_int_equal(records_waiting(rig->records), 1);
	assert_int_equal(unlink(folder), 0);
	run_until(rig, 1);
	today(today_text, sizeof(today_text));
	snprintf(day, sizeof(day), "later/%s", today_text);
	assert_int_equal(lines(read_file(rig, day)), 2);
}

static void
what_goes_on_at_the_end_is_left_to_a_successor(void **state)
{
	struct rig *rig = *state;

	start_records(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	begin(rig);
	records_free(&rig->records);
	assert_int_equal(lines(read_file(rig, "open")), 1);
	event_base_free(rig->base);
	start_records(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"2\"}");
	begin(rig);
	records_settle(rig->records);
	records_free(&rig->records);
	assert_int_equal(lines(read_file(rig, "open")), 2);
}

static void
new_rules_are_for_calls_that_begin_then(void **state)
{
	struct rig *rig = *state;
	struct record_rules rules = {.show_number = "no"};
	uint64_t old, new;
	char day[16];

	start_records(rig);
	append(rig, JOURNAL_USER, "{\"text\":\"Secreto\"}");
	old = begin(rig);
	records_set_rules(rig->records, &rules, 0);
	assert_true(records_end(rig->records, old, 1));
	run_until(rig, 1);
	today(day, sizeof(day));
	assert_non_null(strstr(read_file(rig, day), "Secreto"));
	remove_tree(rig->folder);
	assert_int_equal(mkdir(rig->folder, 0755), 0);
	new_journal(rig);
	append(rig, JOURNAL_CALL, "{\"caller\":\"+573001\"}");
	append(rig, JOURNAL_USER, "{\"text\":\"Secreto\"}");
	new = begin(rig);
	assert_true(records_end(rig->records, new, 2));
	run_until(rig, 2);
	assert_null(strstr(read_file(rig, day), "Secreto"));
	assert_null(strstr(rig->text, "573001"));
	assert_int_equal(lines(rig->text), 3);
}

/* Meanwhile nobody hears Asterisk. */
static void
a_disk_that_hangs_does_not_hold_up_a_successor(void **state)
{
	struct rig *rig = *state;
	uint64_t begun_ms;

	start_records(rig);
	append(rig, JOURNAL_NOTE, "{\"why\":\"1\"}");
	assert_true(records_end(rig->records, begin(rig), 41));
	while (records_waiting(rig->records) > 0)
		poll(NULL, 0, 1);
	atomic_store(&disk.hangs, true);
	assert_true(records_end(rig->records, begin(rig), 42));
	while (!atomic_load(&disk.reached))
		poll(NULL, 0, 1);
	disk.left = rig->records;
	begun_ms = clock_now_ms();
	records_hurry(rig->records);
	records_free(&rig->records);
	assert_true(clock_now_ms() - begun_ms >= RECORDS_HURRY_MS);
	assert_true(clock_now_ms() - begun_ms < RECORDS_LEAVE_MS);
	/* The one that was written before is not written again. */
	assert_int_equal(rig->written_count, 1);
	assert_int_equal(rig->written[0], 41);
	atomic_store(&disk.hangs, false);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_call_becomes_a_file_of_its_day),
	    T(a_worker_without_last_words_leaves_a_record_that_says_so),
	    T(only_what_may_be_kept_is_in_it),
	    T(another_process_goes_on_where_the_file_is_whole),
	    T(a_full_disk_costs_nothing_but_time),
	    T(no_channel_names_a_file_elsewhere),
	    T(what_is_no_journal_has_no_record),
	    T(what_an_earlier_service_left_is_closed),
	    T(old_days_go_and_what_is_not_ours_stays),
	    T(an_ended_call_is_written_and_told),
	    T(a_channel_that_comes_back_has_another_record),
	    T(what_is_written_at_the_end_is_told),
	    T(a_record_that_fails_alone_does_so_alone),
	    T(a_record_waits_for_the_disk),
	    T(what_goes_on_at_the_end_is_left_to_a_successor),
	    T(new_rules_are_for_calls_that_begin_then),
	    T(a_disk_that_hangs_does_not_hold_up_a_successor),
	};

	signal(SIGXFSZ, SIG_IGN);
	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
