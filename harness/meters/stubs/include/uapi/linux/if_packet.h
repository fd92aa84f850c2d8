/* The user-space API's header, under the kernel tree's name. */
#include_next <linux/if_packet.h>
