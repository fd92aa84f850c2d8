/*
 * The forms of request that a load mixes. Which one comes next is drawn for each request, by the load's seed: forms that took
 * turns would fall into step with the connections, which take turns too.
 */
#ifndef FORM_H
#define FORM_H

#include "schedule.h"
#include "server.h"

#define FORMS 8
#define HEADERS_SIZE 2048
#define NUMBER_HEADER "x-request-id: 0000000000\r\n"	/* last of the head, with --number */
#define DIGITS 10

struct form {
	double percent;		/* of all requests; the first one has what the others leave */
	const char *path;
	char headers[HEADERS_SIZE];	/* whole lines */
	size_t headers_size;
	char request[4096];
	size_t size;
};

static struct form forms[FORMS] = {{.percent = 100, .path = "/"}};
static unsigned form_count = 1;

/* The options that follow are about another form, which is so many per cent of all requests. */
static void add_form(double percent)
{
	if (form_count == FORMS)
		die(USAGE, "--mix is given too often; there are %d forms at most, with the first", FORMS);
	if (percent > forms[0].percent)
		die(USAGE, "--mix is %g; %g per cent are left", percent, forms[0].percent);
	forms[0].percent -= percent;
	forms[form_count].percent = percent;
	forms[form_count++].path = forms[0].path;
}

static void add_header(const char *line)
{
	struct form *form = &forms[form_count - 1];
	int room = sizeof(form->headers) - form->headers_size;
	int size = snprintf(form->headers + form->headers_size, room, "%s\r\n", line);

	if (size >= room)
		die(USAGE, "--header is too long: a form has room for %d bytes of them", HEADERS_SIZE);
	form->headers_size += size;
}

/* What is sent of each form, once the server is known. */
static void write_forms(void)
{
	const char *host = option.host ? option.host : option.address;
	const char *number = option.numbered ? NUMBER_HEADER : "";
	bool brackets = server.ss_family == AF_INET6 && !option.host;

	for (unsigned i = 0; i < form_count; i++) {
		int size = snprintf(forms[i].request, sizeof(forms[i].request), brackets ? "GET %s HTTP/1.1\r\nHost: [%s]\r\n%s%s\r\n"
				    : "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", forms[i].path, host, forms[i].headers, number);

		if (size >= (int)sizeof(forms[i].request))
			die(USAGE, "--path, --host and --header are longer than %zu bytes together", sizeof(forms[i].request));
		forms[i].size = size;
	}
}

/* Write a request's number over the one that the form's last sending left. In turn only: all requests of a form share its bytes. */
static inline void number_form(struct form *form, size_t number)
{
	char *digit = form->request + form->size - strlen("\r\n\r\n");

	for (unsigned i = 0; i < DIGITS; i++, number /= 10)
		*--digit = '0' + number % 10;
}

static unsigned draw_form(uint64_t *seed)
{
	double left;

	if (form_count == 1)
		return 0;
	left = uniform_of(seed) * 100;
	for (unsigned i = 1; i < form_count; i++) {
		if (left < forms[i].percent)
			return i;
		left -= forms[i].percent;
	}
	return 0;
}

#endif
