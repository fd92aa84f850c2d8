"""What all of the mesh's errors are, so that a data plane can catch them as one."""


class MeshError(Exception):
    """The mesh could not do what was asked: what, where, what was found, and what to do, in one line."""
