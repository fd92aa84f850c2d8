/* Force-included by bcc, which refuses to compile without this option. */
#define CONFIG_BPF_SYSCALL 1
