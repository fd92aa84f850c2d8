/* All that a server reads of its connections, in a file; transcript.py reads it. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* What the transcript says before each piece of bytes. */
struct piece {
	uint32_t connection, size;
	uint16_t port, family;
};

/* Add to the transcript what was read of a connection: its number, how much, and then the bytes. False where that failed. */
static bool transcript_add(int transcript, uint32_t number, int fd, const char *bytes, size_t size)
{
	struct sockaddr_in6 own = {};
	socklen_t own_size = sizeof(own);
	struct piece piece = {.connection = number, .size = size};
	struct iovec parts[] = {{&piece, sizeof(piece)}, {(char *)bytes, size}};

	getsockname(fd, (void *)&own, &own_size);
	piece.port = ntohs(own.sin6_port);
	piece.family = own.sin6_family == AF_INET6 ? 6 : 4;
	return writev(transcript, parts, 2) == (ssize_t)(sizeof(piece) + size);
}

#endif
