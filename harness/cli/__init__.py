"""Arguments in, exit status out. The only room that prints: the ``meshproof`` command, and a plugin of pytest."""
