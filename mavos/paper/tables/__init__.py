"""The tables that can be run, by name. The files beside this one are all data.

A printed number stands in its row as it was read; ``None`` is a dash, and nothing is guessed. A
test compares every number with a record of the paper. A method that this framework has no network
for is a row without one. Tables of another paper are another file.
"""

from mavos.paper.schema import Table
from mavos.paper.tables.mavos_ablations import TABLE5, TABLE6, TABLE7, TABLE8
from mavos.paper.tables.mavos_datasets import TABLE1
from mavos.paper.tables.mavos_figure import FIG1, LENGTH
from mavos.paper.tables.mavos_results import TABLE2, TABLE3, TABLE4

_ALL = (TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, TABLE7, TABLE8, FIG1, LENGTH)
TABLES: dict[str, Table] = {table.name: table for table in _ALL}
