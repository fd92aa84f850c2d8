"""What should become of a flow, said twice: ``direct`` reads policies as their documentation does, ``sets`` compiles them.

The two share no code, only the values of harness.model, so that a misreading has to be made twice to go unseen.
"""
