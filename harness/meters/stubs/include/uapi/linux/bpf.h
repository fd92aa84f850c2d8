/* bcc's prelude carries its own bpf.h; a second one would redefine it. */
