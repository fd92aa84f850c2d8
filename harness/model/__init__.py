"""Pure values: what is asked, what is compared, what came out. No I/O, no matching, no defaults.

Policies stand here *as written*. Selection, defaulting and precedence belong to those who act on them
(each data plane's compiler, and the oracle), so that they can be compared with one another.
"""
