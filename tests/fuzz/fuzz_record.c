/* SPDX-License-Identifier: MIT */
/*
 * fuzz_record.c – a call's record, gone on with: what an earlier process wrote
 * of it, torn wherever it died, 0xff, then the journal.
 */
#include "supervisor/record_file.h"

#include "common/json.h"
#include "tests/fuzz/fuzz_journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALL "1.1"

static char folder[64];

static void
make_folder(void)
{
	char path[96];

	if (folder[0] != '\0')
		return;
	snprintf(folder, sizeof(folder), "%s/fuzz-record.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/open", folder);
	FUZZ_CHECK(mkdir(path, 0750) == 0);
}

static void
remove_all(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	(void)!system(command);
}

/* In the place in which the record of this journal is looked for. */
static void
write_earlier(int journal, const char *text, char *path, size_t size)
{
	struct stat st;
	int fd;

	FUZZ_CHECK(fstat(journal, &st) == 0);
	snprintf(path, size, "%s/open/" CALL ".%llu.jsonl", folder,
	    (unsigned long long)st.st_ino);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* What stands behind the earlier's last whole line is ours: lines of JSON,
 * numbered upwards. */
static void
check(const char *path, const char *earlier)
{
	const char *end = strrchr(earlier, '\n');
	size_t kept = end != NULL ? (size_t)(end - earlier) + 1 : 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	static char text[8 * FUZZ_JOURNAL_LEN];
	char *line, *rest = text + kept;
	ssize_t len;
	int64_t last = 0;

	FUZZ_CHECK(fd >= 0);
	len = read(fd, text, sizeof(text) - 1);
	FUZZ_CHECK(len >= (ssize_t)kept && len < (ssize_t)sizeof(text) - 1);
	close(fd);
	text[len] = '\0';
	FUZZ_CHECK(memcmp(text, earlier, kept) == 0);
	while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
		cJSON *json = json_parse(line, strlen(line));
		int64_t number = json_int(json, "n", 0);

		FUZZ_CHECK(rest != NULL); /* it is a whole line */
		FUZZ_CHECK(number > last);
		FUZZ_CHECK(json_string(json, "type")[0] != '\0');
		last = number;
		cJSON_Delete(json);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *earlier = fuzz_part(&in), *lines = fuzz_text(in.data, in.size);
	struct record_rules rules = {
	    .folder = folder, .transcripts = true, .show_number = "last4"};
	struct record_file *file;
	char path[160];
	int journal;

	fuzz_init();
	if (folder[0] == '\0') {
		make_folder();
		atexit(remove_all);
	}
	journal = fuzz_journal(lines);
	write_earlier(journal, earlier, path, sizeof(path));
	FUZZ_CHECK(record_file_open(&file, &rules, CALL, journal) == 0);
	FUZZ_CHECK(record_file_copy(file) == 0);
	check(path, earlier);
	record_file_free(&file);
	unlink(path);
	close(journal);
	free(earlier);
	free(lines);
	return 0;
}
