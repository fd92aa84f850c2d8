/* The command line of programs that make load. */
#ifndef COMMAND_H
#define COMMAND_H

#include "form.h"

#include <getopt.h>

static double number(const char *name, const char *text, double low, double high)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= low && value <= high))
		die(USAGE, "--%s is %s; it takes a number from %g to %g", name, text, low, high);
	return value;
}

static bool choice(const char *name, const char *text, const char *no, const char *yes)
{
	if (strcmp(text, no) && strcmp(text, yes))
		die(USAGE, "--%s is %s; it takes %s or %s", name, text, no, yes);
	return !strcmp(text, yes);
}

static const struct option names[] = {
	{"address", required_argument, 0, 'a'}, {"port", required_argument, 0, 'p'},
	{"path", required_argument, 0, 'u'}, {"host", required_argument, 0, 'h'},
	{"header", required_argument, 0, 'l'},		/* a line; may be given again */
	{"mix", required_argument, 0, 'm'},		/* per cent of requests that are of the form that --path and --header say next */
	{"rate", required_argument, 0, 'r'},		/* requests a second; 0 is the closed loop */
	{"seconds", required_argument, 0, 's'}, {"warmup", required_argument, 0, 'w'},
	{"connections", required_argument, 0, 'c'},
	{"arrivals", required_argument, 0, 'd'},	/* fixed or poisson */
	{"seed", required_argument, 0, 'e'},
	{"connect", required_argument, 0, 'n'},		/* once (keep-alive), or each: a new connection for each request */
	{"spin", required_argument, 0, 'i'},		/* seconds before a send that are polled, not slept; 0 always sleeps */
	{"number", required_argument, 0, 'b'},		/* no, or yes: a header says each request's place among the records */
	{"timeout", required_argument, 0, 't'},		/* seconds after the end until what is unanswered is given up */
	{"output", required_argument, 0, 'o'}, {0},
};

static void parse_options(int argc, char **argv)
{
	const char *name;
	int which, index;

	while ((which = getopt_long(argc, argv, "", names, &index)) != -1) {
		name = which == '?' ? "" : names[index].name;
		switch (which) {
		case 'a': option.address = optarg; break;
		case 'p': option.port = number(name, optarg, 1, 65535); break;
		case 'u': forms[form_count - 1].path = optarg; break;
		case 'h': option.host = optarg; break;
		case 'l': add_header(optarg); break;
		case 'm': add_form(number(name, optarg, 0, 100)); break;
		case 'r': option.rate = number(name, optarg, 0, 1e6); break;
		case 's': option.seconds = number(name, optarg, 0.001, 3600); break;
		case 'w': option.warmup = number(name, optarg, 0, 600); break;
		case 'c': option.connections = number(name, optarg, 1, 10000); break;
		case 'd': option.poisson = choice(name, optarg, "fixed", "poisson"); break;
		case 'e': option.seed = number(name, optarg, 0, 0x1p53); break;
		case 'n': option.fresh = choice(name, optarg, "once", "each"); break;
		case 'i': option.spin = number(name, optarg, 0, 1); break;
		case 'b': option.numbered = choice(name, optarg, "no", "yes"); break;
		case 't': option.timeout = number(name, optarg, 0.001, 600); break;
		case 'o': option.output = optarg; break;
		default: exit(USAGE);
		}
	}
	if (optind < argc || !option.address || !option.port)
		die(USAGE, "wanted --address, --port and other options by name; command.h lists them");
	set_server(option.address, option.port);
	write_forms();
}

#endif
