/*
 * What it takes to send datagrams that a rule of the sender's own node looks up and drops: nanoseconds each, of each round.
 *
 *     lookups ELEMENTS PACKETS ROUNDS
 *
 * Element number n is port 1 + n % 1000 of the n / 1000-th address from 10.1.0.0 on. A round sends PACKETS datagrams to as
 * many elements, spread over all, so that neighbours are never looked up one after the other. Nothing leaves the sender:
 * one that is not refused is an error, for then the rule is not there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PORTS 1000
#define FIRST 0x0A010000u
#define STRIDE 7919u /* a prime */

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

int main(int count, char **words)
{
	uint64_t elements, packets, rounds, number = 0;
	struct sockaddr_in to = {.sin_family = AF_INET};
	int sender;

	if (count != 4) {
		fprintf(stderr, "usage: lookups ELEMENTS PACKETS ROUNDS\n");
		return 2;
	}
	elements = strtoull(words[1], NULL, 10);
	packets = strtoull(words[2], NULL, 10);
	rounds = strtoull(words[3], NULL, 10);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	if (sender < 0 || !elements || !packets) {
		fprintf(stderr, "no socket, or nothing to send: %s\n", strerror(errno));
		return 1;
	}
	while (rounds--) {
		uint64_t begun = now();

		for (uint64_t sent = 0; sent < packets; sent++) {
			uint64_t element = number++ * STRIDE % elements;

			to.sin_addr.s_addr = htonl(FIRST + (uint32_t)(element / PORTS));
			to.sin_port = htons((uint16_t)(1 + element % PORTS));
			if (sendto(sender, "", 1, 0, (struct sockaddr *)&to, sizeof to) >= 0 || errno != EPERM) {
				fprintf(stderr, "element %llu was not refused: %s\n", (unsigned long long)element,
					strerror(errno));
				return 1;
			}
		}
		printf("%.1f\n", (double)(now() - begun) / (double)packets);
	}
	return 0;
}
