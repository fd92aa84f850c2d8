"""Where it happens: namespaces, cgroups, processes and their clean-up. The only room that runs commands."""
