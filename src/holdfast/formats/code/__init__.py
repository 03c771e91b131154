"""Models that are code: a version's own Python package, and the class in it that is the model.

`tree` says which files a version keeps as its code, `space` imports them apart from everything
else in the process, `entry` makes a model of a class, and `parts` loads a version with all three.
"""

from holdfast.formats.code.entry_point import EntryPoint, EntryPointFile
from holdfast.formats.code.tree import CODE, Code, mark, stage, top_modules

__all__ = ["CODE", "Code", "EntryPoint", "EntryPointFile", "mark", "stage", "top_modules"]
