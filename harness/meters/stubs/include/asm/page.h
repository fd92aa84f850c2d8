/* bcc's prelude includes this; probes use nothing of it. */
