/*
 * What a process sees, written down in memory that is a file: nothing is lost when the process is killed, and who reads
 * along never stops it. The includer defines `struct record`; diary.py reads the file.
 */
#ifndef DIARY_H
#define DIARY_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RECORDS (1 << 20)

static struct diary {
	_Atomic uint64_t count; /* of whole records */
	uint64_t pad[7];
	struct record records[RECORDS];
} *diary;

__attribute__((noreturn)) static void diary_fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

/* ns of CLOCK_MONOTONIC: one clock for all namespaces, Python's time.monotonic_ns(). */
static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void diary_open(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (file < 0 || ftruncate(file, sizeof(*diary)))
		diary_fail(path);
	diary = mmap(NULL, sizeof(*diary), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (diary == MAP_FAILED)
		diary_fail(path);
	close(file);
}

/* Where the next record goes; it is there for readers once `diary_wrote` says so. */
static struct record *diary_next(void)
{
	if (diary->count == RECORDS) {
		errno = ENOSPC;
		diary_fail("the diary");
	}
	return &diary->records[diary->count];
}

static void diary_wrote(void)
{
	diary->count++;
}

#endif
