"""The anatomy of a caller's Select: what a search has to know of it, or to take away.

SQLAlchemy builds a Select by adding to it and offers no way to look into joins and options or to take WHERE away, so
this is the one package that reads the private attributes of one; they are the same in SQLAlchemy 2.0 and 2.1.
"""

from sqlalchemy_vecsearch.selects.clauses import (
    has_loader_options,
    has_offset,
    is_cut,
    is_distinct,
    is_filtered,
    is_grouped,
    is_limited,
    is_locking,
    limit_of,
    offset_of,
    passes_over_rows,
    rows_asked,
    select_list,
    selected_columns,
    tie_breaks,
    where_criteria,
)
from sqlalchemy_vecsearch.selects.copies import (
    cross_joined,
    locking_as,
    on_foreign_keys,
    only_columns,
    prepended,
    with_criteria,
    without_filter,
)
from sqlalchemy_vecsearch.selects.elements import (
    Statement,
    as_clause,
    is_stored,
    numbered,
    parts,
    shown,
    stored_element,
    taken_from,
)
from sqlalchemy_vecsearch.selects.output_names import named_by, output_types_named
from sqlalchemy_vecsearch.selects.searchable import as_select
from sqlalchemy_vecsearch.selects.sources import (
    has_loader_criteria,
    inner_joins,
    leaves,
    read_by,
    reads,
    reads_one_entity,
    sources,
)

__all__ = [
    "Statement",
    "as_clause",
    "as_select",
    "cross_joined",
    "has_loader_criteria",
    "has_loader_options",
    "has_offset",
    "inner_joins",
    "is_cut",
    "is_distinct",
    "is_filtered",
    "is_grouped",
    "is_limited",
    "is_locking",
    "is_stored",
    "leaves",
    "limit_of",
    "locking_as",
    "named_by",
    "numbered",
    "offset_of",
    "on_foreign_keys",
    "only_columns",
    "output_types_named",
    "parts",
    "passes_over_rows",
    "prepended",
    "read_by",
    "reads",
    "reads_one_entity",
    "rows_asked",
    "select_list",
    "selected_columns",
    "shown",
    "sources",
    "stored_element",
    "taken_from",
    "tie_breaks",
    "where_criteria",
    "with_criteria",
    "without_filter",
]
