"""SQL of a user, which reads tables of the store and does nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from persist.tracking.errors import StoreError
from persist.tracking.optional import import_optional

__all__ = ["check_query"]

# All others that a FROM may call reach files, settings, other tables by name, or write.
_TABLE_FUNCTIONS = frozenset(
    {
        *("range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row"),
        *("summary", "histogram", "histogram_values", "pragma_table_info", "pragma_show"),
        *("pragma_version", "pragma_database_size", "duckdb_tables", "duckdb_columns"),
        *("duckdb_views", "duckdb_indexes", "duckdb_constraints", "duckdb_schemas"),
        *("duckdb_types", "duckdb_functions", "duckdb_databases"),
    }
)
# DuckDB marks those as volatile that do something; these only return other values each time.
_VOLATILE = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error"})
_VIEWS = frozenset({"v_aggregated_predictions"})
_REFUSED = "sql takes one SELECT statement, which only reads"


def check_query(connection: Any, query: str, parameters: Sequence[Any], can_write: bool) -> str:
    """Return the text of one SELECT statement that calls functions which compute, and reads tables.

    Whether it only reads must be found out if the connection can write.

    Raises
    ------
    StoreError
        If it is anything else.
    """
    statements = connection.extract_statements(query)
    kinds = [statement.type.name for statement in statements]
    if kinds != ["SELECT"]:
        raise StoreError(f"{_REFUSED}; got {', '.join(kinds) or 'nothing'}")
    text: str = statements[0].query.strip().rstrip(";")
    _check_calls(connection, text)
    if can_write:
        _check_reads(connection, text, parameters)
    return text


def _check_calls(connection: Any, query: str) -> None:
    """Refuse a statement that calls a function with an effect, or reads something but tables.

    The database may be open with the options of a connection of the user's own, which lets
    statements reach files; and some functions do something even where none may be reached.
    """
    [(text,)] = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    tree = json.loads(text)
    if tree.get("error"):
        # DESCRIBE, SUMMARIZE and what else has no tree name tables and call nothing, unless they
        # hold a query.
        if "(" in query or "'" in query:
            raise StoreError(
                f"{_REFUSED}; got one that cannot be checked: {tree.get('error_message', '')}"
            )
        return
    nodes = list(_nodes(tree))
    names = {str(node["function_name"]).lower() for node in nodes if "function_name" in node}
    query_of_functions = (
        "SELECT lower(function_name), function_type, stability, internal FROM duckdb_functions() "
        "WHERE lower(function_name) IN (SELECT unnest(?))"
    )
    calls = {
        str(node["function"]["function_name"]).lower()
        for node in nodes
        if node.get("type") == "TABLE_FUNCTION"
    }
    for name in calls - _TABLE_FUNCTIONS:
        raise _refusal(f"the function {name}")
    known = connection.execute(query_of_functions, [sorted(names)]).fetchall()
    for name, kind, stability, is_internal in known:
        if not is_internal or (
            kind == "scalar" and stability == "VOLATILE" and name not in _VOLATILE
        ):
            raise _refusal(f"the function {name}")
    _check_tables(connection, nodes)


def _check_tables(connection: Any, nodes: Sequence[dict[str, Any]]) -> None:
    """Refuse the names of files and of variables of the program, which can stand for tables."""
    common = {str(node["key"]).lower() for node in nodes if "key" in node and "value" in node}
    known = connection.execute(
        "SELECT lower(table_name) FROM duckdb_tables() UNION ALL "
        "SELECT lower(view_name) FROM duckdb_views() WHERE internal OR view_name IN "
        "(SELECT unnest(?))",
        [sorted(_VIEWS)],
    ).fetchall()
    allowed = common | {name for (name,) in known}
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            name = str(node["table_name"])
            # What is in no schema of the store is not there: DuckDB says so itself.
            if name.lower() not in allowed:
                raise _refusal(f"{name!r}, which is not a table of the store")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a document."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)


def _refusal(what: str) -> StoreError:
    return StoreError(f"{_REFUSED}; got one with {what}")


def _check_reads(connection: Any, query: str, parameters: Sequence[Any]) -> None:
    """Refuse a statement that changes something, as one that begins with WITH can.

    Such a statement cannot stand within another, where one that reads can.
    """
    duckdb = import_optional("duckdb")
    try:
        connection.execute(f"EXPLAIN SELECT * FROM ({query}\n)", list(parameters))
    except (duckdb.BinderException, duckdb.ParserException) as error:
        raise StoreError(f"{_REFUSED}: {error}") from error
